package rpc

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	"github.com/primecloud/primecloud/pkg/pki"
)

// origin is where a call comes from, as far as the transport knows.
type origin struct {
	// peer is the name of the calling process, or "".
	peer string
	// address is the other end's, or "" in process.
	address string
	// inProcess is set for the in-process channel.
	inProcess bool
}

// namedCredentials are TLS credentials that read the caller's name and address once per
// connection instead of once per call.
func namedCredentials(config *tls.Config) credentials.TransportCredentials {
	return named{credentials.NewTLS(config)}
}

type named struct {
	credentials.TransportCredentials
}

type namedInfo struct {
	credentials.TLSInfo
	origin origin
}

// ServerHandshake adds the caller's name to what the handshake yields.
func (n named) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	secured, info, err := n.TransportCredentials.ServerHandshake(conn)
	if err != nil {
		return nil, nil, err
	}
	state, ok := info.(credentials.TLSInfo)
	if !ok {
		return secured, info, nil
	}
	return secured, namedInfo{
		TLSInfo: state,
		origin:  origin{peer: pki.PeerName(state.State), address: addressOf(conn.RemoteAddr())},
	}, nil
}

// Clone returns a copy.
func (n named) Clone() credentials.TransportCredentials {
	return named{n.TransportCredentials.Clone()}
}

// originOf returns where a call over the wire comes from.
func originOf(ctx context.Context) origin {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return origin{}
	}
	if info, ok := p.AuthInfo.(namedInfo); ok {
		return info.origin
	}
	return origin{address: addressOf(p.Addr)}
}

func addressOf(addr net.Addr) string {
	if tcp, ok := addr.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap().String()
	}
	return ""
}

// assertedAddress returns an address that a forwarder asserts in its one spelling, or ""
// for what is none.
func assertedAddress(value string) string {
	address, err := netip.ParseAddr(value)
	if err != nil {
		return ""
	}
	return address.Unmap().WithZone("").String()
}
