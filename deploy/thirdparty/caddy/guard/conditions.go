package guard

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// chosen are the names of MinIO's policy conditions that no header or query parameter of S3
// has. MinIO puts every header and parameter among what it found out itself, and looks under
// the name's canonical form first: `Sourceip: 10.0.0.1` would beat the true address in
// aws:SourceIp.
var chosen = map[string]bool{}

// listing are conditions that are parameters of S3, in small letters and once; as a header,
// in another case, or a second time they say one thing to the policy and another to the call.
var listing = []string{"prefix", "delimiter", "max-keys"}

func init() {
	for name := range strings.FieldsSeq(`currenttime epochtime securetransport sourceip useragent principaltype userid
		username versionid groups signatureversion signatureage authtype locationconstraint requestobjecttagkeys
		object-lock-mode object-lock-retain-until-date object-lock-legal-hold object-lock-remaining-retention-days
		sub iss aud jti upn name given_name family_name middle_name nickname preferred_username profile picture website
		email gender birthdate phone_number address scope client_id user durationseconds x-amz-signature-age`) {
		chosen[name] = true
	}
}

// Conditions takes away headers, and refuses query parameters, by which a client would
// choose what the conditions of its own policy look at. Parameters cannot be taken away: the
// signature covers them.
type Conditions struct{}

// CaddyModule names the handler.
func (*Conditions) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.s3_conditions", New: func() caddy.Module { return new(Conditions) }}
}

// ServeHTTP passes on a request whose conditions are MinIO's own findings.
func (*Conditions) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if choosesByQuery(r.URL.RawQuery) {
		return refuse(w, http.StatusForbidden, "AccessDenied", "Parameters that are named like conditions of a policy are refused here.")
	}
	for name := range r.Header {
		if small := strings.ToLower(name); chosen[small] || isListing(small) {
			delete(r.Header, name)
		}
	}
	return next.ServeHTTP(w, r)
}

func isListing(small string) bool {
	for _, name := range listing {
		if small == name {
			return true
		}
	}
	return false
}

// choosesByQuery reads the query as MinIO does.
func choosesByQuery(query string) bool {
	var seen [3]bool
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		name, _, _ := strings.Cut(pair, "=")
		if strings.ContainsAny(name, "%+") {
			plain, err := url.QueryUnescape(name)
			if err != nil {
				return true
			}
			name = plain
		}
		// The one name of S3 that differs from a condition by its case alone.
		if name == "versionId" {
			continue
		}
		small := strings.ToLower(name)
		if chosen[small] || strings.HasPrefix(small, "existingobjecttag") || strings.HasPrefix(small, "requestobjecttag") {
			return true
		}
		for i, one := range listing {
			if small == one {
				if name != one || seen[i] {
					return true
				}
				seen[i] = true
			}
		}
	}
	return false
}

func parseConditions(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h.Next()
	if h.NextArg() || h.NextBlock(0) {
		return nil, h.Err("s3_conditions takes nothing")
	}
	return new(Conditions), nil
}
