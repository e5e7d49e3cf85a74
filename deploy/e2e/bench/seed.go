package bench

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/primecloud/primecloud/deploy/e2e/bench/bare"
	"github.com/primecloud/primecloud/deploy/stack/webclient"
)

// listed is how many buckets the account has and a list shows.
const listed = 50

// world is what is in the suite for the measuring.
type world struct {
	// web is the browser of a person who owns the account.
	web *webclient.Client
	// cookie and csrf are what that browser sends.
	cookie, csrf string
	// account has the buckets, token is a machine's for it.
	account, token string
	// workshop is the account in which buckets come and go.
	workshop string
	// keys is the key set: X by key id.
	keys map[string]string
	// sample is an account as the suite makes it.
	sample bare.Sample
}

// seed fills a fresh suite through its public doors.
func seed(ctx context.Context, p suitePlace) (*world, error) {
	w := &world{web: webclient.New(p.Target.Gateway), keys: map[string]string{}}
	if err := w.web.Login(ctx, p.Target.Login, p.Target.Password); err != nil {
		return nil, err
	}
	for _, step := range []func(context.Context) error{w.readLogin, w.makeBuckets, w.makeToken, w.readKeys} {
		if err := step(ctx); err != nil {
			return nil, fmt.Errorf("seed: %w", err)
		}
	}
	var err error
	if w.sample, err = w.takeSample(ctx, p); err != nil {
		return nil, fmt.Errorf("seed: %w", err)
	}
	return w, nil
}

// readLogin takes cookie and CSRF token over from the browser.
func (w *world) readLogin(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, w.web.Base()+"/v1/me", http.NoBody)
	if err != nil {
		return err
	}
	for _, cookie := range w.web.HTTP().Jar.Cookies(request.URL) {
		if strings.HasSuffix(cookie.Name, "primecloud_session") {
			w.cookie = cookie.Name + "=" + cookie.Value
		}
	}
	var answer struct {
		Token string `json:"csrfToken"`
	}
	if _, err := w.web.Call(ctx, http.MethodGet, "/v1/me/csrf", nil, &answer); err != nil {
		return err
	}
	w.csrf = answer.Token
	return nil
}

func (w *world) newAccount(ctx context.Context, name string, options ...webclient.Option) (string, error) {
	var account struct{ ID string }
	_, err := w.web.Call(ctx, http.MethodPost, "/v1/accounts", map[string]string{"displayName": name}, &account, options...)
	return account.ID, err
}

// bucketNamed is a bucket as a tenant asks for it.
func bucketNamed(name string) map[string]any {
	return map[string]any{
		"name": name, "quotaBytes": "1073741824", "versioning": "VERSIONING_ENABLED",
		"lifecycleRules": []any{map[string]any{"id": "tidy", "prefix": "tmp/", "expireAfterDays": 7}},
	}
}

func (w *world) makeBuckets(ctx context.Context) (err error) {
	if w.account, err = w.newAccount(ctx, "benchmark"); err != nil {
		return err
	}
	for i := range listed {
		if _, err := w.makeBucket(ctx, w.account, fmt.Sprintf("bench-%02d", i)); err != nil {
			return err
		}
	}
	if w.workshop, err = w.newAccount(ctx, "workshop"); err != nil {
		return err
	}
	// From its second bucket on an account costs the same: its user is there.
	_, err = w.makeBucket(ctx, w.workshop, "bench-workshop")
	return err
}

func (w *world) makeBucket(ctx context.Context, account, name string) (http.Header, error) {
	return w.web.Call(ctx, http.MethodPost, "/v1/accounts/"+account+"/buckets", bucketNamed(name), nil, webclient.Key("make-"+name))
}

func (w *world) makeToken(ctx context.Context) (err error) {
	w.token, err = w.tokenFor(ctx, w.account, "ROLE_DEVELOPER", "storage.read", "storage.write")
	return err
}

// tokenFor is an access token of a service account of the account.
func (w *world) tokenFor(ctx context.Context, account, role string, scopes ...string) (string, error) {
	var made struct{ Secret string }
	_, err := w.web.Call(ctx, http.MethodPost, "/v1/accounts/"+account+"/apiKeys", map[string]any{
		"displayName": "benchmark", "role": role, "scopes": scopes,
	}, &made)
	if err != nil {
		return "", err
	}
	var token struct{ AccessToken string }
	_, err = webclient.New(w.web.Base()).Call(ctx, http.MethodPost, "/v1/tokens:exchangeApiKey", map[string]string{"apiKey": made.Secret}, &token)
	return token.AccessToken, err
}

func (w *world) readKeys(ctx context.Context) error {
	var set struct{ Keys []struct{ Kid, X string } }
	_, err := w.web.Call(ctx, http.MethodGet, "/v1/tokens/keySet", nil, &set)
	for _, k := range set.Keys {
		w.keys[k.Kid] = k.X
	}
	return err
}

// takeSample makes an account with an idempotency key and reads its rows.
func (w *world) takeSample(ctx context.Context, p suitePlace) (bare.Sample, error) {
	var s bare.Sample
	var err error
	if s.AccountID, err = w.newAccount(ctx, "benchmark", webclient.Key("sample")); err != nil {
		return s, err
	}
	conn, err := pgx.Connect(ctx, p.RootURL)
	if err != nil {
		return s, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	err = conn.QueryRow(ctx, `select m.user_id, o.method, o.principal
		from identity.membership m join identity.operation o on o.resource_id = m.account_id where m.account_id = $1`,
		s.AccountID).Scan(&s.UserID, &s.Method, &s.Principal)
	if err != nil {
		return s, fmt.Errorf("the sample's operation: %w", err)
	}
	rows, err := conn.Query(ctx, `select id, type, aggregate_kind, aggregate_id, aggregate_version, payload
		from identity.outbox where account_id = $1 order by seq`, s.AccountID)
	if err != nil {
		return s, err
	}
	s.Events, err = pgx.CollectRows(rows, pgx.RowToStructByPos[bare.SampleEvent])
	return s, err
}
