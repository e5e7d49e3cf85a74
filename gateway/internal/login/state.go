package login

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/primecloud/primecloud/pkg/errs"
)

// lifetime is how long a login may take.
const lifetime = 10 * time.Minute

// ErrState is for a callback that does not belong to a login begun in this browser.
var ErrState = errs.New(errs.FailedPrecondition, "LOGIN_STATE_INVALID",
	"this login was not begun in this browser, was used already, or took too long; begin again at /auth/login")

// state is what a login must remember until the provider sends the browser back. It
// travels in a cookie, encrypted and authenticated, so that any replica can go on.
type state struct {
	State    string `json:"s"`
	Nonce    string `json:"n"`
	Verifier string `json:"v"`
	ReturnTo string `json:"r"`
	Provider string `json:"p"`
	// Link is set when the login shall be linked: the fingerprint of the session to link it to.
	Link string    `json:"l,omitempty"`
	Ends time.Time `json:"e"`
}

// vault seals states and remembers which were used.
type vault struct {
	aead   cipher.AEAD
	secure bool

	mu   sync.Mutex
	used map[[sha256.Size]byte]time.Time
}

// maxUsed bounds what is remembered. When so many logins were begun from many addresses,
// some are forgotten rather than all others turned away: a state that is forgotten still
// needs a code, which the provider takes once.
const maxUsed = 65536

func newVault(key []byte, secure bool) (*vault, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("login: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("login: %w", err)
	}
	return &vault{aead: aead, secure: secure, used: map[[sha256.Size]byte]time.Time{}}, nil
}

func (v *vault) name() string {
	if v.secure {
		return "__Host-primecloud_login"
	}
	return "primecloud_login"
}

func (v *vault) cookie(value string, age int) *http.Cookie {
	return &http.Cookie{
		Name: v.name(), Value: value, Path: "/", MaxAge: age,
		// Lax: the provider sends the browser back by a link.
		Secure: v.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

// put gives the browser the state.
func (v *vault) put(w http.ResponseWriter, s state) error {
	plain, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("login: %w", err)
	}
	sealed := v.aead.Seal(nil, nil, plain, []byte(v.name()))
	http.SetCookie(w, v.cookie(base64.RawURLEncoding.EncodeToString(sealed), int(lifetime.Seconds())))
	return nil
}

// take returns the state of the browser's login, once.
func (v *vault) take(w http.ResponseWriter, r *http.Request, now time.Time) (state, error) {
	cookie, err := r.Cookie(v.name())
	if err != nil {
		return state{}, ErrState
	}
	http.SetCookie(w, v.cookie("", -1))
	sealed, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	if err != nil {
		return state{}, ErrState
	}
	plain, err := v.aead.Open(nil, nil, sealed, []byte(v.name()))
	if err != nil {
		return state{}, ErrState
	}
	var s state
	if err := json.Unmarshal(plain, &s); err != nil || !now.Before(s.Ends) || s.State == "" {
		return state{}, ErrState
	}
	if !v.first(s, now) {
		return state{}, ErrState
	}
	return s, nil
}

// first reports whether a state is used for the first time in this process. The code that
// comes with it is good once at the provider, which covers the other replicas.
func (v *vault) first(s state, now time.Time) bool {
	hash := sha256.Sum256([]byte(s.State))
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, again := v.used[hash]; again {
		return false
	}
	if len(v.used) >= maxUsed {
		v.makeRoom(now)
	}
	v.used[hash] = s.Ends
	return true
}

// makeRoom forgets the states that have ended, and if need be some that have not.
func (v *vault) makeRoom(now time.Time) {
	for key, ends := range v.used {
		if !now.Before(ends) {
			delete(v.used, key)
		}
	}
	for key := range v.used {
		if len(v.used) < maxUsed*7/8 {
			return
		}
		delete(v.used, key)
	}
}

// random returns 256 random bits as text.
func random() string {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(raw[:])
}
