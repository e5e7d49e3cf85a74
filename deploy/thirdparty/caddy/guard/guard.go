// Package guard holds what the door needs and Caddy has not: three handlers for S3.
//
//   - s3_conditions keeps clients from choosing what MinIO's policy conditions look at;
//   - s3_forms refuses uploads by form with fields that are MinIO's own;
//   - s3_limits bounds how often, how much at a time and how slowly clients send.
//
// A refusal is an S3 error, as clients expect it. Nothing here logs: what a request carries
// is secret.
package guard

import (
	"encoding/xml"
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
)

func init() {
	caddy.RegisterModule(new(Conditions))
	caddy.RegisterModule(new(Forms))
	caddy.RegisterModule(new(Limits))
	httpcaddyfile.RegisterHandlerDirective("s3_conditions", parseConditions)
	httpcaddyfile.RegisterHandlerDirective("s3_forms", parseForms)
	httpcaddyfile.RegisterHandlerDirective("s3_limits", parseLimits)
	// Limits come first of all, conditions with the other changes of headers, and bodies are read when nothing else is wrong.
	httpcaddyfile.RegisterDirectiveOrder("s3_limits", httpcaddyfile.Before, "map")
	httpcaddyfile.RegisterDirectiveOrder("s3_conditions", httpcaddyfile.Before, "request_header")
	httpcaddyfile.RegisterDirectiveOrder("s3_forms", httpcaddyfile.After, "request_header")
}

// refuse answers in S3's own words.
func refuse(w http.ResponseWriter, status int, code, message string) error {
	type answer struct {
		XMLName                            xml.Name `xml:"Error"`
		Code, Message, Resource, RequestId string
	}
	body, err := xml.Marshal(answer{Code: code, Message: message})
	if err != nil {
		return fmt.Errorf("write the refusal: %w", err)
	}
	w.Header().Set("Content-Type", "application/xml")
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	} else {
		// More of the body may be on its way than anyone waits for: no client should go on with this connection.
		w.Header().Set("Connection", "close")
	}
	w.WriteHeader(status)
	// A client that is gone misses nothing.
	_, _ = w.Write(append([]byte(xml.Header), body...))
	return nil
}
