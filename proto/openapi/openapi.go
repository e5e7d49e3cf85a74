// Package openapi holds the OpenAPI document of the suite, made from the contract by
// `make gen`. It owns the bytes and nothing else.
package openapi

import _ "embed"

// JSON is the document.
//
//go:embed openapi.json
var JSON []byte
