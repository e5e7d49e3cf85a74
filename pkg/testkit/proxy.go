package testkit

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
)

// Proxy stands between a service and a server that it calls over HTTP, and makes trouble on
// order. Without an order it passes everything on as it came, the Host header included, so
// that signatures hold.
type Proxy struct {
	listener net.Listener
	server   *http.Server
	forward  *httputil.ReverseProxy
	target   *url.URL
	client   *http.Transport

	mu   sync.Mutex
	hook func(*Exchange)
}

// Exchange is one request on its way through the proxy. What handles it ends it in one of
// the ways that the methods offer; one that does none of them passes it on.
type Exchange struct {
	proxy *Proxy
	w     http.ResponseWriter
	// Request is what came, its body unread.
	Request *http.Request
	ended   bool
}

// NewProxy starts a proxy before an endpoint such as http://127.0.0.1:9000, for this test alone.
func NewProxy(t testing.TB, endpoint string) *Proxy {
	t.Helper()
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{target: target, client: &http.Transport{DisableCompression: true}}
	if p.listener, err = (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	p.forward = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = target.Scheme, target.Host, r.In.Host
		},
		Transport:    p.client,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { cut(w) },
	}
	p.server = &http.Server{Handler: p} //nolint:gosec // it serves one test on loopback
	go func() { _ = p.server.Serve(p.listener) }()
	t.Cleanup(func() {
		_ = p.server.Close()
		p.client.CloseIdleConnections()
	})
	return p
}

// Endpoint is where the proxy listens, in the form of the endpoint it stands before.
func (p *Proxy) Endpoint() string { return p.target.Scheme + "://" + p.listener.Addr().String() }

// Order has every request from now on handled by hook, which may run several times at once;
// nil makes no trouble any more.
func (p *Proxy) Order(hook func(*Exchange)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hook = hook
}

// ServeHTTP handles one request as ordered.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	hook := p.hook
	p.mu.Unlock()
	e := &Exchange{proxy: p, w: w, Request: r}
	if hook != nil {
		hook(e)
	}
	if !e.ended {
		e.Pass()
	}
}

// Pass passes the request on and the answer back.
func (e *Exchange) Pass() {
	e.ended = true
	e.proxy.forward.ServeHTTP(e.w, e.Request)
}

// Cut ends the connection without an answer; the request is not passed on.
func (e *Exchange) Cut() {
	e.ended = true
	cut(e.w)
}

// Answer answers by itself; the request is not passed on.
func (e *Exchange) Answer(status int, body string) {
	e.ended = true
	_, _ = io.Copy(io.Discard, e.Request.Body)
	e.w.WriteHeader(status)
	_, _ = io.WriteString(e.w, body)
}

// Deliver passes the request on whether or not its sender still waits, and runs before once
// the server has answered; only then the answer goes back. When before returns false the
// connection is cut instead: the request has had its effect, and nobody hears of it.
func (e *Exchange) Deliver(before func() bool) {
	e.ended = true
	// The sender may have given up; a request that is on the wire arrives all the same.
	r := e.Request.Clone(context.WithoutCancel(e.Request.Context()))
	r.URL.Scheme, r.URL.Host, r.RequestURI = e.proxy.target.Scheme, e.proxy.target.Host, ""
	response, err := e.proxy.client.RoundTrip(r)
	if err != nil {
		cut(e.w)
		return
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if !before() || err != nil {
		cut(e.w)
		return
	}
	for name, values := range response.Header {
		e.w.Header()[name] = values
	}
	e.w.WriteHeader(response.StatusCode)
	_, _ = e.w.Write(body)
}

// Read takes the body of the request in, so that it can be delivered after its sender has gone.
func (e *Exchange) Read() {
	body, err := io.ReadAll(e.Request.Body)
	if err == nil {
		e.Request.Body = io.NopCloser(bytes.NewReader(body))
	}
}

// cut resets a connection.
func cut(w http.ResponseWriter) {
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		return
	}
	conn, _, err := hijacker.Hijack()
	if err != nil {
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
