// Package webclient talks to the gateway the way the web client does: it logs in through
// the provider's own form, keeps cookies, and sends the CSRF token. The demo and the suite
// tests use it, so that what they show goes through public doors only.
package webclient

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Client is one browser, or one program with a bearer token. It is not safe for
// concurrent use while it logs in.
type Client struct {
	base   string
	http   *http.Client
	bearer string
	csrf   string
}

// New returns a client of the gateway at base that is not logged in.
func New(base string) *Client {
	jar, _ := cookiejar.New(nil) // never fails without options
	return &Client{base: strings.TrimRight(base, "/"), http: &http.Client{Jar: jar, Timeout: time.Minute}}
}

// WithBearer returns a client that sends an access token instead of cookies.
func (c *Client) WithBearer(token string) *Client {
	return &Client{base: c.base, http: &http.Client{Timeout: time.Minute}, bearer: token}
}

// HTTP returns the HTTP client with its cookies.
func (c *Client) HTTP() *http.Client { return c.http }

// Base returns the gateway's address.
func (c *Client) Base() string { return c.base }

// Status is a refused call: the google.rpc.Status that the gateway answered.
type Status struct {
	// HTTP is the HTTP status code.
	HTTP int `json:"-"`
	// Code is the gRPC code.
	Code int `json:"code"`
	// Message says what to do.
	Message string `json:"message"`
	// Details are the typed details.
	Details []map[string]any `json:"details"`
	// Header is the answer's header.
	Header http.Header `json:"-"`
}

// Error returns code, reason and message.
func (s *Status) Error() string {
	return fmt.Sprintf("HTTP %d %s: %s", s.HTTP, s.Reason(), s.Message)
}

// Reason returns the reason of the ErrorInfo among the details.
func (s *Status) Reason() string {
	for _, d := range s.Details {
		if d["@type"] == "type.googleapis.com/google.rpc.ErrorInfo" {
			reason, _ := d["reason"].(string)
			return reason
		}
	}
	return ""
}

var loginForm = regexp.MustCompile(`(?s)<form[^>]*action="([^"]+)"`)

// Login goes through the whole authorization code flow: gateway, the provider's form,
// callback, and back with a session cookie.
func (c *Client) Login(ctx context.Context, login, password string) error {
	page, err := c.get(ctx, c.base+"/auth/login?return_to=/v1/me")
	if err != nil {
		return err
	}
	form := loginForm.FindSubmatch(page.body)
	if form == nil {
		return fmt.Errorf("the login page at %s has no form (HTTP %d): %.200s", page.url, page.status, page.body)
	}
	action, err := page.url.Parse(html.UnescapeString(string(form[1])))
	if err != nil {
		return fmt.Errorf("login form: %w", err)
	}
	fields := url.Values{"login": {login}, "password": {password}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, action.String(), strings.NewReader(fields.Encode()))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	page, err = c.read(request)
	if err != nil {
		return err
	}
	if page.status != http.StatusOK || page.url.Path != "/v1/me" {
		return fmt.Errorf("login as %s ended at %s with HTTP %d: %.300s", login, page.url.Path, page.status, page.body)
	}
	return c.fetchCSRF(ctx)
}

func (c *Client) fetchCSRF(ctx context.Context) error {
	var answer struct {
		Token string `json:"csrfToken"`
	}
	if _, err := c.Call(ctx, http.MethodGet, "/v1/me/csrf", nil, &answer); err != nil {
		return fmt.Errorf("fetch the CSRF token: %w", err)
	}
	c.csrf = answer.Token
	return nil
}

// Logout ends the session.
func (c *Client) Logout(ctx context.Context) error {
	_, err := c.Call(ctx, http.MethodPost, "/auth/logout", nil, nil)
	return err
}

// Option changes one request.
type Option func(*http.Request)

// Header sets a header of the request; an empty value removes it.
func Header(name, value string) Option {
	return func(r *http.Request) {
		if value == "" {
			r.Header.Del(name)
			return
		}
		r.Header.Set(name, value)
	}
}

// Key sets the idempotency key of the request.
func Key(value string) Option { return Header("Idempotency-Key", value) }

// Call sends body as JSON and decodes the answer into out; either may be nil. An answer
// that is no 2xx is returned as *Status.
func (c *Client) Call(ctx context.Context, method, path string, body, out any, options ...Option) (http.Header, error) {
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(b)
	default:
		encoded, err := json.Marshal(b)
		if err != nil {
			return nil, err
		}
		reader = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, reader)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	if reader != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.bearer != "" {
		request.Header.Set("Authorization", "Bearer "+c.bearer)
	} else if c.csrf != "" {
		request.Header.Set("X-CSRF-Token", c.csrf)
	}
	for _, option := range options {
		option(request)
	}
	page, err := c.read(request)
	if err != nil {
		return nil, err
	}
	if page.status < 200 || page.status > 299 {
		status := &Status{HTTP: page.status, Header: page.header}
		if err := json.Unmarshal(page.body, status); err != nil {
			return page.header, fmt.Errorf("%s %s: HTTP %d with a body that is no Status: %.200s", method, path, page.status, page.body)
		}
		return page.header, status
	}
	if out == nil || len(page.body) == 0 {
		return page.header, nil
	}
	return page.header, json.Unmarshal(page.body, out)
}

// Fetch returns what a path gives, as it is.
func (c *Client) Fetch(ctx context.Context, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
	if err != nil {
		return nil, err
	}
	page, err := c.read(request)
	if err == nil && page.status != http.StatusOK {
		err = fmt.Errorf("GET %s: HTTP %d: %.200s", path, page.status, page.body)
	}
	return page.body, err
}

type page struct {
	url    *url.URL
	status int
	header http.Header
	body   []byte
}

func (c *Client) get(ctx context.Context, address string) (page, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return page{}, err
	}
	return c.read(request)
}

func (c *Client) read(request *http.Request) (page, error) {
	response, err := c.http.Do(request)
	if err != nil {
		return page{}, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return page{}, err
	}
	return page{url: response.Request.URL, status: response.StatusCode, header: response.Header, body: body}, nil
}
