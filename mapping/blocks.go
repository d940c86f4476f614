package mapping

import (
	"maps"
	"slices"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// block is a group that several elements share.
type block struct {
	at         *token.Token
	group      ast.Node
	used, open bool
}

func (c *compiler) readBlocks(node ast.Node) {
	c.blocks = map[string]*block{}
	for _, p := range c.pairs(node) {
		c.blocks[p.key] = &block{at: p.at, group: p.value}
	}
}

// block compiles the shared group that a rule names as its own: relative
// sources begin at the rule's from, or at the entry of its each.
func (c *compiler) block(r *Rule, node ast.Node) {
	b := c.blocks[c.text(node)]
	switch {
	case b == nil:
		c.fault(node.GetToken(), "unknown block %q", c.text(node))
		return
	case b.open:
		c.fault(node.GetToken(), "block %q contains itself", c.text(node))
		return
	case len(r.from) != 1 && r.each == nil:
		c.fault(node.GetToken(), "block needs from or each: where its relative sources begin")
		return
	}
	around := c.base
	if c.base = ""; len(r.from) == 1 {
		c.base = r.from[0].text
	}
	b.used, b.open = true, true
	c.group(r, b.group)
	b.open = false
	c.base = around
}

// idleBlocks refuses what would stand in the file for nothing.
func (c *compiler) idleBlocks() {
	for _, name := range slices.Sorted(maps.Keys(c.blocks)) {
		if b := c.blocks[name]; !b.used {
			c.fault(b.at, "block %q is used by no element", name)
		}
	}
}
