// Package docs shows the contract to programs (/openapi.json) and people (/docs).
package docs

import "net/http"

// Docs serves both.
type Docs struct{ document []byte }

// New returns the pages of an OpenAPI document.
func New(document []byte) (*Docs, error) { return &Docs{document: document}, nil }

// Has reports whether a path is one of the pages.
func (d *Docs) Has(path string) bool { return path == "/openapi.json" }

// ServeHTTP serves a page.
func (d *Docs) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(d.document)
}
