package mapping_test

import (
	"fmt"

	"singlewindow/mapping"
)

// A declaration becomes a message; a fault found in the message is led back to
// the field it is from; and the message becomes the declaration again.
func Example() {
	modes, err := mapping.ParseList("mode", []byte("# source: the administration's data dictionary; excerpt\n"+
		"ours,theirs,en,zh\n1,SEA,by sea,海运\n4,AIR,by air,空运\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	m, err := mapping.Compile("goods.yaml", []byte(`
kind: goods
root: Message
attr: {version: {const: "1.0"}}
elements:
  - MessageId: {from: $deliveryId}
  - Mode: {from: /modeCode, code: mode}
  - Item:
      each: /items
      group:
        - No: {from: "#"}
        - Value: {from: value/value, decimal: {places: 2}, attr: {currency: {from: value/currency}}}
`), map[string]*mapping.List{"mode": modes})
	if err != nil {
		fmt.Println(err) // every fault of the file, with line and column
		return
	}
	m.Require("/Message/Item/Value")

	tree := map[string]any{"modeCode": "1", "items": []any{
		map[string]any{"value": map[string]any{"value": "12.50", "currency": "CNY"}},
		map[string]any{},
	}}
	doc, problems := m.Write(tree, map[string]string{"deliveryId": "msg_1"})
	fmt.Print(string(doc.XML()))
	for _, p := range problems {
		fmt.Println(p.Code, p.Pointer, "line", p.Line, p.Text("en"))
	}
	fmt.Println(doc.At([]int{2, 1}, "currency").Pointer)

	back, problems := m.Read(doc.XML())
	fmt.Println(back, problems)
	// Output:
	// <?xml version="1.0" encoding="UTF-8"?>
	// <Message version="1.0">
	//   <MessageId>msg_1</MessageId>
	//   <Mode>SEA</Mode>
	//   <Item>
	//     <No>1</No>
	//     <Value currency="CNY">12.50</Value>
	//   </Item>
	//   <Item>
	//     <No>2</No>
	//   </Item>
	// </Message>
	// map.missing /items/1/value/value line 9 required: the message needs /Message/Item[2]/Value
	// /items/0/value/currency
	// map[items:[map[value:map[currency:CNY value:12.50]] map[]] modeCode:1] []
}
