package load

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/protobuf/proto"
)

// GRPC is a unary gRPC call. Each run of Digits in its message is filled anew for each call.
type GRPC struct {
	// Address is host and port of the server.
	Address string
	// TLS is how to speak to it.
	TLS *tls.Config
	// Method is the full name: /package.Service/Method.
	Method string
	// Bearer is the access token.
	Bearer string
	// Request is the message.
	Request proto.Message
}

// window is how much a server may send before it hears of us again.
const window = 1 << 30

// Dial makes a caller. It speaks just as much HTTP/2 as one call at a time needs: header
// blocks that are made once, no table of headers, and windows that are never in the way.
func (g GRPC) Dial(ctx context.Context) (Caller, error) {
	raw, err := proto.Marshal(g.Request)
	if err != nil {
		return nil, err
	}
	body := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(raw))) //nolint:gosec // a request is small
	body = append(body, raw...)
	config := g.TLS.Clone()
	config.NextProtos = []string{http2.NextProtoTLS}
	conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", g.Address)
	if err != nil {
		return nil, err
	}
	c := &grpcCaller{close: conn.Close, out: bufio.NewWriter(conn), header: g.header(), body: body, places: placesIn(body), next: 1}
	c.frames = http2.NewFramer(c.out, bufio.NewReaderSize(conn, 16<<10))
	c.frames.SetReuseFrames()
	c.decoder = hpack.NewDecoder(0, c.field)
	if err := c.open(); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return c, nil
}

// header returns the header block of each call. Nothing of it enters a table.
func (g GRPC) header() []byte {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, f := range [][2]string{
		{":method", "POST"},
		{":scheme", "https"},
		{":path", g.Method},
		{":authority", g.Address},
		{"content-type", "application/grpc"},
		{"te", "trailers"},
		{"authorization", "Bearer " + g.Bearer},
		{"grpc-timeout", "10S"},
		{"user-agent", "primecloud-bench"},
	} {
		_ = encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1], Sensitive: true}) // a buffer takes everything
	}
	return block.Bytes()
}

type grpcCaller struct {
	close   func() error
	out     *bufio.Writer
	frames  *http2.Framer
	decoder *hpack.Decoder
	header  []byte
	body    []byte
	// places are the parts of the body that are filled anew.
	places [][]byte
	next   uint32
	// taken is how much of the window of the connection is used up.
	taken uint32
	// status and message are the end of the call under way.
	status, message string
}

func (c *grpcCaller) field(f hpack.HeaderField) {
	switch f.Name {
	case "grpc-status":
		c.status = f.Value
	case "grpc-message":
		c.message = f.Value
	}
}

func (c *grpcCaller) open() error {
	_, preface := c.out.WriteString(http2.ClientPreface)
	return errors.Join(preface,
		c.frames.WriteSettings(
			http2.Setting{ID: http2.SettingHeaderTableSize, Val: 0},
			http2.Setting{ID: http2.SettingInitialWindowSize, Val: window},
			http2.Setting{ID: http2.SettingEnablePush, Val: 0}),
		c.frames.WriteWindowUpdate(0, window),
		c.out.Flush())
}

// Call makes one call.
func (c *grpcCaller) Call() error {
	stream := c.next
	c.next += 2
	c.status, c.message = "", ""
	for _, place := range c.places {
		renew(place)
	}
	if err := errors.Join(
		c.frames.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: c.header, EndHeaders: true}),
		c.frames.WriteData(stream, true, c.body),
		c.out.Flush(),
	); err != nil {
		return err
	}
	for {
		frame, err := c.frames.ReadFrame()
		if err != nil {
			return err
		}
		ended, err := c.take(frame)
		if err != nil || ended {
			return err
		}
	}
}

// take reads a frame; ended says that the call was answered.
func (c *grpcCaller) take(frame http2.Frame) (ended bool, err error) {
	switch f := frame.(type) {
	case *http2.SettingsFrame:
		if !f.IsAck() {
			return false, errors.Join(c.frames.WriteSettingsAck(), c.out.Flush())
		}
	case *http2.PingFrame:
		if !f.IsAck() {
			return false, errors.Join(c.frames.WritePing(true, f.Data), c.out.Flush())
		}
	case *http2.DataFrame:
		if c.taken += f.Length; c.taken > window/2 {
			err = errors.Join(c.frames.WriteWindowUpdate(0, c.taken), c.out.Flush())
			c.taken = 0
		}
		return false, err
	case *http2.HeadersFrame:
		if _, err := c.decoder.Write(f.HeaderBlockFragment()); err != nil {
			return false, err
		}
		if !f.StreamEnded() {
			return false, nil
		}
		if c.status != "0" {
			return true, fmt.Errorf("load: the call ended with status %s: %s", c.status, c.message)
		}
		return true, nil
	case *http2.RSTStreamFrame, *http2.GoAwayFrame:
		return true, fmt.Errorf("load: the server broke off: %v", f)
	}
	return false, nil
}

// Close closes the connection.
func (c *grpcCaller) Close() error { return c.close() }
