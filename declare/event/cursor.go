package event

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
)

// ErrCursor is given for what is no cursor of this feed: never one, or one of
// a database that went further than this one has.
var ErrCursor = errors.New("event: not a cursor of this feed")

// Beginning is the cursor before the first event.
var Beginning = cursor{}.String()

// cursor is a place in the order of events: behind the event that stands
// there, if one does.
type cursor struct {
	xid      uint64
	position int64
}

// A cursor is written as a version, xid and position, so that it can change
// its form and an old one still be told from a broken one.
const (
	cursorVersion = 1
	cursorLength  = 1 + 8 + 8
)

func (c cursor) String() string {
	binaryForm := make([]byte, 0, cursorLength)
	binaryForm = append(binaryForm, cursorVersion)
	binaryForm = binary.BigEndian.AppendUint64(binaryForm, c.xid)
	binaryForm = binary.BigEndian.AppendUint64(binaryForm, uint64(c.position))
	return base64.RawURLEncoding.EncodeToString(binaryForm)
}

// parseCursor reads a cursor; "" is [Beginning].
func parseCursor(text string) (c cursor, err error) {
	if text == "" {
		return c, nil
	}
	binaryForm, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(binaryForm) != cursorLength || binaryForm[0] != cursorVersion {
		return c, ErrCursor
	}
	c.xid = binary.BigEndian.Uint64(binaryForm[1:])
	c.position = int64(binary.BigEndian.Uint64(binaryForm[9:]))
	if c.position < 0 || c.String() != text { // a line break in it, or loose bits at the end
		return c, ErrCursor
	}
	return c, nil
}
