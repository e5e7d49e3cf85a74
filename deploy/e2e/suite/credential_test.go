package suite_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/primecloud/primecloud/deploy/stack/environment"
	"github.com/primecloud/primecloud/deploy/stack/webclient"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/pkg/rpc"
	"github.com/primecloud/primecloud/pkg/seal"
	"github.com/primecloud/primecloud/pkg/testkit"
	"github.com/primecloud/primecloud/pkg/token"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

// behind looks into the database behind everybody's back.
func behind(t *testing.T) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(testkit.Context(t), running.environment.Postgres.SuperuserDSN(environment.Database))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(testkit.Context(t)) })
	return conn
}

// genuineKey is the key that identity signs with now, opened as only it can.
func genuineKey(t *testing.T) token.SigningKey {
	t.Helper()
	file, err := running.environment.Keyset("identity")
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := seal.Keyset{File: file}.Sealer()
	if err != nil {
		t.Fatal(err)
	}
	var kid string
	var sealed []byte
	if err := behind(t).QueryRow(t.Context(), `select kid, sealed_private from identity.signing_key
		where sign_from <= now() and sign_until > now() order by sign_from desc limit 1`).Scan(&kid, &sealed); err != nil {
		t.Fatal(err)
	}
	seed, err := sealer.Open(t.Context(), sealed, seal.Context{Table: "signing_key", Column: "sealed_private", Row: kid})
	if err != nil {
		t.Fatal(err)
	}
	key, err := token.SigningKeyOf(seed)
	if err != nil || key.ID != kid {
		t.Fatalf("the key is %s, want %s: %v", key.ID, kid, err)
	}
	return key
}

// sign signs claims with a key, whoever's it is.
func sign(t *testing.T, key token.SigningKey, claims token.Claims) string {
	t.Helper()
	signer := token.NewSigner()
	if err := signer.Use(token.Ring{Current: key}); err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(claims)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func stranger(t *testing.T) token.SigningKey {
	t.Helper()
	key, err := token.NewSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// unsigned is a token that claims to need no signature.
func unsigned(genuine string) string {
	header := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"at+jwt"}`))
	return header + "." + strings.Split(genuine, ".")[1] + "."
}

// promoted is a token in which somebody has written another role, and left the signature.
func promoted(t *testing.T, genuine string) string {
	t.Helper()
	parts := strings.Split(genuine, ".")
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(raw, &claims); err != nil {
		t.Fatal(err)
	}
	claims["rol"] = "owner"
	if raw, err = json.Marshal(claims); err != nil {
		t.Fatal(err)
	}
	return parts[0] + "." + base64.RawURLEncoding.EncodeToString(raw) + "." + parts[2]
}

func TestATokenThatDoesNotCountIsRefusedOverRESTAndGRPC(t *testing.T) {
	client := browser(t, anna)
	account := newAccount(t, client)
	genuine := bearer(t, newAPIKey(t, client, account, "ROLE_DEVELOPER", "storage.read"))
	right, now := genuineKey(t), time.Now()
	claims := func(change func(*token.Claims)) token.Claims {
		c := token.Claims{
			Issuer: "primecloud", Audience: "primecloud", Subject: "apk_test", Kind: principal.Machine, Account: account, AccountState: "active",
			Role: "developer", Scopes: []string{"storage.read"}, ID: unique("tok"), Epoch: 1 << 40, IssuedAt: now, Expires: now.Add(5 * time.Minute),
		}
		change(&c)
		return c
	}
	ours := func(*token.Claims) {}
	// A stranger's key that calls itself ours.
	impostor := stranger(t)
	impostor.ID = right.ID
	cases := []struct{ name, token, reason string }{
		{"one that identity gave out", genuine, ""},
		{"one signed with identity's own key", sign(t, right, claims(ours)), ""},
		{"an expired one", sign(t, right, claims(func(c *token.Claims) { c.IssuedAt, c.Expires = now.Add(-10*time.Minute), now.Add(-5*time.Minute) })), "TOKEN_EXPIRED"},
		{"one from the future", sign(t, right, claims(func(c *token.Claims) { c.IssuedAt, c.Expires = now.Add(10*time.Minute), now.Add(15*time.Minute) })), "TOKEN_INVALID"},
		{"one of another issuer", sign(t, right, claims(func(c *token.Claims) { c.Issuer = running.environment.Dex.Issuer })), "TOKEN_INVALID"},
		{"one for another audience", sign(t, right, claims(func(c *token.Claims) { c.Audience = "somebody-else" })), "TOKEN_INVALID"},
		{"one of another issuer with its own key", sign(t, stranger(t), claims(func(c *token.Claims) { c.Issuer = "https://issuer.example" })), "TOKEN_INVALID"},
		{"a forged one with a key of its own", sign(t, stranger(t), claims(ours)), "TOKEN_INVALID"},
		{"a forged one under our key's id", sign(t, impostor, claims(ours)), "TOKEN_INVALID"},
		{"one without a signature", unsigned(genuine), "TOKEN_INVALID"},
		{"one whose role was changed", promoted(t, genuine), "TOKEN_INVALID"},
		{"a word", "hunter2", "TOKEN_INVALID"},
	}
	storage, identity := storagev1.NewBucketServiceClient(wire(t, "storage-provisioning")), identityv1.NewAccountServiceClient(wire(t, "identity"))
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := client.WithBearer(c.token).Call(t.Context(), http.MethodGet, bucketsOf(account), nil, nil)
			_, overWire := storage.ListBuckets(rpc.WithBearer(t.Context(), c.token), &storagev1.ListBucketsRequest{AccountId: account})
			if c.reason == "" {
				if err != nil || overWire != nil {
					t.Errorf("refused: %v, %v", err, overWire)
				}
				return
			}
			status := refused(t, err, http.StatusUnauthorized, c.reason)
			if !strings.Contains(status.Message, "get a new one") || status.Header.Get("Www-Authenticate") == "" {
				t.Errorf("nothing says what to do: %v", status)
			}
			_, atIdentity := identity.GetAccount(rpc.WithBearer(t.Context(), c.token), &identityv1.GetAccountRequest{AccountId: account})
			for service, err := range map[string]error{"storage": overWire, "identity": atIdentity} {
				if e, ok := errs.As(err); !ok || e.Kind() != errs.Unauthenticated || e.Reason() != c.reason {
					t.Errorf("%s answers %v over gRPC, want %s", service, err, c.reason)
				}
			}
		})
	}
}

func TestAMachineHasItsRoleAndItsScopesInOneAccount(t *testing.T) {
	client := browser(t, anna)
	account, other := newAccount(t, client), newAccount(t, client)
	taken := newBucket(t, client, account, nil)
	viewer := client.WithBearer(bearer(t, newAPIKey(t, client, account, "ROLE_VIEWER", "storage.read", "storage.write")))
	reader := client.WithBearer(bearer(t, newAPIKey(t, client, account, "ROLE_ADMIN", "storage.read")))
	for name, machine := range map[string]*webclient.Client{"viewer": viewer, "reader": reader} {
		t.Run("a "+name+" reads", func(t *testing.T) {
			do(t, machine, http.MethodGet, bucketsOf(account, taken.Name), nil, nil)
		})
	}
	for _, r := range []refusal{
		{name: "a role that may not", client: viewer, method: http.MethodDelete, path: bucketsOf(account, taken.Name), httpStatus: 403, reason: "ROLE_NOT_ALLOWED", metadata: "role viewer"},
		{name: "a scope that is lacking", client: reader, method: http.MethodDelete, path: bucketsOf(account, taken.Name), httpStatus: 403, reason: "SCOPE_MISSING", metadata: "scope storage.write"},
		{name: "a method that machines never have", client: reader, method: http.MethodPost, path: "/v1/accounts/" + account + "/apiKeys", body: "{}", httpStatus: 403, reason: "CALLER_NOT_ALLOWED"},
		{name: "another account of the same owner", client: reader, method: http.MethodGet, path: bucketsOf(other), httpStatus: 404, reason: "NOT_FOUND"},
	} {
		t.Run(r.name, r.check)
	}
	t.Run("over gRPC too", func(t *testing.T) {
		key := newAPIKey(t, client, account, "ROLE_VIEWER", "storage.write")
		_, err := storagev1.NewBucketServiceClient(wire(t, "storage-provisioning")).DeleteBucket(
			rpc.WithBearer(t.Context(), bearer(t, key)), &storagev1.DeleteBucketRequest{AccountId: account, Bucket: taken.Name})
		if e, ok := errs.As(err); !ok || e.Kind() != errs.PermissionDenied || e.Reason() != "ROLE_NOT_ALLOWED" {
			t.Errorf("got %v", err)
		}
	})
}

func TestAPersonHasTheRoleThatTheAccountGave(t *testing.T) {
	owner, member := browser(t, anna), browser(t, bert)
	account := newAccount(t, owner)
	var me struct{ User struct{ ID string } }
	do(t, member, http.MethodGet, "/v1/me", nil, &me)
	do(t, owner, http.MethodPost, "/v1/accounts/"+account+"/memberships", map[string]string{"userId": me.User.ID, "role": "ROLE_VIEWER"}, nil)
	do(t, member, http.MethodGet, bucketsOf(account), nil, nil)
	refusal{
		client: member, method: http.MethodPost, path: bucketsOf(account), body: map[string]string{"name": unique("e2e")},
		httpStatus: 403, reason: "ROLE_NOT_ALLOWED",
	}.check(t)
	t.Run("until it takes it back", func(t *testing.T) {
		do(t, owner, http.MethodDelete, "/v1/accounts/"+account+"/memberships/"+me.User.ID, nil, nil)
		testkit.Eventually(t, 5*time.Second, func() error { return gone(t, member, bucketsOf(account)) })
	})
}

// gone returns nil once the path is not found.
func gone(t *testing.T, client *webclient.Client, path string) error {
	t.Helper()
	_, err := client.Call(t.Context(), http.MethodGet, path, nil, nil)
	if err == nil {
		return errStillThere
	}
	if status := statusOf(t, err); status.HTTP != http.StatusNotFound {
		return status
	}
	return nil
}

func TestARevokedKeyAndItsTokensEnd(t *testing.T) {
	client := browser(t, anna)
	account := newAccount(t, client)
	key := newAPIKey(t, client, account, "ROLE_DEVELOPER", "account.read", "storage.read")
	raw := bearer(t, key)
	machine := client.WithBearer(raw)
	do(t, machine, http.MethodGet, bucketsOf(account), nil, nil)
	do(t, client, http.MethodPost, "/v1/accounts/"+account+"/apiKeys/"+key.APIKey.ID+":revoke", "{}", nil)
	t.Run("the key", func(t *testing.T) {
		_, err := exchange(t, key)
		refused(t, err, http.StatusUnauthorized, "API_KEY_INVALID")
	})
	t.Run("its token at identity, at once", refusal{
		client: machine, method: http.MethodGet, path: "/v1/accounts/" + account, httpStatus: 401, reason: "TOKEN_REVOKED", says: "log in again",
	}.check)
	t.Run("its token at storage, within seconds", func(t *testing.T) {
		buckets := storagev1.NewBucketServiceClient(wire(t, "storage-provisioning"))
		testkit.Eventually(t, 5*time.Second, func() error {
			_, err := buckets.ListBuckets(rpc.WithBearer(t.Context(), raw), &storagev1.ListBucketsRequest{AccountId: account})
			if errs.ReasonOf(err) != "TOKEN_REVOKED" {
				return errs.Newf(errs.Internal, "INTERNAL", "got %v", err)
			}
			return nil
		})
		_, err := machine.Call(t.Context(), http.MethodGet, bucketsOf(account), nil, nil)
		refused(t, err, http.StatusUnauthorized, "TOKEN_REVOKED")
	})
	t.Run("and one that never was looks like one that was revoked", func(t *testing.T) {
		_, err := exchange(t, key)
		revoked := statusOf(t, err)
		_, err = exchange(t, apiKey{Secret: key.Secret[:len(key.Secret)-6] + "aaaaaa"})
		sameButForIDs(t, revoked, statusOf(t, err))
	})
}
