package login

import (
	"encoding/json"
	"html/template"
	"net/http"
	"net/url"

	"github.com/primecloud/primecloud/gateway/internal/fault"
	"github.com/primecloud/primecloud/pkg/errs"
)

// chosen returns the provider that the request names, or the only one; nil when there is a
// choice that was not made.
func (l *Login) chosen(r *http.Request) (*provider, error) {
	id := r.URL.Query().Get("provider")
	if id == "" && len(l.config.Providers) > 1 {
		return nil, nil
	}
	if id == "" {
		id = l.config.Providers[0].ID
	}
	if p := l.providers[id]; p != nil {
		return p, nil
	}
	return nil, errProviderUnknown
}

var errProviderUnknown = fault.ErrRequestInvalid.WithMessage("there is no such login provider; /auth/providers lists them").
	WithViolation(errs.Violation{Field: "provider", Rule: "PROVIDER_KNOWN", Description: "give an id from /auth/providers"})

// choice is the page on which people choose a provider.
var choice = template.Must(template.New("").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Log in</title>
<h1>Log in with</h1>
<ul>{{range .}}
<li><a href="{{.Address}}">{{.DisplayName}}</a></li>{{end}}
</ul>
`))

// choose shows the providers to a person.
func (l *Login) choose(w http.ResponseWriter, returnTo string) {
	type link struct{ DisplayName, Address string }
	var links []link
	for _, p := range l.config.Providers {
		query := url.Values{"provider": {p.ID}, "return_to": {returnTo}}
		links = append(links, link{p.DisplayName, "/auth/login?" + query.Encode()})
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = choice.Execute(w, links) // a client that went away is not told
}

// Providers serves GET /auth/providers: what a client needs to offer the choice itself.
func (l *Login) Providers(w http.ResponseWriter) {
	type shown struct {
		ID          string `json:"id"`
		DisplayName string `json:"displayName"`
	}
	list := make([]shown, len(l.config.Providers))
	for i, p := range l.config.Providers {
		list[i] = shown{p.ID, p.DisplayName}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"providers": list}) // a client that went away is not told
}
