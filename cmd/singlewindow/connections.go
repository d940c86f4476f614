package main

import (
	"container/list"
	"net"
	"net/http"
	"net/netip"
	"sync"
)

// doorkeeper bounds the connections that are open. When there are too many the
// one goes that has kept us waiting longest, for its first request or its next
// one; when all have a request under way, the newcomer is not let in. So who
// holds connections open without asking anything keeps nobody out.
type doorkeeper struct {
	most, mostOf int // in all, and of one address; 0: no bound
	exempt       func(netip.Addr) bool

	mu       sync.Mutex
	open     int
	refused  int
	waiting  list.List // of *guest, the longest waiting first
	visitors map[netip.Addr]*visitor
}

// visitor is an address with its connections.
type visitor struct {
	address netip.Addr
	open    int
	waiting list.List // of *guest
}

// guest is a connection that was let in.
type guest struct {
	*net.TCPConn
	keeper  *doorkeeper
	visitor *visitor
	places  [2]*list.Element // in the waiting lists, of all and of the visitor; nil while a request is under way
	gone    bool
}

func newDoorkeeper(most, mostOf int, exempt func(netip.Addr) bool) *doorkeeper {
	return &doorkeeper{most: most, mostOf: mostOf, exempt: exempt, visitors: map[netip.Addr]*visitor{}}
}

// now tells how many connections are open, and how many were closed or turned
// away because there were too many.
func (k *doorkeeper) now() (open, refused int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.open, k.refused
}

func (k *doorkeeper) listen(listener net.Listener) net.Listener { return watched{listener, k} }

// watched is a listener whose connections pass the doorkeeper.
type watched struct {
	net.Listener
	keeper *doorkeeper
}

// Accept implements [net.Listener].
func (l watched) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		plain, isTCP := conn.(*net.TCPConn)
		if !isTCP {
			return conn, nil
		}
		if g := l.keeper.admit(plain); g != nil {
			return g, nil
		}
	}
}

// admit lets a connection in, and another one go where there is no room for
// both; nil when nobody can go.
func (k *doorkeeper) admit(conn *net.TCPConn) *guest {
	address := netip.Addr{}
	if remote, isTCP := conn.RemoteAddr().(*net.TCPAddr); isTCP {
		address = remote.AddrPort().Addr().Unmap()
	}
	k.mu.Lock()
	v := k.visitors[address]
	if v == nil {
		v = &visitor{address: address}
	}
	var leaving *guest
	full := false
	switch {
	case k.mostOf > 0 && v.open >= k.mostOf && !k.exempt(address):
		leaving, full = longest(&v.waiting), true
	case k.most > 0 && k.open >= k.most:
		leaving, full = longest(&k.waiting), true
	}
	if full {
		k.refused++
	}
	if full && leaving == nil {
		k.mu.Unlock()
		discard(conn)
		return nil
	}
	if leaving != nil {
		k.forget(leaving)
	}
	g := &guest{TCPConn: conn, keeper: k, visitor: v}
	k.visitors[address] = v
	v.open++
	k.open++
	k.wait(g)
	k.mu.Unlock()
	if leaving != nil {
		discard(leaving.TCPConn)
	}
	return g
}

// discard closes a connection nobody is answered on; that it fails tells
// nothing.
func discard(conn *net.TCPConn) { _ = conn.Close() }

func longest(waiting *list.List) *guest {
	if first := waiting.Front(); first != nil {
		return first.Value.(*guest)
	}
	return nil
}

// changed is told by the server what a connection does: it is active from the
// moment a whole request header is there.
func (k *doorkeeper) changed(conn net.Conn, state http.ConnState) {
	if over, isTLS := conn.(interface{ NetConn() net.Conn }); isTLS {
		conn = over.NetConn()
	}
	g, ours := conn.(*guest)
	if !ours {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case g.gone:
	case state == http.StateActive:
		k.serve(g)
	case state == http.StateIdle:
		k.wait(g)
	}
}

func (k *doorkeeper) wait(g *guest) {
	k.serve(g)
	g.places = [2]*list.Element{k.waiting.PushBack(g), g.visitor.waiting.PushBack(g)}
}

func (k *doorkeeper) serve(g *guest) {
	if g.places[0] != nil {
		k.waiting.Remove(g.places[0])
		g.visitor.waiting.Remove(g.places[1])
		g.places = [2]*list.Element{}
	}
}

// forget takes a connection out of all counts, once.
func (k *doorkeeper) forget(g *guest) {
	if g.gone {
		return
	}
	g.gone = true
	k.serve(g)
	k.open--
	if g.visitor.open--; g.visitor.open == 0 {
		delete(k.visitors, g.visitor.address)
	}
}

// Close implements [net.Conn].
func (g *guest) Close() error {
	g.keeper.mu.Lock()
	g.keeper.forget(g)
	g.keeper.mu.Unlock()
	return g.TCPConn.Close()
}
