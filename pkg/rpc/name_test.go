package rpc_test

import (
	"bytes"
	"encoding/binary"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/rpc"
)

// nameServer knows every name as 127.0.0.1 and is silent when asked for anything but
// addresses, as a container engine's is on a network without a way out.
func nameServer(t *testing.T) string {
	t.Helper()
	conn, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		query := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(query)
			if err != nil {
				return
			}
			if answer := addressOf(query[:n]); answer != nil {
				_, _ = conn.WriteTo(answer, from)
			}
		}
	}()
	return conn.LocalAddr().String()
}

// addressOf answers a DNS query for an IPv4 address, says that there is none of version 6,
// and is nil for any other.
func addressOf(query []byte) []byte {
	const header, ipv4, ipv6 = 12, 1, 28
	end := header + bytes.IndexByte(query[header:], 0) + 5
	answer := append([]byte{}, query[:end]...)
	answer[2], answer[3] = 0x81, 0x80 // a response, recursion as asked for
	binary.BigEndian.PutUint16(answer[10:], 0)
	switch binary.BigEndian.Uint16(query[end-4:]) {
	case ipv4:
		binary.BigEndian.PutUint16(answer[6:], 1)
		return append(answer, 0xc0, header, 0, ipv4, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1)
	case ipv6:
		return answer
	default:
		return nil
	}
}

func TestDial_needs_nothing_but_addresses_of_the_name_server(t *testing.T) {
	w := start(t, plain)
	_, port, _ := net.SplitHostPort(w.config.Listener.Addr().String())
	conn, err := rpc.Dial(rpc.ClientConfig{Target: "dns://" + nameServer(t) + "/storage.internal.:" + port}, rpc.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	began := time.Now()
	if err := getBucket(as(t, "owner"), conn); err != nil {
		if strings.Contains(err.Error(), "DEADLINE") {
			t.Fatalf("not connected after %s: %v", time.Since(began), err)
		}
		t.Fatal(err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("the first call took %s", took)
	}
}
