// Package docs shows the contract to programs (/openapi.json) and people (/docs). It owns
// the pages, which are made once, from the OpenAPI document alone; they need no JavaScript
// and nothing from elsewhere.
package docs

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
)

//go:embed style.css
var style []byte

// policy lets the page use its own style sheet, and nothing else.
const policy = "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

// Docs serves the pages.
type Docs struct{ pages map[string]page }

type page struct {
	media  string
	body   []byte
	length []string
	etag   []string
}

// New makes the pages of an OpenAPI document.
func New(document []byte) (*Docs, error) {
	var reading bytes.Buffer
	if err := render(&reading, document); err != nil {
		return nil, fmt.Errorf("docs: %w", err)
	}
	return &Docs{pages: map[string]page{
		"/openapi.json":   newPage("application/json", document),
		"/docs":           newPage("text/html; charset=utf-8", reading.Bytes()),
		"/docs/style.css": newPage("text/css; charset=utf-8", style),
	}}, nil
}

func newPage(media string, body []byte) page {
	sum := sha256.Sum256(body)
	return page{
		media: media, body: body, length: []string{strconv.Itoa(len(body))},
		etag: []string{`"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`},
	}
}

// Has reports whether a path is one of the pages.
func (d *Docs) Has(path string) bool {
	_, ok := d.pages[path]
	return ok
}

// ServeHTTP serves a page, unless the client has it already.
func (d *Docs) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p, header := d.pages[r.URL.Path], w.Header()
	header["Etag"] = p.etag
	header.Set("Cache-Control", "no-cache")
	header.Set("Content-Security-Policy", policy)
	if r.Header.Get("If-None-Match") == p.etag[0] {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	header.Set("Content-Type", p.media)
	header["Content-Length"] = p.length
	if r.Method != http.MethodHead {
		_, _ = w.Write(p.body) // a client that went away is not told
	}
}
