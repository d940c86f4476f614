package xsd

import (
	"fmt"
	"strings"
)

// text is one sentence in English and Chinese; %s is a limit of the schema.
type text struct{ en, zh string }

func (t text) in(lang string) string {
	if lang == "zh" {
		return t.zh
	}
	return t.en
}

// Text explains the violation in "zh" or, for anything else, in English.
func (v Violation) Text(lang string) string {
	sentences, ok := facetTexts[v.Facet]
	switch {
	case v.Code == "xsd.root":
		sentences = text{"The root element is not one of the schema's: %s.", "根元素不是该模式所定义的：%s。"}
	case v.Code == "xsd.missing":
		sentences = text{"Child elements are missing; expected: %s.", "缺少子元素，应为：%s。"}
	case v.Facet == "content":
		sentences = contentTexts[v.Limit]
	case !ok:
		sentences = codeTexts[v.Code]
	}
	sentence := sentences.in(lang)
	if !strings.Contains(sentence, "%s") {
		return sentence
	}
	if v.Limit == "" {
		return codeTexts[v.Code].in(lang)
	}
	return fmt.Sprintf(sentence, v.Limit)
}

var restText = text{"And %d more.", "另有%d处错误。"}

var facetTexts = map[string]text{
	"enumeration":    {"The value is not one of those allowed: %s.", "取值不在允许范围内：%s。"},
	"pattern":        {"The value does not have the form %s.", "取值不符合格式 %s。"},
	"length":         {"The value must have exactly %s characters.", "取值长度必须为%s个字符。"},
	"minLength":      {"The value must have at least %s characters.", "取值长度不得少于%s个字符。"},
	"maxLength":      {"The value must have at most %s characters.", "取值长度不得超过%s个字符。"},
	"minInclusive":   {"The value must be at least %s.", "取值不得小于%s。"},
	"maxInclusive":   {"The value must be at most %s.", "取值不得大于%s。"},
	"minExclusive":   {"The value must be greater than %s.", "取值必须大于%s。"},
	"maxExclusive":   {"The value must be less than %s.", "取值必须小于%s。"},
	"totalDigits":    {"The value must have at most %s digits.", "取值总位数不得超过%s位。"},
	"fractionDigits": {"The value must have at most %s decimal places.", "取值小数位数不得超过%s位。"},
	"type":           {"The value is not of type %s.", "取值不符合类型 %s。"},
	"expected":       {"This element is not expected here; expected: %s.", "此处不应出现该元素，应为：%s。"},
	"required":       {"The attribute %s is missing.", "缺少属性 %s。"},
	"unexpected":     {"This attribute is not allowed.", "不允许该属性。"},
	"fixed":          {"The value must be %s.", "取值必须为 %s。"},
	"nillable":       {"This element cannot be nil (xsi:nil).", "该元素不允许使用 xsi:nil。"},
	"nil":            {"An element that is nil (xsi:nil) must be empty.", "标记为 xsi:nil 的元素必须为空。"},
	"xsi:type":       {"The type that xsi:type names is not known or cannot stand here.", "xsi:type 所指的类型未知，或不能用于此处。"},
	"abstract":       {"The element or its type is abstract: only one derived from it may stand here.", "该元素或其类型是抽象的，此处只能使用其派生定义。"},
	"key":            {"A value that must be unique is repeated or missing, or one that it refers to does not exist.", "要求唯一的值重复或缺失，或所引用的值不存在。"},
}

var contentTexts = map[string]text{
	"":         {"This content is not allowed here.", "此处不允许该内容。"},
	"text":     {"The element takes text, not other elements.", "该元素只能包含文本，不能包含子元素。"},
	"elements": {"The element takes other elements, not text.", "该元素只能包含子元素，不能包含文本。"},
	"empty":    {"The element must be empty.", "该元素必须为空。"},
}

// codeTexts are for violations whose limit the model does not know.
var codeTexts = map[string]text{
	"xsd.enumeration": {"The value is not one of those allowed.", "取值不在允许范围内。"},
	"xsd.pattern":     {"The value does not have the required form.", "取值不符合要求的格式。"},
	"xsd.length":      {"The value does not have the required length.", "取值长度不符合要求。"},
	"xsd.minLength":   {"The value is too short.", "取值过短。"},
	"xsd.maxLength":   {"The value is too long.", "取值过长。"},
	"xsd.digits":      {"The value has too many digits.", "取值位数过多。"},
	"xsd.range":       {"The value is out of range.", "取值超出范围。"},
	"xsd.type":        {"The value is not of the required type.", "取值不符合要求的类型。"},
	"xsd.missing":     {"Child elements are missing.", "缺少子元素。"},
	"xsd.unexpected":  {"This element is not expected here.", "此处不应出现该元素。"},
	"xsd.attribute":   {"An attribute is missing or not allowed.", "缺少属性或不允许该属性。"},
	"xsd.root":        {"The root element is not one of the schema's.", "根元素不是该模式所定义的。"},
	"xsd.value":       {"The value is not allowed here.", "此处不允许该取值。"},
	"xsd.nil":         {"xsi:nil is not allowed here.", "此处不允许使用 xsi:nil。"},
	"xsd.typeName":    {"xsi:type is not allowed here.", "此处不允许该 xsi:type。"},
	"xsd.abstract":    {"An abstract element or type cannot stand here.", "此处不能使用抽象的元素或类型。"},
	"xsd.key":         {"A key is repeated, missing or refers to nothing.", "键值重复、缺失或所引用的值不存在。"},
	"xsd.internal":    {"The validator could not judge this.", "校验器无法判断此处内容。"},
}
