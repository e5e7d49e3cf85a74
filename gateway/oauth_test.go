package gateway_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/primecloud/primecloud/pkg/errs"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
)

const formType = "application/x-www-form-urlencoded"

// token asks for one with a form.
func (c *client) token(form url.Values, header ...string) answer {
	c.w.t.Helper()
	return c.do("POST", "/oauth2/token", form.Encode(), append([]string{"Content-Type", "", "Content-Type", formType}, header...)...)
}

func TestMachines_get_tokens_as_OAuth_clients(t *testing.T) {
	w := newWorld(t)
	for name, style := range map[string]oauth2.AuthStyle{"by HTTP Basic": oauth2.AuthStyleInHeader, "in the body": oauth2.AuthStyleInParams} {
		t.Run(name, func(t *testing.T) {
			c := clientcredentials.Config{
				ClientID: "apk_1", ClientSecret: "pck_1 +%/", TokenURL: w.base + "/oauth2/token", AuthStyle: style,
				Scopes: []string{"account.read", "storage.read"},
			}
			got, err := c.Token(t.Context())
			must(t, err)
			if left := time.Until(got.Expiry); got.TokenType != "Bearer" || left < 4*time.Minute || left > 5*time.Minute+time.Second ||
				got.Extra("scope") != "account.read storage.read" {
				t.Errorf("the token is %+v", got)
			}
			asked := w.identity.last(t)
			if r := asked.request.(*identityv1.ExchangeApiKeyRequest); r.GetApiKey() != "pck_1 +%/" || r.GetApiKeyId() != "apk_1" || len(r.GetScopes()) != 2 {
				t.Errorf("identity was asked %v", r)
			}
			if asked.principal.Address != "127.0.0.1" {
				t.Errorf("identity was told the address %q", asked.principal.Address)
			}
			response, err := c.Client(t.Context()).Get(w.base + buckets)
			must(t, err)
			if _ = response.Body.Close(); response.StatusCode != 200 {
				t.Errorf("the token opens with HTTP %d", response.StatusCode)
			}
		})
	}
	c := clientcredentials.Config{ClientID: "apk_1", ClientSecret: "bad", TokenURL: w.base + "/oauth2/token", AuthStyle: oauth2.AuthStyleInHeader}
	_, err := c.Token(t.Context())
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) || refused.ErrorCode != "invalid_client" || refused.Response.StatusCode != 401 {
		t.Errorf("a bad key gives %v", err)
	}
}

func TestOAuth_errors_are_those_of_its_standard(t *testing.T) {
	w := newWorld(t)
	good := url.Values{"grant_type": {"client_credentials"}, "client_id": {"apk_1"}, "client_secret": {"pck_1"}}
	with := func(name string, values ...string) url.Values {
		form := url.Values{}
		for k, v := range good {
			form[k] = v
		}
		if form[name] = values; len(values) == 0 {
			form.Del(name)
		}
		return form
	}
	basic := "Basic YXBrXzE6cGNrXzE=" // apk_1:pck_1
	for name, c := range map[string]struct {
		form   url.Values
		header []string
		status int
		code   string
	}{
		"no grant":                  {with("grant_type"), nil, 400, "invalid_request"},
		"another grant":             {with("grant_type", "password"), nil, 400, "unsupported_grant_type"},
		"no client":                 {with("client_id"), nil, 401, "invalid_client"},
		"no secret":                 {with("client_secret"), nil, 401, "invalid_client"},
		"a bad secret":              {with("client_secret", "bad"), nil, 401, "invalid_client"},
		"two secrets":               {with("client_secret", "a", "b"), nil, 400, "invalid_request"},
		"credentials twice":         {good, []string{"Authorization", basic}, 400, "invalid_request"},
		"another id in the header":  {url.Values{"grant_type": good["grant_type"], "client_id": {"apk_2"}}, []string{"Authorization", basic}, 400, "invalid_request"},
		"a token instead of Basic":  {url.Values{"grant_type": good["grant_type"]}, []string{"Authorization", "Bearer x"}, 401, "invalid_client"},
		"more than the key has":     {with("scope", "billing.write"), nil, 400, "invalid_scope"},
		"a form that is too large":  {with("scope", strings.Repeat("x", 9000)), nil, 400, "invalid_request"},
		"credentials by the header": {url.Values{"grant_type": good["grant_type"]}, []string{"Authorization", basic}, 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := w.client().token(c.form, c.header...)
			if body := got.json(t); got.status != c.status || c.code != "" && body["error"] != c.code {
				t.Errorf("got HTTP %d %s", got.status, got.body)
			}
			if got.header.Get("Cache-Control") != "no-store" || got.header.Get("Content-Type") != "application/json" {
				t.Errorf("the headers are %v", got.header)
			}
			if (got.status == 401) != strings.HasPrefix(got.header.Get("WWW-Authenticate"), "Basic ") {
				t.Errorf("with HTTP %d the client is told %q", got.status, got.header.Get("WWW-Authenticate"))
			}
		})
	}
	t.Run("credentials in the query do not count", func(t *testing.T) {
		got := w.client().do("POST", "/oauth2/token?"+good.Encode(), "", "Content-Type", "", "Content-Type", formType)
		if got.status != 400 || got.json(t)["error"] != "invalid_request" {
			t.Errorf("got HTTP %d %s", got.status, got.body)
		}
	})
	t.Run("JSON is no form", func(t *testing.T) {
		got := w.client().do("POST", "/oauth2/token", `{"grant_type":"client_credentials"}`)
		if got.status != 400 || got.json(t)["error"] != "invalid_request" {
			t.Errorf("got HTTP %d %s", got.status, got.body)
		}
	})
	t.Run("identity away is no bad client", func(t *testing.T) {
		w.identity.fail(errs.New(errs.Unavailable, "DATABASE_UNAVAILABLE", "away").WithRetryAfter(1500 * time.Millisecond))
		defer w.identity.fail(nil)
		got := w.client().token(good)
		if got.status != 503 || got.json(t)["error"] != "temporarily_unavailable" || got.header.Get("Retry-After") != "2" {
			t.Errorf("got HTTP %d %v %s", got.status, got.header, got.body)
		}
	})
	t.Run("a defect of ours is told as one", func(t *testing.T) {
		w.identity.fail(errors.New("a defect"))
		defer w.identity.fail(nil)
		got := w.client().token(good)
		if got.status != 500 || got.json(t)["error"] != "server_error" || strings.Contains(got.body, "defect") {
			t.Errorf("got HTTP %d %s", got.status, got.body)
		}
	})
	w.client().get("/oauth2/token").wants(t, 405, "ROUTE_NOT_FOUND")
}

func TestTokens_for_OAuth_clients_come_out_of_the_budget_of_logins(t *testing.T) {
	w := newWorld(t, set("LOGIN_RATE_LIMIT", "2"))
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"apk_1"}, "client_secret": {"bad"}}
	for range 2 {
		if got := w.client().token(form); got.status != 401 {
			t.Fatalf("got HTTP %d %s", got.status, got.body)
		}
	}
	got := w.client().token(form)
	if got.status != 429 || got.json(t)["error"] != "temporarily_unavailable" || got.header.Get("Retry-After") == "" {
		t.Errorf("got HTTP %d %v %s", got.status, got.header, got.body)
	}
}

func TestOAuth_clients_find_what_they_need(t *testing.T) {
	w := newWorld(t)
	metadata := w.client().get("/.well-known/oauth-authorization-server").ok(t).json(t)
	if metadata["issuer"] != w.base || metadata["token_endpoint"] != w.base+"/oauth2/token" {
		t.Errorf("the metadata is %v", metadata)
	}
	scopes, _ := metadata["scopes_supported"].([]any)
	found := false
	for _, s := range scopes {
		found = found || s == "storage.read"
	}
	if !found {
		t.Errorf("the scopes are %v", scopes)
	}
	set := w.client().get(metadata["jwks_uri"].(string)).ok(t).json(t)
	keys, _ := set["keys"].([]any)
	if len(keys) != 1 || keys[0].(map[string]any)["kty"] != "OKP" || keys[0].(map[string]any)["x"] == "" {
		t.Errorf("the keys are %v", set)
	}
}
