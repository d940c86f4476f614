package declare

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"github.com/goccy/go-yaml"
	yamlast "github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
	"github.com/shopspring/decimal"
)

// Rules are a rule file compiled: what must hold between the fields of a
// declaration beyond what its schema can say. Safe for concurrent use.
//
// A rule file is a YAML list. Expressions are CEL (with its optional syntax)
// over declaration, item, index and on (the date YYYY-MM-DD that the
// declaration is judged by), with the functions declared in this file:
//
//   - code: goods.item.netOverGross       # stable, unique in the file
//     each: /goodsShipment/governmentAgencyGoodsItems
//     when: has(item.commodity)
//     that: lte(item.commodity.net.value, item.commodity.gross.value)
//     at: commodity/net/value
//     advice: true
//     en: The net mass is greater than the gross mass; correct one of them.
//     zh: 净重大于毛重，请更正其中一项。
//
// each is one pointer or a list of them, * standing for every entry of an
// array on the way. What it leads to is item: every entry of an array, or the
// one object; nothing when it is absent. Without each the rule is asked once.
// at locates the fault, from item, or from the top with a leading slash.
// when, each and advice are optional.
type Rules struct {
	scopes []pattern // every each of the rules, once
	rules  []rule
}

type rule struct {
	code    string
	each    []int // of scopes
	at      string
	advice  bool
	text    Text
	program cel.Program
}

// Check asks every rule, in the order of the file. The tree must satisfy the
// schema the rules were written for. An error means that a rule could not be
// decided: the rule is wrong, not the declaration. The asking ends with the
// 200th refusal; advice beyond 200 pieces is not told.
func (r *Rules) Check(tree map[string]any, on time.Time) ([]Fault, error) {
	question := newQuestion(tree, on)
	entries := make([][]entry, len(r.scopes))
	for i, scope := range r.scopes {
		entries[i] = scope.find(tree)
	}
	var found collected
	for _, rule := range r.rules {
		for _, each := range rule.each {
			for _, entry := range entries[each] {
				question.item, question.index = entry.value, entry.index()
				holds, err := question.ask(rule.program)
				if err != nil {
					return nil, fmt.Errorf("rule %s at %q: %w", rule.code, r.scopes[each].pointer(entry), err)
				}
				if !holds && !found.add(rule.fault(r.scopes[each].pointer(entry))) {
					return found.faults, nil
				}
			}
		}
	}
	return found.faults, nil
}

// collected gathers faults up to a number that still helps. Advice is counted
// apart, so that no amount of it hides a refusal.
type collected struct {
	faults           []Fault
	refusals, advice int
}

// add tells whether there is room for another refusal.
func (c *collected) add(fault Fault) bool {
	if fault.Advice {
		c.advice++
	} else {
		c.refusals++
	}
	if !fault.Advice || c.advice <= maxFaults {
		c.faults = append(c.faults, fault)
	}
	return c.refusals < maxFaults
}

// RuleText is what a rule tells whoever breaks it.
type RuleText struct {
	Code    string
	Pointer string // of the field it asks about, * standing for every entry of an array; the first, where the rule asks of several places
	Text    Text
	Advice  bool   // it refuses nothing
	Agency  string // whose rule it is; "" where it is the kind's
	Kind    string // "" where it is an agency's
}

// Texts gives what the rules tell, in the order of the file.
func (r *Rules) Texts() []RuleText {
	all := make([]RuleText, len(r.rules))
	for i, rule := range r.rules {
		fault := rule.fault(r.scopes[rule.each[0]].text)
		all[i] = RuleText{Code: rule.code, Pointer: fault.Pointer, Text: rule.text, Advice: rule.advice}
	}
	return all
}

func (r *rule) fault(entry string) Fault {
	pointer := r.at
	if !strings.HasPrefix(pointer, "/") {
		pointer = strings.TrimSuffix(entry+"/"+pointer, "/")
	}
	return Fault{Code: r.code, Pointer: pointer, Text: r.text, Advice: r.advice}
}

// Condition is one CEL expression over declaration, such as the one by which
// an agency says whether a declaration concerns it.
type Condition struct {
	program cel.Program
}

// CompileCondition compiles an expression that answers true or false. The
// error is a *FileError without a file, its line and column counted within
// the expression.
func CompileCondition(expression string) (*Condition, error) {
	compiler, err := conditionCompiler()
	if err != nil {
		return nil, err
	}
	program, err := compiler.compile(located{text: expression, line: 1, column: 1})
	if err != nil {
		return nil, err
	}
	return &Condition{program}, nil
}

// Holds decides the condition for a declaration.
func (c *Condition) Holds(tree map[string]any) (bool, error) {
	return newQuestion(tree, time.Time{}).ask(c.program)
}

// question is what a rule's program is asked about: the variables, and the
// one function that remembers within a check.
type question struct {
	declaration any // a map[string]any: CEL reads it faster as it is
	item        any
	index       int
	on          string
	counts      map[countKey]map[string]int64
}

func newQuestion(tree map[string]any, on time.Time) *question {
	return &question{
		declaration: tree,
		on:          on.Format(time.DateOnly),
		counts:      map[countKey]map[string]int64{},
	}
}

func (q *question) ask(program cel.Program) (bool, error) {
	answer, _, err := program.Eval(q)
	if err != nil {
		return false, err
	}
	holds, isBool := answer.(types.Bool)
	if !isBool {
		return false, fmt.Errorf("the expression gives a %s, not true or false", answer.Type().TypeName())
	}
	return bool(holds), nil
}

// ResolveName gives CEL the variables.
func (q *question) ResolveName(name string) (any, bool) {
	switch name {
	case "declaration":
		return q.declaration, true
	case "item":
		return q.item, true
	case "index":
		return types.Int(q.index), true
	case "on":
		return types.String(q.on), true
	}
	return nil, false
}

// Parent says that there are no other variables.
func (q *question) Parent() cel.Activation { return nil }

// ResolveFunction gives CEL the function whose results are kept while one
// declaration is checked: asked for each of n entries, it takes n steps, not
// n times n.
func (q *question) ResolveFunction(name string) (cel.LateBoundFunction, bool) {
	return q.entriesWith, name == "entriesWith"
}

type countKey struct {
	first *any
	size  int
	field string
}

func (q *question) entriesWith(_ string, args ...ref.Val) ref.Val {
	list, isList := args[0].Value().([]any)
	field, value := string(args[1].(types.String)), string(args[2].(types.String))
	if counted, isCounted := args[0].(traits.Sizer); isCounted && counted.Size() == types.IntZero {
		return types.IntZero // also the empty list that stands for an absent one
	}
	if !isList {
		return types.NewErr("entriesWith needs a list of the declaration itself")
	}
	key := countKey{&list[0], len(list), field}
	counts, known := q.counts[key]
	if !known {
		counts = map[string]int64{}
		for _, entry := range list {
			if object, isObject := entry.(map[string]any); isObject {
				if text, isText := object[field].(string); isText {
					counts[text]++
				}
			}
		}
		q.counts[key] = counts
	}
	return types.Int(counts[value])
}

// pattern is a pointer in which * stands for every entry of an array.
type pattern struct {
	text  string
	steps []string
}

func compilePattern(text string) (pattern, error) {
	if !strings.HasPrefix(text, "/") {
		return pattern{}, errors.New("a pointer begins with a slash")
	}
	steps := strings.Split(text[1:], "/")
	for i, step := range steps {
		steps[i] = strings.ReplaceAll(strings.ReplaceAll(step, "~1", "/"), "~0", "~")
	}
	return pattern{text, steps}, nil
}

// entry is one value a pattern leads to: the value, and the indexes of the
// arrays on the way to it.
type entry struct {
	value   any
	indexes []int
}

// index is the entry's place in the innermost array.
func (e entry) index() int {
	if len(e.indexes) == 0 {
		return 0
	}
	return e.indexes[len(e.indexes)-1]
}

// find gives what the pattern leads to: every entry where that is an array,
// else the value itself.
func (p pattern) find(tree any) []entry {
	return find(nil, entry{value: tree}, p.steps)
}

func find(found []entry, at entry, steps []string) []entry {
	for i, name := range steps {
		if name == "*" {
			for member := range at.members {
				found = find(found, member, steps[i+1:])
			}
			return found
		}
		object, _ := at.value.(map[string]any) // anything else has no fields
		value, present := object[name]
		if !present {
			return found
		}
		at.value = value
	}
	if _, isArray := at.value.([]any); isArray {
		return slices.AppendSeq(found, at.members)
	}
	return append(found, at)
}

// members yields the entries of an array, none of anything else.
func (e entry) members(yield func(entry) bool) {
	array, _ := e.value.([]any)
	depth := len(e.indexes)
	indexes := make([]int, 0, len(array)*(depth+1)) // of all members, one behind the other
	for i, value := range array {
		indexes = append(append(indexes, e.indexes...), i)
		if !yield(entry{value, indexes[i*(depth+1):]}) {
			return
		}
	}
}

// pointer writes the place of an entry that the pattern led to.
func (p pattern) pointer(e entry) string {
	pointer, indexes := "", e.indexes
	for _, name := range p.steps {
		if name == "*" {
			pointer += "/" + strconv.Itoa(indexes[0])
			indexes = indexes[1:]
		} else {
			pointer = pointerTo(pointer, name)
		}
	}
	if len(indexes) > 0 {
		pointer += "/" + strconv.Itoa(indexes[0])
	}
	return pointer
}

// ruleSource is a rule as its file has it.
type ruleSource struct {
	Code   located  `yaml:"code"`
	Each   pointers `yaml:"each"`
	When   located  `yaml:"when"`
	That   located  `yaml:"that"`
	At     located  `yaml:"at"`
	Advice bool     `yaml:"advice"`
	Text   `yaml:",inline"`
}

// located is a text of a YAML file with the place where it begins.
type located struct {
	text         string
	line, column int
}

// UnmarshalYAML takes any scalar but null as the text it is.
func (l *located) UnmarshalYAML(node yamlast.Node) error {
	position := node.GetToken().Position
	l.line, l.column = position.Line, position.Column
	switch scalar := node.(type) {
	case *yamlast.StringNode:
		l.text = scalar.Value
		if scalar.Token.Type == token.SingleQuoteType || scalar.Token.Type == token.DoubleQuoteType {
			l.column++
		}
	case *yamlast.LiteralNode:
		l.text = scalar.Value.Value
		l.line, l.column = position.Line+1, literalIndent(scalar)
	case *yamlast.BoolNode:
		l.text = strconv.FormatBool(scalar.Value)
	default:
		return &yaml.UnexpectedNodeTypeError{Actual: node.Type(), Expected: yamlast.StringType, Token: node.GetToken()}
	}
	return nil
}

// literalIndent is the column at which the lines of a block scalar begin.
func literalIndent(node *yamlast.LiteralNode) int {
	origin := node.Value.Token.Origin
	return len(origin) - len(strings.TrimLeft(origin, " ")) + 1
}

// pointers is one pointer or a list of them.
type pointers []located

// UnmarshalYAML reads either form.
func (p *pointers) UnmarshalYAML(node yamlast.Node) error {
	nodes := []yamlast.Node{node}
	if sequence, isSequence := node.(*yamlast.SequenceNode); isSequence {
		nodes = sequence.Values
	}
	*p = make(pointers, len(nodes))
	for i, node := range nodes {
		if err := (*p)[i].UnmarshalYAML(node); err != nil {
			return err
		}
	}
	return nil
}

// CompileRules compiles a rule file; file is its name in errors. The error is
// one *FileError, or several joined.
func CompileRules(file string, src []byte) (*Rules, error) {
	var sources []ruleSource
	if err := readYAML(file, src, &sources); err != nil {
		return nil, err
	}
	compiler, err := ruleCompiler()
	if err != nil {
		return nil, err
	}
	rules := &Rules{}
	seen := map[string]bool{}
	var faults []error
	for _, source := range sources {
		rule, err := rules.compile(source, compiler)
		if seen[source.Code.text] {
			err = errors.Join(err, source.Code.fault("this code stands twice in the file"))
		}
		seen[source.Code.text] = true
		faults = append(faults, inFile(file, err))
		rules.rules = append(rules.rules, rule)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return rules, nil
}

var ruleCode = regexp.MustCompile(`^[a-zA-Z][A-Za-z0-9-]*(\.[A-Za-z0-9-]+)+$`)

func (r *Rules) compile(s ruleSource, compiler compiler) (rule, error) {
	compiled := rule{code: s.Code.text, at: s.At.text, advice: s.Advice, text: s.Text}
	switch {
	case !ruleCode.MatchString(s.Code.text):
		return rule{}, s.Code.fault("a rule needs a code such as goods.item.netOverGross")
	case s.That.text == "":
		return rule{}, s.Code.fault("the rule has no that")
	case s.English == "" || s.Chinese == "":
		return rule{}, s.Code.fault("the rule needs its text in en and zh")
	case len(s.Each) == 0 && !strings.HasPrefix(s.At.text, "/"):
		return rule{}, s.Code.fault("a rule without each needs an at with a leading slash")
	}
	if len(s.Each) == 0 {
		compiled.each = []int{r.scope(pattern{})} // the declaration itself, once
	}
	for _, each := range s.Each {
		pattern, err := compilePattern(each.text)
		if err != nil {
			return rule{}, each.fault("each: " + err.Error())
		}
		compiled.each = append(compiled.each, r.scope(pattern))
	}
	var err error
	compiled.program, err = compiler.compileRule(s.When, s.That)
	return compiled, err
}

// scope gives the place of a pattern among the scopes, so that what several
// rules ask of is found once.
func (r *Rules) scope(each pattern) int {
	if i := slices.IndexFunc(r.scopes, func(known pattern) bool { return known.text == each.text }); i >= 0 {
		return i
	}
	r.scopes = append(r.scopes, each)
	return len(r.scopes) - 1
}

// compiler turns expressions into programs.
type compiler struct {
	environment *cel.Env
	lists       map[string]*CodeList
}

// compileRule makes one program of when and that. Each is compiled alone
// first, so that faults have their own place.
func (c compiler) compileRule(when, that located) (cel.Program, error) {
	program, err := c.compile(that)
	if when.text == "" || err != nil {
		return program, err
	}
	if _, err := c.compile(when); err != nil {
		return nil, err
	}
	that.text = "(" + when.text + "\n) ? (" + that.text + "\n) : true"
	return c.compile(that)
}

// evaluationCost bounds one evaluation of loops within loops, in CEL's own unit: hundreds
// of steps for each of 999 items.
const evaluationCost = 1_000_000

func (c compiler) compile(expression located) (cel.Program, error) {
	checked, issues := c.environment.Compile(expression.text)
	if issues.Err() != nil {
		return nil, expression.faultWithin(issues.Errors()[0])
	}
	if kind := checked.OutputType(); !kind.IsExactType(cel.BoolType) && !kind.IsExactType(cel.DynType) {
		return nil, expression.fault("the expression gives a " + kind.String() + ", not true or false")
	}
	if list := c.unknownList(checked.NativeRep()); list != "" {
		return nil, expression.fault("there is no code list " + list)
	}
	options := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	if loopsWithinLoop(checked.NativeRep()) {
		options = append(options, cel.CostLimit(evaluationCost))
	}
	program, err := c.environment.Program(checked, options...)
	if err != nil {
		return nil, expression.fault(err.Error())
	}
	return program, nil
}

// loopsWithinLoop tells whether an expression can take many more steps than a
// declaration has values. Counting the steps of the others would cost as much
// as taking them.
func loopsWithinLoop(expression *ast.AST) bool {
	isLoop := ast.KindMatcher(ast.ComprehensionKind)
	return slices.ContainsFunc(ast.MatchDescendants(ast.NavigateAST(expression), isLoop), func(loop ast.NavigableExpr) bool {
		body := ast.NavigateExpr(expression, loop.AsComprehension().LoopStep())
		return len(ast.MatchDescendants(body, isLoop)) > 0
	})
}

// unknownList finds a codeIn whose list, written as a constant, there is not.
func (c compiler) unknownList(expression *ast.AST) string {
	unknown := ""
	ast.PreOrderVisit(expression.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != "codeIn" {
			return
		}
		list := e.AsCall().Args()[0]
		if list.Kind() != ast.LiteralKind {
			return
		}
		if name := fmt.Sprint(list.AsLiteral().Value()); c.lists[name] == nil {
			unknown = name
		}
	}))
	return unknown
}

// faultWithin places what CEL found in the file the expression stands in.
func (l located) faultWithin(found *cel.Error) error {
	place := located{
		line:   l.line + found.Location.Line() - 1,
		column: l.column + found.Location.Column(),
	}
	return place.fault(found.Message)
}

func (l located) fault(text string) error {
	return &FileError{Line: l.line, Column: l.column, Text: strings.ToLower(text[:1]) + text[1:]}
}

// readYAML decodes a YAML file strictly: unknown and repeated keys are faults.
func readYAML(file string, src []byte, into any) error {
	err := yaml.UnmarshalWithOptions(src, into, yaml.Strict())
	var fault yaml.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &fault) && fault.GetToken() != nil:
		position := fault.GetToken().Position
		return &FileError{file, position.Line, position.Column, fault.GetMessage()}
	}
	return &FileError{file, 0, 0, err.Error()}
}

// inFile gives the file's name to faults found without knowing it.
func inFile(file string, err error) error {
	if joined, isJoined := err.(interface{ Unwrap() []error }); isJoined {
		faults := joined.Unwrap()
		for i := range faults {
			faults[i] = inFile(file, faults[i])
		}
		return errors.Join(faults...)
	}
	var fault *FileError
	if errors.As(err, &fault) {
		fault.File = file
	}
	return err
}

var conditionCompiler = sync.OnceValues(func() (compiler, error) {
	lists, err := CodeLists()
	if err != nil {
		return compiler{}, err
	}
	environment, err := cel.NewEnv(append(celFunctions(lists),
		cel.OptionalTypes(),
		cel.Variable("declaration", cel.MapType(cel.StringType, cel.DynType)),
	)...)
	return compiler{environment, lists}, err
})

var ruleCompiler = sync.OnceValues(func() (compiler, error) {
	conditions, err := conditionCompiler()
	if err != nil {
		return compiler{}, err
	}
	environment, err := conditions.environment.Extend(
		cel.Variable("item", cel.DynType),
		cel.Variable("index", cel.IntType),
		cel.Variable("on", cel.StringType),
	)
	return compiler{environment, conditions.lists}, err
})

// celFunctions are what expressions can call beyond CEL's own. Decimals are
// strings throughout, as they are in the declaration.
func celFunctions(lists map[string]*CodeList) []cel.EnvOption {
	text, boolean, whole, measure := cel.StringType, cel.BoolType, cel.IntType, cel.DynType
	return []cel.EnvOption{
		// cmp is -1, 0 or 1; lt, lte and eq are what they say.
		compare("cmp", whole, func(order int) ref.Val { return types.Int(order) }),
		compare("lt", boolean, func(order int) ref.Val { return types.Bool(order < 0) }),
		compare("lte", boolean, func(order int) ref.Val { return types.Bool(order <= 0) }),
		compare("eq", boolean, func(order int) ref.Val { return types.Bool(order == 0) }),
		calculate("add", decimal.Decimal.Add),
		calculate("sub", decimal.Decimal.Sub),
		calculate("mul", decimal.Decimal.Mul),
		functionOfOne("abs", text, text, func(a ref.Val) ref.Val { return onDecimal(a, decimal.Decimal.Abs) }),
		// round(a, places) rounds half away from zero.
		functionOfTwo("round", []*cel.Type{text, whole}, text, func(a, places ref.Val) ref.Val {
			return onDecimal(a, func(d decimal.Decimal) decimal.Decimal { return d.Round(int32(places.(types.Int))) })
		}),
		// lastPlace("6.45") is "0.01", lastPlace("6") is "1".
		functionOfOne("lastPlace", text, text, func(a ref.Val) ref.Val {
			return onDecimal(a, func(d decimal.Decimal) decimal.Decimal { return decimal.New(1, d.Exponent()) })
		}),
		// sum adds a list of decimals.
		functionOfOne("sum", cel.ListType(text), text, sumOf),
		// inUnit(value, unit, to) converts a mass; inUnit(measure, to) does the
		// same for a {value, unit}, where a missing unit is the kilogram.
		cel.Function("inUnit",
			cel.Overload("inUnit_value", []*cel.Type{text, text, text}, text, cel.FunctionBinding(func(args ...ref.Val) ref.Val {
				return convert(args[0], args[1], args[2])
			})),
			cel.Overload("inUnit_measure", []*cel.Type{measure, text}, text, cel.BinaryBinding(func(m, to ref.Val) ref.Val {
				value, unit := measureParts(m)
				return convert(types.String(value), types.String(unit), to)
			}))),
		// isMass tells whether inUnit can convert a {value, unit}.
		functionOfOne("isMass", measure, boolean, func(m ref.Val) ref.Val {
			_, unit := measureParts(m)
			_, known := kilograms[unit]
			return types.Bool(known)
		}),
		identifier("iso6346", iso6346),
		identifier("imoNumber", imoNumber),
		identifier("uscc", uscc),
		identifier("mrn", mrn),
		// codeIn(list, value): the canonical list has the code, on any day.
		functionOfTwo("codeIn", []*cel.Type{text, text}, boolean, func(list, value ref.Val) ref.Val {
			known, present := lists[string(list.(types.String))]
			if !present {
				return types.NewErr("no such code list")
			}
			return types.Bool(known.Has(string(value.(types.String))))
		}),
		// dateLte(a, b) compares dates and date-times; see its function.
		functionOfTwo("dateLte", []*cel.Type{text, text}, boolean, dateLte),
		// entriesWith(list, field, value) counts the objects of a list of the
		// declaration that have the text in the field.
		cel.Function("entriesWith", cel.Overload("entriesWith_list",
			[]*cel.Type{cel.ListType(cel.DynType), text, text}, whole, cel.LateFunctionBinding())),
	}
}

func functionOfOne(name string, argument, result *cel.Type, do func(ref.Val) ref.Val) cel.EnvOption {
	return cel.Function(name, cel.Overload(name+"_one", []*cel.Type{argument}, result, cel.UnaryBinding(do)))
}

func functionOfTwo(name string, arguments []*cel.Type, result *cel.Type, do func(a, b ref.Val) ref.Val) cel.EnvOption {
	return cel.Function(name, cel.Overload(name+"_two", arguments, result, cel.BinaryBinding(do)))
}

func identifier(name string, holds func(string) bool) cel.EnvOption {
	return functionOfOne(name, cel.StringType, cel.BoolType, func(a ref.Val) ref.Val {
		return types.Bool(holds(string(a.(types.String))))
	})
}

func compare(name string, result *cel.Type, answer func(order int) ref.Val) cel.EnvOption {
	return functionOfTwo(name, []*cel.Type{cel.StringType, cel.StringType}, result, func(a, b ref.Val) ref.Val {
		left, right, err := decimals(a, b)
		if err != nil {
			return types.WrapErr(err)
		}
		return answer(left.Cmp(right))
	})
}

func calculate(name string, do func(a, b decimal.Decimal) decimal.Decimal) cel.EnvOption {
	return functionOfTwo(name, []*cel.Type{cel.StringType, cel.StringType}, cel.StringType, func(a, b ref.Val) ref.Val {
		left, right, err := decimals(a, b)
		if err != nil {
			return types.WrapErr(err)
		}
		return types.String(do(left, right).String())
	})
}

func onDecimal(a ref.Val, do func(decimal.Decimal) decimal.Decimal) ref.Val {
	value, err := decimalOf(a)
	if err != nil {
		return types.WrapErr(err)
	}
	return types.String(do(value).String())
}

func decimals(a, b ref.Val) (left, right decimal.Decimal, err error) {
	if left, err = decimalOf(a); err == nil {
		right, err = decimalOf(b)
	}
	return left, right, err
}

// maxDecimalText bounds a decimal before it is parsed, products included.
const maxDecimalText = 100

var errNotDecimal = errors.New("not a decimal written as a sign, digits and a point")

// decimalOf reads a decimal in plain form only: an exponent would let a few
// bytes ask for a number of any size.
func decimalOf(value ref.Val) (decimal.Decimal, error) {
	text, isText := value.(types.String)
	if !isText || len(text) > maxDecimalText || !consistsOf(string(text), isDecimal) {
		return decimal.Decimal{}, errNotDecimal
	}
	number, err := decimal.NewFromString(string(text))
	if err != nil {
		return decimal.Decimal{}, errNotDecimal
	}
	return number, nil
}

func isDecimal(c byte) bool { return isDigit(c) || c == '.' || c == '-' }

func sumOf(list ref.Val) ref.Val {
	total := decimal.Zero
	for it := list.(traits.Lister).Iterator(); it.HasNext() == types.True; {
		value, err := decimalOf(it.Next())
		if err != nil {
			return types.WrapErr(err)
		}
		total = total.Add(value)
	}
	return types.String(total.String())
}

// kilograms says what one unit of mass weighs (UN/ECE Recommendation 20).
var kilograms = map[string]decimal.Decimal{
	"KGM": decimal.New(1, 0),
	"TNE": decimal.New(1, 3),
	"GRM": decimal.New(1, -3),
	"LBR": decimal.RequireFromString("0.45359237"),
}

var errNotMass = errors.New("not a unit of mass that can be converted")

func convert(value, unit, to ref.Val) ref.Val {
	if unit == to {
		return value
	}
	factor, known := kilograms[string(unit.(types.String))]
	divisor, toKnown := kilograms[string(to.(types.String))]
	if !known || !toKnown {
		return types.WrapErr(errNotMass)
	}
	return onDecimal(value, func(d decimal.Decimal) decimal.Decimal { return d.Mul(factor).Div(divisor) })
}

// measureParts reads a {value, unit} of the declaration. Without a unit it is
// in kilograms; what is no measure has no unit that is known.
func measureParts(measure ref.Val) (value, unit string) {
	fields, isObject := measure.Value().(map[string]any)
	if !isObject {
		return "", ""
	}
	value, _ = fields["value"].(string) // the schema requires it; without it nothing can be computed
	if unit, present := fields["unit"]; present {
		return value, fmt.Sprint(unit)
	}
	return value, "KGM"
}

var errNotDate = errors.New("not a date YYYY-MM-DD or a date-time of RFC 3339")

// dateLte tells whether a is not later than b. Two date-times are compared as
// instants; where one has no time of day, the days are compared as written. So
// they are for the few date-times a schema allows and Go cannot read, such as
// a leap second.
func dateLte(a, b ref.Val) ref.Val {
	left, leftDay, err := parseDate(string(a.(types.String)))
	if err != nil {
		return types.WrapErr(err)
	}
	right, rightDay, err := parseDate(string(b.(types.String)))
	if err != nil {
		return types.WrapErr(err)
	}
	if left.IsZero() || right.IsZero() {
		return types.Bool(leftDay <= rightDay)
	}
	return types.Bool(!left.After(right))
}

// parseDate gives the instant, zero for a bare date, and the day as written.
func parseDate(text string) (instant time.Time, day string, err error) {
	day = text[:min(len(text), len(time.DateOnly))]
	if _, err := time.Parse(time.DateOnly, day); err != nil {
		return time.Time{}, "", errNotDate
	}
	if len(text) > len(day) {
		if instant, err = time.Parse(time.RFC3339, text); err != nil {
			return time.Time{}, day, nil //nolint:nilerr // a day with something else behind it is still a day
		}
	}
	return instant, day, nil
}
