package servers

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/primecloud/primecloud/pkg/servers/readiness"
)

// NATSConfig says how to run NATS.
type NATSConfig struct {
	// Dir holds the configuration, JetStream's store and the log.
	Dir string
	// Port is where to listen on 127.0.0.1; 0 takes a free one. Setting is named when it is taken.
	Port    int
	Setting string
	// Users are who may connect. Without any, everybody may do everything.
	Users []NATSUser
}

// NATSUser may publish to and subscribe to what the lists say, and nothing else; an empty list
// allows nothing. JetStream's own subjects ($JS.API.>, $JS.ACK.>, $KV.…, _INBOX.>) belong in
// them like any other.
type NATSUser struct {
	Name, Password     string
	Publish, Subscribe []string
}

// NATS is a running NATS server with JetStream.
type NATS struct {
	*Server
	// Store is JetStream's folder. Removing it while the server is stopped is how to lose everything.
	Store string
}

// URL is what a client connects to; credentials are given apart.
func (n *NATS) URL() string { return "nats://" + n.Address() }

// StartNATS starts NATS with JetStream.
func StartNATS(ctx context.Context, cfg NATSConfig) (*NATS, error) {
	paths, err := install(ctx, nil, nameNATS)
	if err != nil {
		return nil, err
	}
	if err := folder(cfg.Dir); err != nil {
		return nil, err
	}
	port, err := choosePort(ctx, nameNATS, cfg.Port, cfg.Setting)
	if err != nil {
		return nil, err
	}
	n := &NATS{Store: filepath.Join(cfg.Dir, "jetstream")}
	file := filepath.Join(cfg.Dir, "nats.conf")
	text, err := NATSFile{Listen: address(port), Store: n.Store, Name: "primecloud-local", Users: cfg.Users}.Encode()
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, fmt.Errorf("write the configuration of NATS: %w", err)
	}
	n.Server = &Server{
		name: nameNATS, port: port, setting: cfg.Setting, probe: func(ctx context.Context) error { return readiness.NATS(ctx, n.Address()) },
		cmd: command{path: paths[0], args: []string{"-c", file}, dir: cfg.Dir, stop: syscall.SIGTERM, orphaned: syscall.SIGKILL},
	}
	if err := begin(ctx, n.Server); err != nil {
		return nil, err
	}
	return n, nil
}

// NATSFile is what the configuration of NATS says.
type NATSFile struct {
	// Listen is host:port to listen on, Store JetStream's folder, Name how the server calls itself.
	Listen, Store, Name string
	// Users are who may connect. Without any, everybody may do everything.
	Users []NATSUser
}

// Encode returns the configuration as JSON, which NATS reads as its own language.
func (f NATSFile) Encode() ([]byte, error) {
	type permissions struct {
		Publish   []string `json:"publish"`
		Subscribe []string `json:"subscribe"`
	}
	type user struct {
		User        string      `json:"user"`
		Password    string      `json:"password"`
		Permissions permissions `json:"permissions"`
	}
	config := map[string]any{
		"listen":      f.Listen,
		"server_name": f.Name,
		"jetstream":   map[string]any{"store_dir": f.Store},
	}
	users := make([]user, 0, len(f.Users))
	for _, u := range f.Users {
		users = append(users, user{User: u.Name, Password: u.Password, Permissions: permissions{
			Publish: orNothing(u.Publish), Subscribe: orNothing(u.Subscribe),
		}})
	}
	if len(users) > 0 {
		config["authorization"] = map[string]any{"users": users}
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // NATS knows no \u003e
	if err := encoder.Encode(config); err != nil {
		return nil, fmt.Errorf("the configuration of NATS: %w", err)
	}
	return text.Bytes(), nil
}

// orNothing keeps an empty list from meaning "everything", as it does to NATS.
func orNothing(subjects []string) []string {
	if len(subjects) == 0 {
		return []string{"_nothing_"}
	}
	return subjects
}
