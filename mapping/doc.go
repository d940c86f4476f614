// Package mapping turns trees, as strict JSON intake makes them, into the XML of
// an agency and back, as a rule file of that agency says. It remembers for each
// node written which field it is from, so that a fault found in the XML can be
// told where the user can mend it. It knows neither declarations nor schemas.
//
// [Compile] reads a mapping file, [ParseList] a code list, [Mapping.Write] and
// [Mapping.Read] are the two directions, [Document.At] leads from an XML node to
// a field. This text is the reference of both file forms.
//
// # Mapping file
//
// YAML; an unknown or repeated key is a fault, and so are anchors. All faults of
// a file are told at once. Values are taken as written: 010 stays 010.
//
//	kind: goods                  # the declaration kind it is for
//	namespace: "urn:x"           # optional: namespace of names without a prefix
//	namespaces: {p: "urn:y"}     # optional: of names written p:Name
//	root: Message                # name of the root element
//	attr: {version: {const: "3.1"}}
//	from: /node                  # optional: what the root stands for; Read makes it, be it empty
//	blocks:                      # optional: groups that several elements share, by name
//	  address: [{CityName: {from: cityName}}, …]
//	elements:                    # the children of the root, in document order
//	  - Head: {group: [...]}
//
// Each entry of elements, and of a group, is one rule: an element's name and its
// keys. In YAML's flow style a name with a prefix must be quoted: {"p:Name": {…}}.
//
// # Where a value is from
//
// Exactly one of:
//
//	from: SOURCE                 # or a list of sources: the first that is there
//	const: "3.1"                 # always the same
//	join: [SOURCE, …]            # the parts that are there, with: " " between them;
//	                             # of an array, its entries
//
// A SOURCE is one of:
//
//	/a/b                         # from the root of the tree (RFC 6901, ~0 and ~1 included)
//	a/b                          # from the entry of the innermost each
//	classes[type=HS]/id          # the first entry of an array whose member type is HS
//	classes[0]/id                # an entry by its 0-based position
//	.                            # the entry itself, where entries are single values
//	"#"                          # the 1-based position of the entry in its array
//	$deliveryId                  # the gateway's: $acceptedAt (RFC 3339), $declarationId,
//	                             # $deliveryId, $functionCode, $reference
//
// A group does not change where relative sources begin; only each does, and a
// block. A JSON
// null counts as absent. An element whose value is absent is not written, unless
//
//	default: "0"                 # the agency's text for an absent value
//
// # What becomes of it
//
// At most one of code, date and decimal. Without one the text goes over as it is
// (a number by its digits, a truth value as true or false), white space and all.
//
//	code: LIST                   # our code to theirs, valid on the day of $acceptedAt in the
//	                             # agency's zone; no entry: problem map.code
//	as: integer                  # Read makes a JSON number of it; boolean: true or false. With
//	                             # code it is said of our code: (true,Y false,N) as boolean
//	date: "20060102"             # a layout of Go's time package
//	date:
//	  layouts: ["20060102", …]   # Write takes the first that shows a time of day exactly if the
//	                             # value has one, else the first; Read tries them in turn
//	  zone: Asia/Shanghai        # or agency: convert to it, always
//	date:
//	  attr: formatCode           # this attribute is written too, and tells Read the layout
//	  layouts: {"304": "20060102150405Z07", "102": "20060102"}
//	decimal:
//	  places: 5                  # more digits after the point are problem map.decimal …
//	  round: true                # … unless rounded, half away from zero
//	  unit: /mass/unit           # where the unit is; absent, it is the one of to
//	  to: KGM                    # convert by code list mass-factor: a unit to how many of the base unit
//
// The tree has dates as 2026-03-02 and times as RFC 3339. A layout without an
// offset shows the agency's time; one with an offset keeps the value's own. A
// date alone is never made a time: where a layout needs one, write its zeros as
// text ("2006-01-02T00:00:00"). A decimal is a text of at most 40 characters
// without an exponent; it goes over unchanged, trailing zeros too, unless it is
// converted or rounded.
//
// # Elements
//
//	attr: {currencyID: {from: …}} # attributes; their rules have a value and when
//	group: [...]                 # child elements instead of a value
//	block: NAME                  # or those of a block, whose relative sources begin at the
//	                             # from of this rule: {from: /consignee/address, block: address};
//	                             # with each, at the entry
//	when: SOURCE                 # write only if it is there
//	when: {at: SOURCE, is: [a, b]}
//	when: {at: SOURCE, absent: true}
//	when: [ …, … ]               # all must hold
//
// A group's element is written if something in it carries a value of the tree
// (constants, defaults, positions and the gateway's values are no reason), or if
// it has
//
//	always: true
//	from: /node                  # and this node of the tree is there, be it empty
//
// An element without value and group, but with attr, is a group without children.
//
//	each: /items                 # one element per entry, group or single value
//	where: …                     # like when, asked of each entry: only those
//	first: true                  # only the first
//	max: 50                      # more are problem map.value, never cut off
//
// Sources in the rule, where among them, are relative to the entry; those of its
// own each and when to what is around it. An entry's group is written even if empty.
//
// # Reading
//
// Read goes the way back. It puts the value of from (of several sources, the
// first) into the tree, makes objects and entries on the way, and completes what
// a selection ([type=HS]) or a where with a single value says about an entry. A
// const is compared. What cannot come back is said by [Rule.Reversible]: join,
// the gateway's values, the second of several sources, a condition that decides
// on a const, a code that stands for several of ours. White space around a value
// is dropped, but for plain texts whose type keeps it (Mapping.Collapse).
//
// Where several rules share a name, an element goes to the first that can read
// it without a problem: a const in an attribute or a child tells them apart.
//
// Nothing is lost or invented in silence. Each of these is a problem that names
// the XML path: an element, attribute or text without a rule, or more of them
// than the rule writes; a value that Write would not write the same; a second
// value for one field; a node whose condition does not hold; a const or default
// that Write would add. Comments, processing instructions, namespace prefixes and
// xsi:schemaLocation are not data. The XML must have passed its schema before.
//
// # Code list
//
// CSV, UTF-8. The first line names the source and ends in complete or excerpt:
//
//	# source: Customs data dictionary, table 12, 2026-01-01; excerpt
//	ours,theirs,en,zh,validFrom,validTo
//	CNXMN,3700,Xiamen,厦门,,2025-12-31
//	CNXMN,3701,Xiamen,厦门,2026-01-01,
//
// ours and theirs are needed, the other columns are not; days are inclusive. One
// of our codes has one entry at a time. The way back takes the first entry.
//
// # Problems
//
//	map.missing    an element or attribute the schema demands (Mapping.Require) is not filled
//	map.code       no entry in the code list
//	map.decimal    no plain decimal, or too many places
//	map.date       no date or time, or one without its time of day or zone
//	map.value      a character XML does not admit, an object for a value, a const that differs, …
//	map.unmapped   the message has what the mapping does not carry
package mapping
