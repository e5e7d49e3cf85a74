package servers

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/crypto/bcrypt"

	"github.com/primecloud/primecloud/pkg/servers/readiness"
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
	text, err := DexFile{
		Issuer: d.Issuer, Listen: address(port), Database: filepath.Join(cfg.Dir, "dex.db"), Web: filepath.Join(filepath.Dir(paths[0]), "web"),
		ClientID: cfg.ClientID, ClientSecret: cfg.ClientSecret, RedirectURLs: cfg.RedirectURLs, Users: cfg.Users,
	}.Encode()
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, fmt.Errorf("write the configuration of Dex: %w", err)
	}
	d.Server = &Server{
		name: nameDex, port: port, setting: cfg.Setting, probe: func(ctx context.Context) error { return readiness.Dex(ctx, d.Address(), d.Issuer) },
		cmd: command{path: paths[0], args: []string{"serve", file}, dir: cfg.Dir, stop: syscall.SIGTERM, orphaned: syscall.SIGKILL},
	}
	if err := begin(ctx, d.Server); err != nil {
		return nil, err
	}
	return d, nil
}

// DexFile is what the configuration of Dex says.
type DexFile struct {
	// Issuer is how tokens name Dex.
	Issuer string
	// Listen is host:port to listen on.
	Listen string
	// Database is the file with keys and sessions, Web the folder with the login pages.
	Database, Web string
	// ClientID and ClientSecret are the gateway's, RedirectURLs where logins may return to.
	ClientID, ClientSecret string
	RedirectURLs           []string
	// Users may log in with a password.
	Users []DexUser
}

// Encode returns the configuration as JSON, which is YAML.
func (f DexFile) Encode() ([]byte, error) {
	passwords := make([]map[string]any, 0, len(f.Users))
	for _, u := range f.Users {
		hash, err := bcrypt.GenerateFromPassword([]byte(u.Password), bcrypt.DefaultCost)
		if err != nil {
			return nil, fmt.Errorf("hash the password of %s: %w", u.Email, err)
		}
		passwords = append(passwords, map[string]any{
			"email": u.Email, "hash": string(hash), "username": u.Username, "userID": u.UserID,
		})
	}
	text, err := json.MarshalIndent(map[string]any{
		"issuer":           f.Issuer,
		"storage":          map[string]any{"type": "sqlite3", "config": map[string]any{"file": f.Database}},
		"web":              map[string]any{"http": f.Listen},
		"frontend":         map[string]any{"dir": f.Web, "issuer": "PrimeCloud"},
		"oauth2":           map[string]any{"skipApprovalScreen": true, "responseTypes": []string{"code"}},
		"enablePasswordDB": true,
		"staticPasswords":  passwords,
		"staticClients": []map[string]any{{
			"id": f.ClientID, "secret": f.ClientSecret, "name": "PrimeCloud", "redirectURIs": f.RedirectURLs,
		}},
	}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("the configuration of Dex: %w", err)
	}
	return text, nil
}
