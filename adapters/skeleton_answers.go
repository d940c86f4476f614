package adapters

// What a new folder answers with as long as the agency's own schema of answers
// is not there: a plain answer that the simulator plays.
var plainAnswers = map[string]string{
	"notice.yaml": `# What the agency's answers mean. schema/Answer.xsd was made for this folder, so that it can be tried at once:
# replace it, and the paths below, by what the agency really sends.
schema: schema/Answer.xsd
order: [issuedAt, rank] # what decides which of two answers is the later one
roots:
  - root: Answer
    deliveryId: /Answer/DeliveryId
    numbers: {receiptNo: /Answer/ReceiptNo}
    issuedAt: {path: /Answer/IssuedAt, layouts: ["2006-01-02T15:04:05Z07:00"]}
    word: /Answer/Status
    remark: /Answer/Remark
    errors: {each: /Answer/Error, code: Code, text: Text, path: Path}
words:
  RECEIVED: {decision: received, rank: 10, en: Received, zh: 已接收}
  RELEASED: {decision: released, rank: 50, en: Released, zh: 放行}
  REFUSED: {decision: rejected, rank: 90, en: Refused, zh: 退单}
`,
	"schema/Answer.xsd": `<?xml version="1.0" encoding="UTF-8"?>
<!-- Made for this folder: not the agency's. -->
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" elementFormDefault="qualified">
  <xs:element name="Answer">
    <xs:complexType>
      <xs:sequence>
        <xs:element name="DeliveryId" type="xs:string"/>
        <xs:element name="ReceiptNo" type="xs:string" minOccurs="0"/>
        <xs:element name="IssuedAt" type="xs:dateTime"/>
        <xs:element name="Status">
          <xs:simpleType>
            <xs:restriction base="xs:string">
              <xs:enumeration value="RECEIVED"/>
              <xs:enumeration value="RELEASED"/>
              <xs:enumeration value="REFUSED"/>
            </xs:restriction>
          </xs:simpleType>
        </xs:element>
        <xs:element name="Remark" type="xs:string" minOccurs="0"/>
        <xs:element name="Error" minOccurs="0" maxOccurs="unbounded">
          <xs:complexType>
            <xs:sequence>
              <xs:element name="Code" type="xs:string"/>
              <xs:element name="Text" type="xs:string"/>
              <xs:element name="Path" type="xs:string" minOccurs="0"/>
            </xs:sequence>
          </xs:complexType>
        </xs:element>
      </xs:sequence>
    </xs:complexType>
  </xs:element>
</xs:schema>
`,
	"answers/received.xml":         plainAnswer("{deliveryId}", "{now}", "RECEIVED", ""),
	"answers/released.xml":         plainAnswer("{deliveryId}", "{now}", "RELEASED", ""),
	"answers/refused.xml":          plainAnswer("{deliveryId}", "{now}", "REFUSED", plainError),
	"samples/answers/received.xml": plainAnswer(sampleMessageID, "2026-03-02T02:03:04Z", "RECEIVED", ""),
	"samples/answers/received.json": `{
  "word": "RECEIVED",
  "decision": "received"
}
`,
	"samples/answers/released.xml": plainAnswer(sampleMessageID, "2026-03-02T02:03:04Z", "RELEASED", ""),
	"samples/answers/released.json": `{
  "word": "RELEASED",
  "decision": "released"
}
`,
	"samples/answers/refused.xml": plainAnswer(sampleMessageID, "2026-03-02T02:03:04Z", "REFUSED", plainError),
	"samples/answers/refused.json": `{
  "word": "REFUSED",
  "decision": "rejected"
}
`,
}

const plainError = `  <Error>
    <Code>1</Code>
    <Text>refused by the simulator</Text>
  </Error>
`

func plainAnswer(deliveryID, issuedAt, word, errors string) string {
	return `<?xml version="1.0" encoding="UTF-8"?>
<Answer>
  <DeliveryId>` + deliveryID + `</DeliveryId>
  <ReceiptNo>R2026000001</ReceiptNo>
  <IssuedAt>` + issuedAt + `</IssuedAt>
  <Status>` + word + `</Status>
` + errors + `</Answer>
`
}

const plainScript = `pace: 100ms
words: # the last dot part of a reference chooses: ACME-7.reject
  default:
    - {answer: 200, template: answers/received.xml}
    - {notice: answers/released.xml}
  reject:
    - {answer: 422, template: answers/refused.xml}
`
