package servers

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/crypto/bcrypt"
)

// DexConfig says how to run Dex.
type DexConfig struct {
	// Dir holds the configuration, keys, sessions and the log.
	Dir string
	// Port is where to listen on 127.0.0.1; 0 takes a free one. Setting is named when it is taken.
	Port    int
	Setting string
	// Issuer is how tokens name Dex; empty takes http://127.0.0.1:PORT/dex.
	Issuer string
	// ClientID and ClientSecret are the gateway's, RedirectURLs where logins may return to.
	ClientID, ClientSecret string
	RedirectURLs           []string
	// Users may log in with a password.
	Users []DexUser
}

// DexUser is somebody with a password. UserID is the subject's stable part: Dex wraps it, so
// `sub` in a token is not UserID itself.
type DexUser struct {
	Email, Password, UserID, Username string
}

// Dex is a running OpenID Connect provider.
type Dex struct {
	*Server
	// Issuer is what discovery starts from and tokens name.
	Issuer string
}

// StartDex starts Dex. Signing keys and logins live in a file and survive a restart.
func StartDex(ctx context.Context, cfg DexConfig) (*Dex, error) {
	paths, err := install(ctx, nil, nameDex)
	if err != nil {
		return nil, err
	}
	if err := folder(cfg.Dir); err != nil {
		return nil, err
	}
	port, err := choosePort(ctx, nameDex, cfg.Port, cfg.Setting)
	if err != nil {
		return nil, err
	}
	d := &Dex{Issuer: cfg.Issuer}
	if d.Issuer == "" {
		d.Issuer = "http://" + address(port) + "/dex"
	}
	file := filepath.Join(cfg.Dir, "dex.json")
	web := filepath.Join(filepath.Dir(paths[0]), "web")
	if err := writeDexConfig(file, web, d.Issuer, port, cfg); err != nil {
		return nil, err
	}
	d.Server = &Server{
		name: nameDex, port: port, setting: cfg.Setting, probe: d.discovers,
		cmd: command{path: paths[0], args: []string{"serve", file}, dir: cfg.Dir, stop: syscall.SIGTERM, orphaned: syscall.SIGKILL},
	}
	if err := begin(ctx, d.Server); err != nil {
		return nil, err
	}
	return d, nil
}

// writeDexConfig writes the configuration as JSON, which is YAML.
func writeDexConfig(file, web, issuer string, port int, cfg DexConfig) error {
	passwords := make([]map[string]any, 0, len(cfg.Users))
	for _, u := range cfg.Users {
		hash, err := bcrypt.GenerateFromPassword([]byte(u.Password), bcrypt.DefaultCost)
		if err != nil {
			return fmt.Errorf("hash the password of %s: %w", u.Email, err)
		}
		passwords = append(passwords, map[string]any{
			"email": u.Email, "hash": string(hash), "username": u.Username, "userID": u.UserID,
		})
	}
	text, err := json.MarshalIndent(map[string]any{
		"issuer":           issuer,
		"storage":          map[string]any{"type": "sqlite3", "config": map[string]any{"file": filepath.Join(cfg.Dir, "dex.db")}},
		"web":              map[string]any{"http": address(port)},
		"frontend":         map[string]any{"dir": web, "issuer": "PrimeCloud"},
		"oauth2":           map[string]any{"skipApprovalScreen": true, "responseTypes": []string{"code"}},
		"enablePasswordDB": true,
		"staticPasswords":  passwords,
		"staticClients": []map[string]any{{
			"id": cfg.ClientID, "secret": cfg.ClientSecret, "name": "PrimeCloud", "redirectURIs": cfg.RedirectURLs,
		}},
	}, "", "  ")
	if err != nil {
		return fmt.Errorf("write the configuration of Dex: %w", err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return fmt.Errorf("write the configuration of Dex: %w", err)
	}
	return nil
}

// discovers asks Dex itself, not the issuer's address, which may be another host's.
func (d *Dex) discovers(ctx context.Context) error {
	path := "/.well-known/openid-configuration"
	issuer, err := http.NewRequestWithContext(ctx, http.MethodGet, d.Issuer+path, http.NoBody)
	if err != nil {
		return fmt.Errorf("ask for readiness: %w", err)
	}
	issuer.URL.Scheme, issuer.URL.Host = "http", d.Address()
	body, err := answer(issuer)
	if err != nil {
		return err
	}
	var found struct {
		Issuer string `json:"issuer"`
	}
	if err := json.Unmarshal([]byte(body), &found); err != nil || found.Issuer != d.Issuer {
		return fmt.Errorf("Dex answers %q", body)
	}
	return nil
}
