package session

import (
	"net/http"
	"time"
)

// Cookies sets and reads the session's cookie.
type Cookies struct {
	// Secure is for https: the cookie then has the prefix that ties it to the host, and
	// never leaves over plain http.
	Secure bool
}

// Name returns the cookie's name. Browsers refuse the prefix over plain http, on loopback too.
func (c Cookies) Name() string {
	if c.Secure {
		return "__Host-primecloud_session"
	}
	return "primecloud_session"
}

// Read returns the session's secret from the request, or "".
func (c Cookies) Read(r *http.Request) string {
	if len(r.Header["Cookie"]) == 0 {
		return ""
	}
	cookie, err := r.Cookie(c.Name())
	if err != nil || len(cookie.Value) > maxSecret {
		return ""
	}
	return cookie.Value
}

// Set gives the browser the session's secret, until the session ends.
func (c Cookies) Set(w http.ResponseWriter, secret string, until time.Time) {
	http.SetCookie(w, &http.Cookie{
		Name: c.Name(), Value: secret, Path: "/", Expires: until,
		Secure: c.Secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// Clear takes the secret from the browser.
func (c Cookies) Clear(w http.ResponseWriter) {
	http.SetCookie(w, &http.Cookie{
		Name: c.Name(), Path: "/", MaxAge: -1,
		Secure: c.Secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}
