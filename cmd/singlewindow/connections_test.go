package main

import (
	"net"
	"net/http"
	"net/netip"
	"testing"
	"time"
)

// pairOf opens a connection from an address of this machine and gives both ends;
// the server's is nil when it was not let in.
func pairOf(t *testing.T, k *doorkeeper, listener net.Listener, from string) (client net.Conn, server *guest) {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 5 * time.Second}
	client, err := dialer.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() }) // it may be closed already
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return client, k.admit(conn.(*net.TCPConn))
}

// closed tells whether the other side hung up.
func closed(t *testing.T, client net.Conn) bool {
	t.Helper()
	if err := client.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, err := client.Read(make([]byte, 1))
	timeout, is := err.(net.Error) //nolint:errorlint // the connection's own
	return err != nil && (!is || !timeout.Timeout())
}

func open(k *doorkeeper) int {
	number, _ := k.now()
	return number
}

// The one goes that has waited longest: of an address with too many one of its
// own, else any. Who is being answered stays, and then newcomers do not come in.
func TestTheLongestWaitingGoes(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	k := newDoorkeeper(4, 2, func(address netip.Addr) bool { return address == netip.MustParseAddr("127.0.0.9") })

	first, one := pairOf(t, k, listener, "127.0.0.2")
	_, two := pairOf(t, k, listener, "127.0.0.2")
	other, three := pairOf(t, k, listener, "127.0.0.3")
	k.changed(two, http.StateActive)
	if _, four := pairOf(t, k, listener, "127.0.0.2"); four == nil || !closed(t, first) || !one.gone || open(k) != 3 {
		t.Fatalf("%d open", open(k))
	}
	_, five := pairOf(t, k, listener, "127.0.0.9")
	if _, six := pairOf(t, k, listener, "127.0.0.9"); six == nil || open(k) != 4 || !closed(t, other) || !three.gone {
		t.Fatalf("%d open", open(k))
	}
	for k.waiting.Len() > 0 {
		k.changed(k.waiting.Front().Value.(*guest), http.StateActive)
	}
	if late, seven := pairOf(t, k, listener, "127.0.0.4"); seven != nil || !closed(t, late) {
		t.Error("let in though all are being answered")
	}
	k.changed(two, http.StateIdle)
	if _, eight := pairOf(t, k, listener, "127.0.0.4"); eight == nil || !two.gone || open(k) != 4 {
		t.Error("an idle one does not go")
	}
	for _, g := range []*guest{one, two, three, five} {
		_ = g.Close() // some are closed already
	}
	if number, refused := k.now(); number != 3 || refused != 4 {
		t.Errorf("%d open, %d refused", number, refused)
	}
}
