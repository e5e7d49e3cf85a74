package load

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
)

// Request is an HTTP request. Each run of Digits in it is filled anew for each call.
type Request struct {
	// Address is host and port of the server.
	Address string
	// Method and Path say what is asked for.
	Method, Path string
	// Header holds lines such as "Authorization: Bearer …".
	Header []string
	// Body is the body; empty for none.
	Body string
}

// HTTP returns how to make callers that send the request over plain HTTP/1.1.
func HTTP(r Request) func(context.Context) (Caller, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: primecloud-bench\r\n", r.Method, r.Path, r.Address)
	for _, line := range r.Header {
		b.WriteString(line + "\r\n")
	}
	if r.Body != "" {
		fmt.Fprintf(&b, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(r.Body))
	}
	text := b.String() + "\r\n" + r.Body
	return func(ctx context.Context) (Caller, error) {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", r.Address)
		if err != nil {
			return nil, err
		}
		c := &httpCaller{conn: conn, answers: bufio.NewReaderSize(conn, 16<<10), request: []byte(text)}
		c.places = placesIn(c.request)
		return c, nil
	}
}

type httpCaller struct {
	conn    net.Conn
	answers *bufio.Reader
	request []byte
	// places are the parts of the request that are filled anew.
	places [][]byte
}

var lengthKey = []byte("content-length:")

// Call sends the request and reads the answer to its end.
func (c *httpCaller) Call() error {
	for _, place := range c.places {
		renew(place)
	}
	if _, err := c.conn.Write(c.request); err != nil {
		return err
	}
	status, err := c.answers.ReadSlice('\n')
	if err != nil {
		return err
	}
	ok := bytes.HasPrefix(status, []byte("HTTP/1.1 2"))
	said := unexpected("the server answered", status)
	length := -1
	for {
		line, err := c.answers.ReadSlice('\n')
		if err != nil {
			return err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		if len(line) > len(lengthKey) && bytes.EqualFold(line[:len(lengthKey)], lengthKey) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(line[len(lengthKey):]))); err != nil {
				return err
			}
		}
	}
	if length < 0 {
		return unexpected("the answer has no length", c.request)
	}
	if !ok {
		body, _ := io.ReadAll(io.LimitReader(c.answers, int64(length)))
		return fmt.Errorf("%w: %s", said, body)
	}
	_, err = c.answers.Discard(length)
	return err
}

// Close closes the connection.
func (c *httpCaller) Close() error { return c.conn.Close() }
