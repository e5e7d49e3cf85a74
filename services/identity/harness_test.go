package identity_test

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/grpc"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/observe"
	"github.com/primecloud/primecloud/pkg/pki"
	"github.com/primecloud/primecloud/pkg/rpc"
	"github.com/primecloud/primecloud/pkg/seal"
	"github.com/primecloud/primecloud/pkg/servers"
	"github.com/primecloud/primecloud/pkg/testkit"
	auditv1 "github.com/primecloud/primecloud/proto/gen/primecloud/audit/v1"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	"github.com/primecloud/primecloud/services/identity"
	"github.com/primecloud/primecloud/services/identity/internal/postgres"
)

func TestMain(m *testing.M) { testkit.Main(m) }

const (
	clientID = "primecloud"
	callback = "http://127.0.0.1:1/callback"
)

// people can log in at Dex with their own name as password.
var people = []string{"anna", "bert", "cleo", "olga", "sam", "bill"}

// shifted is the system's clock, moved ahead by the test.
type shifted struct{ ahead atomic.Int64 }

func (c *shifted) Now() time.Time                         { return time.Now().UTC().Add(time.Duration(c.ahead.Load())) }
func (c *shifted) After(d time.Duration) <-chan time.Time { return time.After(d) }
func (c *shifted) advance(d time.Duration)                { c.ahead.Add(int64(d)) }

// world is the service in a world of real servers: PostgreSQL, NATS, Dex, and mTLS.
type world struct {
	t         *testing.T
	config    identity.Config
	database  testkit.Database
	nats      *servers.NATS
	dex       *servers.Dex
	clock     *shifted
	authority *pki.Authority
	service   *identity.Service
	address   string
	conn      *grpc.ClientConn
	stop      func()
}

// newWorld starts everything and runs the service.
func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldWith(t, testkit.SharedDex(t, dexConfig()))
}

// dexConfig lets the people log in.
func dexConfig() servers.DexConfig {
	cfg := servers.DexConfig{ClientID: clientID, ClientSecret: "secret", RedirectURLs: []string{callback}}
	for _, name := range people {
		cfg.Users = append(cfg.Users, servers.DexUser{Email: name + "@example.com", Password: name, UserID: name, Username: name})
	}
	return cfg
}

// newWorldWith is newWorld with a provider of the test's own.
func newWorldWith(t *testing.T, dex *servers.Dex, settings ...func(*identity.Config)) *world {
	t.Helper()
	w := &world{t: t, clock: &shifted{}, database: testkit.NewDatabase(t, postgres.Schema, postgres.Migrations())}
	// The service has the rights that it says it needs, and the test has all.
	granted, all := identity.Permissions([]string{"identity", "storage"}), []string{">"}
	w.nats = testkit.NATS(t,
		servers.NATSUser{Name: "identity", Password: "identity", Publish: granted.Publish, Subscribe: granted.Subscribe},
		servers.NATSUser{Name: "test", Password: "test", Publish: all, Subscribe: all})
	w.dex = dex
	var err error
	if w.authority, err = pki.OpenAuthority(filepath.Join(t.TempDir(), "pki"), clock.System()); err != nil {
		t.Fatal(err)
	}
	keyset := filepath.Join(t.TempDir(), "keyset.json")
	if err := seal.NewKeysetFile(keyset); err != nil {
		t.Fatal(err)
	}
	source := config.Source{
		"PRIMECLOUD_IDENTITY_DATABASE_URL": w.database.AppURL.Reveal(), "PRIMECLOUD_IDENTITY_NATS_URL": w.nats.URL(),
		"PRIMECLOUD_IDENTITY_NATS_USER": "identity", "PRIMECLOUD_IDENTITY_NATS_PASSWORD": "identity",
		"PRIMECLOUD_IDENTITY_SEAL_KEYSET": keyset, "PRIMECLOUD_IDENTITY_PAGE_KEY": strings.Repeat("k", 32),
		"PRIMECLOUD_IDENTITY_OIDC_ISSUER": w.dex.Issuer, "PRIMECLOUD_IDENTITY_OIDC_CLIENT_ID": clientID,
	}
	if err := config.Load(&w.config, source, "PRIMECLOUD_IDENTITY_"); err != nil {
		t.Fatal(err)
	}
	w.config.AdminListen = ""
	for _, set := range settings {
		set(&w.config)
	}
	w.start()
	return w
}

// start runs the service until stop, or the end of the test.
func (w *world) start() {
	w.t.Helper()
	tls, err := w.files("identity").ServerTLS()
	if err != nil {
		w.t.Fatal(err)
	}
	listener, err := new(net.ListenConfig).Listen(w.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	telemetry := observe.Discard()
	telemetry.Logger = testkit.Logger(w.t)
	w.service, err = identity.New(testkit.Context(w.t), w.config, identity.Deps{
		Telemetry: telemetry, Clock: w.clock, Listener: listener, TLS: tls,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.conn = nil
	w.address = listener.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.service.Run(ctx) }()
	var stopped atomic.Bool
	w.stop = func() {
		cancel()
		if stopped.CompareAndSwap(false, true) {
			if err := <-ended; err != nil {
				w.t.Errorf("the service ended with %v", err)
			}
		}
	}
	w.t.Cleanup(w.stop)
}

// files are the certificate files of a process.
func (w *world) files(service string) pki.Files {
	w.t.Helper()
	files, err := w.authority.Issue(w.t.TempDir(), pki.Leaf{Service: service})
	if err != nil {
		w.t.Fatal(err)
	}
	return files
}

// dial connects as another process of the suite, or as nobody.
func (w *world) dial(as string) *grpc.ClientConn {
	w.t.Helper()
	files := w.files("identity")
	files.Cert, files.Key = "", ""
	if as != "" {
		files = w.files(as)
	}
	tls, err := files.ClientTLS(pki.Peer{Service: identity.Name})
	if err != nil {
		w.t.Fatal(err)
	}
	conn, err := rpc.Dial(rpc.ClientConfig{Target: "passthrough:///" + w.address, TLS: tls, Service: as}, rpc.Deps{})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// clients are the services of identity over one connection.
type clients struct {
	identityv1.UserServiceClient
	identityv1.AccountServiceClient
	identityv1.AccountProfileServiceClient
	identityv1.PlatformAccountServiceClient
	identityv1.OperatorAccessServiceClient
	identityv1.MembershipServiceClient
	identityv1.SessionServiceClient
	identityv1.ApiKeyServiceClient
	identityv1.TokenServiceClient
	auditv1.AuditServiceClient
}

func clientsOf(conn grpc.ClientConnInterface) clients {
	return clients{
		identityv1.NewUserServiceClient(conn), identityv1.NewAccountServiceClient(conn), identityv1.NewAccountProfileServiceClient(conn),
		identityv1.NewPlatformAccountServiceClient(conn), identityv1.NewOperatorAccessServiceClient(conn), identityv1.NewMembershipServiceClient(conn),
		identityv1.NewSessionServiceClient(conn), identityv1.NewApiKeyServiceClient(conn), identityv1.NewTokenServiceClient(conn),
		auditv1.NewAuditServiceClient(conn),
	}
}

// gateway is the suite's gateway as identity sees it.
func (w *world) gateway() clients {
	if w.conn == nil {
		w.conn = w.dial("gateway")
	}
	return clientsOf(w.conn)
}

const nonce = "0123456789abcdef"

var form = regexp.MustCompile(`(?s)<form[^>]*action="([^"]+)"`)

// idToken goes through the real authorization code flow at Dex and returns its ID token.
func (w *world) idToken(name, nonce string) string {
	w.t.Helper()
	code := w.code(name, nonce)
	answer, err := http.PostForm(w.dex.Issuer+"/token", url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback},
		"client_id": {clientID}, "client_secret": {"secret"},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	var tokens struct {
		IDToken string `json:"id_token"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&tokens); err != nil || tokens.IDToken == "" {
		w.t.Fatalf("Dex gave no ID token: HTTP %d, %v", answer.StatusCode, err)
	}
	return tokens.IDToken
}

// code logs in on Dex's own form and returns the authorization code.
func (w *world) code(name, nonce string) string {
	w.t.Helper()
	jar, _ := cookiejar.New(nil) // never fails without options
	var code string
	browser := &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), callback) {
			code = r.URL.Query().Get("code")
			return http.ErrUseLastResponse
		}
		return nil
	}}
	query := url.Values{
		"client_id": {clientID}, "redirect_uri": {callback}, "response_type": {"code"},
		"scope": {"openid profile email"}, "state": {"s"}, "nonce": {nonce},
	}
	answer, err := browser.Get(w.dex.Issuer + "/auth?" + query.Encode())
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	page, err := io.ReadAll(answer.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	found := form.FindSubmatch(page)
	if found == nil {
		w.t.Fatalf("Dex shows no form: HTTP %d %.200s", answer.StatusCode, page)
	}
	action, err := answer.Request.URL.Parse(html.UnescapeString(string(found[1])))
	if err != nil {
		w.t.Fatal(err)
	}
	posted, err := browser.PostForm(action.String(), url.Values{"login": {name + "@example.com"}, "password": {name}})
	if err != nil {
		w.t.Fatal(err)
	}
	_ = posted.Body.Close()
	if code == "" {
		w.t.Fatalf("Dex did not log %s in: HTTP %d", name, posted.StatusCode)
	}
	return code
}

// person is somebody logged in.
type person struct {
	w      *world
	id     string
	secret string
}

// login logs somebody in through Dex.
func (w *world) login(name string) person {
	w.t.Helper()
	created, err := w.gateway().CreateSession(testkit.Context(w.t), &identityv1.CreateSessionRequest{
		IdToken: w.idToken(name, nonce), Nonce: nonce, Address: "192.0.2.1", UserAgent: "test",
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return person{w: w, id: created.GetUser().GetId(), secret: created.GetSessionSecret()}
}

// in returns a context with an access token of the person for the account, or for themselves.
func (p person) in(accountID string) context.Context {
	p.w.t.Helper()
	exchanged, err := p.w.gateway().ExchangeSession(testkit.Context(p.w.t), &identityv1.ExchangeSessionRequest{
		SessionSecret: p.secret, AccountId: accountID,
	})
	if err != nil {
		p.w.t.Fatal(err)
	}
	return rpc.WithBearer(testkit.Context(p.w.t), exchanged.GetAccessToken())
}

// account makes an account of the person.
func (p person) account(name string) *identityv1.Account {
	p.w.t.Helper()
	created, err := p.w.gateway().CreateAccount(p.in(""), &identityv1.CreateAccountRequest{DisplayName: name})
	if err != nil {
		p.w.t.Fatal(err)
	}
	return created.GetAccount()
}

// wants fails the test unless err has the reason.
func wants(t *testing.T, err error, reason string) {
	t.Helper()
	if got := errs.ReasonOf(err); got != reason {
		t.Errorf("got %v, want %s", err, reason)
	}
}

// rows asks behind the scenes, where row-level security shows all.
func (w *world) rows(sql string, args ...any) (count int) {
	w.t.Helper()
	conn, err := pgx.Connect(testkit.Context(w.t), w.database.SuperuserURL.Reveal())
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	if err := conn.QueryRow(testkit.Context(w.t), sql, args...).Scan(&count); err != nil {
		w.t.Fatal(fmt.Errorf("%s: %w", sql, err))
	}
	return count
}

// behind changes something behind the service's back.
func (w *world) behind(sql string, args ...any) {
	w.t.Helper()
	conn, err := pgx.Connect(testkit.Context(w.t), w.database.SuperuserURL.Reveal())
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	if tag, err := conn.Exec(testkit.Context(w.t), sql, args...); err != nil || tag.RowsAffected() != 1 {
		w.t.Fatalf("%s touched %d rows: %v", sql, tag.RowsAffected(), err)
	}
}

// broker connects to NATS as somebody.
func (w *world) broker(user string) jetstream.JetStream {
	w.t.Helper()
	conn, err := nats.Connect(w.nats.URL(), nats.UserInfo(user, user))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		w.t.Fatal(err)
	}
	return js
}
