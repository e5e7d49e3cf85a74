package link

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/http"
	"time"
)

// remembered is how long a password is.
const remembered = 15 * time.Minute

// maxCookie is the longest cookie that is looked at.
const maxCookie = 512

// memory keeps passwords in the browser that typed them, sealed, each for its link alone, so
// that a list of files does not ask for one at each. Any replica can read them.
type memory struct {
	aead   cipher.AEAD
	config Config
}

func newMemory(config Config) (*memory, error) {
	block, err := aes.NewCipher(config.Key)
	if err != nil {
		return nil, fmt.Errorf("link: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("link: %w", err)
	}
	return &memory{aead: aead, config: config}, nil
}

func (m *memory) name() string {
	if m.config.Secure {
		return "__Secure-primecloud_share"
	}
	return "primecloud_share"
}

// cookie is for one link, and sent with nothing that another site begins.
func (m *memory) cookie(token, value string, age time.Duration) *http.Cookie {
	c := &http.Cookie{
		Name: m.name(), Value: value, Path: Base + token, MaxAge: int(age.Seconds()),
		Secure: m.config.Secure, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	}
	if age == 0 {
		c.MaxAge = -1
	}
	return c
}

// keep gives the browser a password that was right.
func (m *memory) keep(w http.ResponseWriter, token, password string) {
	plain := binary.BigEndian.AppendUint64(nil, uint64(m.config.Clock.Now().Add(remembered).Unix()))
	sealed := m.aead.Seal(nil, nil, append(plain, password...), []byte(token))
	http.SetCookie(w, m.cookie(token, base64.RawURLEncoding.EncodeToString(sealed), remembered))
}

// forget takes it from the browser.
func (m *memory) forget(w http.ResponseWriter, token string) {
	http.SetCookie(w, m.cookie(token, "", 0))
}

// recall returns the password that the browser has for the link, or "".
func (m *memory) recall(r *http.Request, token string) string {
	cookie, err := r.Cookie(m.name())
	if err != nil || len(cookie.Value) > maxCookie {
		return ""
	}
	sealed, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	if err != nil {
		return ""
	}
	plain, err := m.aead.Open(nil, nil, sealed, []byte(token))
	if err != nil || len(plain) < 8 || int64(binary.BigEndian.Uint64(plain)) <= m.config.Clock.Now().Unix() {
		return ""
	}
	return string(plain[8:])
}
