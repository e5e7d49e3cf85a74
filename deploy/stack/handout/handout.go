// Package handout gives each container of the suite a folder with the secrets, certificates
// and configuration that it needs, and nothing of anybody else's. It owns the vault, where
// all secrets and the certificate authority are kept, and what is in each folder.
//
// It guarantees that a second run hands out the same secrets, with new certificates: they
// live 90 days, and processes notice that they were replaced. A file appears whole, is
// readable by the user of its container alone, and cannot be changed by it.
//
// It is for containers on one machine. In production each folder is a secret of the
// platform, with the same file names; the vault and this package have no part in it.
package handout

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"

	"github.com/primecloud/primecloud/deploy/stack/demo"
	"github.com/primecloud/primecloud/deploy/stack/environment"
	"github.com/primecloud/primecloud/deploy/stack/settings"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/pki"
	"github.com/primecloud/primecloud/pkg/servers"
)

// Config says what to hand out and to whom.
type Config struct {
	// Vault keeps what must survive.
	Vault string `env:"PRIMECLOUD_SETUP_VAULT" default:"/vault" doc:"Folder that keeps every secret and the certificate authority. Back it up with the database."`
	// Dir has a folder per container.
	Dir string `env:"PRIMECLOUD_SETUP_HANDOUT" default:"/handout" doc:"Folder with one folder per container, mounted into that container alone."`
	// User is whom our containers run as.
	User int `env:"PRIMECLOUD_SETUP_USER" default:"65532" doc:"Numeric user and group that containers run as."`
	// PostgresUser is whom PostgreSQL runs as.
	PostgresUser int `env:"PRIMECLOUD_SETUP_POSTGRES_USER" default:"999" doc:"Numeric user and group that the container of PostgreSQL runs as."`
	// Postgres is where services reach the database.
	Postgres string `env:"PRIMECLOUD_SETUP_POSTGRES" default:"postgres:5432" doc:"Host and port of PostgreSQL inside."`
	// Issuer is how Dex is known to browsers.
	Issuer string `env:"PRIMECLOUD_SETUP_OIDC_ISSUER" default:"http://127.0.0.1:5556/dex" doc:"Public address of Dex, the issuer of ID tokens."`
	// Gateway is where browsers find the gateway.
	Gateway string `env:"PRIMECLOUD_SETUP_GATEWAY_URL" default:"http://127.0.0.1:8080" doc:"Public address of the gateway; logins return to it."`
	// S3 is where clients reach the storage.
	S3 string `env:"PRIMECLOUD_SETUP_S3_URL" default:"http://127.0.0.1:9000" doc:"Public address of the S3 door, for the demo."`
	// MinIO is where the demo looks inside.
	MinIO string `env:"PRIMECLOUD_SETUP_MINIO_URL" default:"http://127.0.0.1:19000" doc:"Address at which the demo reads MinIO's own view, when compose.demo.yml opens it."`
	// Passwords is what was handed out to make the database with.
	Passwords string `env:"PRIMECLOUD_SETUP_DATABASE" default:"/run/primecloud" doc:"Folder with the passwords that the database is made with."`
}

// Names of the files that the settings of containers refer to.
const (
	Certificate   = "tls.crt"
	Key           = "tls.key"
	CA            = "ca.crt"
	DatabaseURL   = "database-url"
	OwnerURL      = "database-owner-url"
	NATSPassword  = "nats-password"
	SealKeyset    = "seal-keyset.json"
	PageKey       = "page-key"
	AdminPassword = "backend-admin-password"
	CookieKey     = "cookie-key"
	ClientSecret  = "oidc-client-secret"
	RootUser      = "root-user"
	RootPassword  = "root-password"
	NATSConfig    = "nats.conf"
	DexConfig     = "dex.json"
	Superuser     = "superuser"
)

// Folder is what one container gets.
type Folder struct {
	// Name is that of the container, or of the one-shot container, that mounts it.
	Name string
	// Owner is the numeric user and group that may read it.
	Owner int
	// Files are the contents by name.
	Files map[string][]byte
}

// Write opens the vault and writes every folder.
func Write(c Config) error {
	folders, err := Folders(c)
	if err != nil {
		return err
	}
	for _, folder := range folders {
		if err := folder.write(c.Dir); err != nil {
			return fmt.Errorf("hand out to %s: %w", folder.Name, err)
		}
	}
	return nil
}

// Folders returns what every container gets.
func Folders(c Config) ([]Folder, error) {
	secrets, err := environment.OpenSecrets(c.Vault)
	if err != nil {
		return nil, err
	}
	authority, err := pki.OpenAuthority(filepath.Join(c.Vault, "pki"), clock.System())
	if err != nil {
		return nil, err
	}
	h := &handout{config: c, secrets: secrets, authority: authority}
	var folders []Folder
	for _, part := range []func() ([]Folder, error){h.services, h.gateway, h.database, h.broker, h.login, h.storage} {
		made, err := part()
		if err != nil {
			return nil, err
		}
		folders = append(folders, made...)
	}
	return folders, nil
}

// handout is one run.
type handout struct {
	config    Config
	secrets   *environment.Secrets
	authority *pki.Authority
}

func (h *handout) folder(name string, files map[string]string) Folder {
	f := Folder{Name: name, Owner: h.config.User, Files: map[string][]byte{}}
	for file, text := range files {
		f.Files[file] = []byte(text)
	}
	return f
}

// databaseURL is how a role connects. Nothing but the network of the database carries it,
// so that it goes without TLS.
func (h *handout) databaseURL(role, password string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(role, password), Host: h.config.Postgres,
		Path: "/" + environment.Database, RawQuery: "sslmode=disable",
	}
	return u.String()
}

// certify adds a new certificate that names the service.
func (h *handout) certify(f Folder, service string) error {
	files, err := h.authority.Issue(filepath.Join(h.config.Vault, "pki", service), pki.Leaf{
		Service: service, DNSNames: []string{service, "localhost"}, IPs: []net.IP{net.IPv4(127, 0, 0, 1)},
	})
	if err != nil {
		return err
	}
	return f.copy(map[string]string{Certificate: files.Cert, Key: files.Key, CA: files.CA})
}

func (f Folder) copy(paths map[string]string) error {
	for name, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		f.Files[name] = raw
	}
	return nil
}

// services get what they serve with; what migrates gets the owner's address alone.
func (h *handout) services() ([]Folder, error) {
	var folders []Folder
	for noun, name := range map[string]string{"identity": "identity", "storage": "storage-provisioning"} {
		f := h.folder(name, map[string]string{
			DatabaseURL:  h.databaseURL(noun+"_app", h.secrets.Get(noun+"-app")),
			NATSPassword: h.secrets.Get("nats-" + noun),
			PageKey:      h.secrets.Get(noun + "-page"),
		})
		if noun == "storage" {
			f.Files[AdminPassword] = []byte(h.secrets.Get("minio-root"))
		}
		keyset, err := h.secrets.Keyset(noun)
		if err != nil {
			return nil, fmt.Errorf("keyset of %s: %w", name, err)
		}
		if err := f.copy(map[string]string{SealKeyset: keyset}); err != nil {
			return nil, err
		}
		if err := h.certify(f, name); err != nil {
			return nil, err
		}
		folders = append(folders, f, h.folder(name+"-migrate", map[string]string{
			OwnerURL: h.databaseURL(noun+"_owner", h.secrets.Get(noun+"-owner")),
		}))
	}
	return folders, nil
}

func (h *handout) gateway() ([]Folder, error) {
	f := h.folder("gateway", map[string]string{
		CookieKey: h.secrets.Get("gateway-cookie"), ClientSecret: h.secrets.Get("dex-client"),
	})
	return []Folder{f}, h.certify(f, "gateway")
}

// database has the server's own password, and those that the roles are made with.
func (h *handout) database() ([]Folder, error) {
	server := h.folder("postgres", map[string]string{Superuser: h.secrets.Get("postgres")})
	server.Owner = h.config.PostgresUser
	bootstrap := h.folder("database", map[string]string{Superuser: h.secrets.Get("postgres")})
	for _, noun := range settings.Nouns() {
		for _, role := range []string{noun + "-owner", noun + "-app"} {
			bootstrap.Files[role] = []byte(h.secrets.Get(role))
		}
	}
	return []Folder{server, bootstrap}, nil
}

func (h *handout) broker() ([]Folder, error) {
	users := settings.NATSUsers()
	for i := range users {
		users[i].Password = h.secrets.Get("nats-" + users[i].Name)
	}
	text, err := servers.NATSFile{Listen: "0.0.0.0:4222", Store: "/data", Name: "primecloud", Users: users}.Encode()
	return []Folder{h.folder("nats", map[string]string{NATSConfig: string(text)})}, err
}

func (h *handout) login() ([]Folder, error) {
	text, err := servers.DexFile{
		Issuer: h.config.Issuer, Listen: "0.0.0.0:5556", Database: "/data/dex.db", Web: "/web",
		ClientID: environment.Client, ClientSecret: h.secrets.Get("dex-client"),
		RedirectURLs: []string{h.config.Gateway + settings.CallbackPath}, Users: environment.Logins(),
	}.Encode()
	return []Folder{h.folder("dex", map[string]string{DexConfig: string(text)})}, err
}

func (h *handout) storage() ([]Folder, error) {
	return []Folder{h.folder("minio", map[string]string{
		RootUser: environment.MinIOAdmin, RootPassword: h.secrets.Get("minio-root"),
	})}, nil
}

// Target says where the suite is, for the demo.
func Target(c Config) (demo.Target, error) {
	secrets, err := environment.OpenSecrets(c.Vault)
	if err != nil {
		return demo.Target{}, err
	}
	person, guest, operator := environment.People()[0], environment.People()[2], environment.People()[3]
	return demo.Target{
		Gateway: c.Gateway, S3: c.S3, Region: environment.Region,
		MinIO: c.MinIO, MinIOUser: environment.MinIOAdmin, MinIOPassword: secrets.Get("minio-root"),
		Login: person.Email, Password: person.Password, Guest: guest.Email, GuestPassword: guest.Password, Operator: operator.Email, OperatorPassword: operator.Password,
	}, nil
}
