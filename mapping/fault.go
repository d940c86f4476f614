package mapping

import (
	"fmt"
	"strings"
)

// Fault is one mistake in a mapping file or a code list, where it stands.
type Fault struct {
	File         string
	Line, Column int
	Text         string
	Excerpt      string // the lines around it, the place marked
}

func (f *Fault) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", f.File, f.Line, f.Column, f.Text)
}

// Faults are all the mistakes of one file, in the order of its lines.
type Faults []*Fault

func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = fault.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As find the first *Fault.
func (f Faults) Unwrap() []error {
	errs := make([]error, len(f))
	for i, fault := range f {
		errs[i] = fault
	}
	return errs
}

// Problem is one reason why a tree cannot be written, or a message not be read,
// in full. It never holds a value of the document.
type Problem struct {
	Code    string // map.missing map.code map.decimal map.date map.value map.unmapped
	Pointer string // Write: RFC 6901 into the tree; "" is the whole of it
	Path    string // the XML node, /DecMessage/DecLists/DecList[2]/GNo or …/@unitCode
	Line    int    // Write: line of the node, or of the parent it is missing from, in Document.XML
	List    string // map.code: the code list

	// Detail tells the cases of a code apart: "reason", one of the words in
	// problemTexts, and what the mapping file says ("places", "const", "max").
	Detail map[string]string
}

func (p Problem) Error() string { return p.Code + " " + p.Path + ": " + p.Text("en") }

// Text explains the problem in English or, for "zh", in Chinese.
func (p Problem) Text(lang string) string {
	texts, ok := problemTexts[p.Code+"."+p.Detail["reason"]]
	if !ok {
		texts = problemTexts[p.Code]
	}
	text := texts[0]
	if lang == "zh" {
		text = texts[1]
	}
	return strings.NewReplacer("{path}", p.Path, "{list}", p.List, "{places}", p.Detail["places"],
		"{const}", p.Detail["const"], "{max}", p.Detail["max"]).Replace(text)
}

var problemTexts = map[string][2]string{
	"map.missing":            {"required: the message needs {path}", "必填：报文需要 {path}"},
	"map.missing.unwritten":  {"{path} is not there, but the mapping always writes it", "缺少 {path}，而映射规则总会写出该节点"},
	"map.code":               {"no entry of code list {list} for this code", "代码表 {list} 中没有对应的代码"},
	"map.decimal":            {"not a plain decimal number of at most 40 characters", "不是普通十进制数，或超过 40 个字符"},
	"map.decimal.places":     {"more than {places} digits after the decimal point", "小数位数超过 {places} 位"},
	"map.date":               {"not a date or time of the expected form", "日期或时间格式不正确"},
	"map.date.clock":         {"a time of day is needed, only a date is given", "需要具体时间，但只提供了日期"},
	"map.date.zone":          {"a time without its zone, and the agency's zone is not known", "时间缺少时区，且未知主管部门所在时区"},
	"map.value":              {"the value cannot be carried", "该值无法传递"},
	"map.value.characters":   {"contains a character that XML does not admit", "含有 XML 不允许的字符"},
	"map.value.scalar":       {"a single value is expected here", "此处应为单个值"},
	"map.value.array":        {"a list of entries is expected here", "此处应为列表"},
	"map.value.max":          {"at most {max} entries can be sent", "最多可发送 {max} 项"},
	"map.value.const":        {"must read {const}", "必须为 {const}"},
	"map.value.position":     {"is not the position of its entry", "与所在序号不一致"},
	"map.value.integer":      {"not a whole number in its shortest form", "不是最简形式的整数"},
	"map.value.boolean":      {"neither true nor false", "既不是 true 也不是 false"},
	"map.value.xml":          {"not a well-formed XML document with this root", "不是格式良好或根元素正确的 XML 文档"},
	"map.unmapped":           {"{path} is not covered by the mapping", "映射规则未涵盖 {path}"},
	"map.unmapped.text":      {"{path} has text that the mapping does not cover", "映射规则未涵盖 {path} 中的文本"},
	"map.unmapped.repeated":  {"{path} stands more often than the mapping carries", "{path} 出现次数超过映射规则所能传递的次数"},
	"map.unmapped.conflict":  {"{path} would overwrite a value read before", "{path} 会覆盖先前读取的值"},
	"map.unmapped.condition": {"{path} stands although its condition does not hold", "{path} 的条件不成立，但该节点仍存在"},
	"map.unmapped.empty":     {"{path} is empty, and the mapping would not write it so", "{path} 为空，映射规则不会写出该空节点"},
	"map.unmapped.join":      {"{path} is joined from several fields and cannot be taken apart", "{path} 由多个字段合并而成，无法拆分"},
}
