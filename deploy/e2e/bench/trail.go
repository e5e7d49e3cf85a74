package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/primecloud/primecloud/deploy/e2e/bench/load"
	"github.com/primecloud/primecloud/pkg/config"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	"github.com/primecloud/primecloud/services/identity"
)

const (
	// wantEntries is how many audit entries per second get from a call into their chain.
	wantEntries = 1000
	// trailAccounts share the calls: changes of one account take turns.
	trailAccounts = 16
	// overGRPC calls the service at its own door, overREST through the gateway. What is wanted
	// counts from the service.
	overGRPC, overREST = "gRPC with TLS", "REST"
	// chainedWithin is how long the last entries may take after the last call.
	chainedWithin = time.Minute
)

// trail is how audit entries got from calls into their chains.
type trail struct {
	// way is how the calls came.
	way string
	// entries were made in took, of which lag was needed after the last call.
	entries   int64
	took, lag time.Duration
	// said is what the verification of all chains said.
	said string
}

func (t trail) rate() float64 { return float64(t.entries) / t.took.Seconds() }

// wanted says that it is held against wantEntries.
func (t trail) wanted() bool { return t.way == overGRPC }

func (t trail) met() bool { return t.rate() >= wantEntries }

// trail changes accounts as fast as they can be changed, each change an entry, waits until
// every entry is in its chain, and verifies all chains. An entry that is missing is an error.
func (b *bench) trail(ctx context.Context, way string) (t trail, err error) {
	t.way = way
	conn, err := pgx.Connect(ctx, b.place.RootURL)
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	var accounts []string
	for i := range trailAccounts {
		account, err := b.world.newAccount(ctx, fmt.Sprintf("trail %s %d", way, i))
		if err != nil {
			return t, err
		}
		accounts = append(accounts, account)
	}
	count := func() (n int64, err error) {
		err = conn.QueryRow(ctx, `select count(*) from identity.audit_entry where action = 'account.update' and account_id = any ($1)`, accounts).Scan(&n)
		return n, err
	}
	change, err := b.changes(ctx, way, accounts)
	if err != nil {
		return t, err
	}
	callers := 0
	began := time.Now()
	result, err := load.Run(ctx, load.Plan{Callers: b.config.Callers, For: b.config.TrailFor, Dial: func(ctx context.Context) (load.Caller, error) {
		callers++
		return change[callers%len(change)](ctx)
	}})
	if err != nil {
		return t, err
	}
	asked := time.Now()
	for t.entries < result.Calls {
		if t.entries, err = count(); err != nil {
			return t, err
		}
		if time.Since(asked) > chainedWithin {
			return t, fmt.Errorf("%d of %d entries are in the trail %s after the last call", t.entries, result.Calls, chainedWithin)
		}
	}
	t.took, t.lag = time.Since(began), time.Since(asked)
	if t.entries != result.Calls {
		return t, fmt.Errorf("%d calls left %d entries", result.Calls, t.entries)
	}
	t.said, err = b.verifyTrail(ctx)
	fmt.Fprintf(b.out, "%d audit entries over %s in %s: %.0f/s, the last one chained %s after the last call\n", t.entries, way, t.took, t.rate(), t.lag)
	return t, err
}

// changes is, for each account, how to make a caller that changes it.
func (b *bench) changes(ctx context.Context, way string, accounts []string) (change []func(context.Context) (load.Caller, error), err error) {
	const reference = "ref-" + load.Digits
	trust, err := b.trust()
	if err != nil {
		return nil, err
	}
	for _, account := range accounts {
		if way == overREST {
			change = append(change, load.HTTP(load.Request{
				Address: b.gateway(), Method: "PATCH", Path: "/v1/accounts/" + account, Body: `{"customerReference":"` + reference + `"}`,
				Header: []string{"Cookie: " + b.world.cookie, "X-CSRF-Token: " + b.world.csrf},
			}))
			continue
		}
		token, err := b.world.tokenFor(ctx, account, "ROLE_ADMIN", "account.write")
		if err != nil {
			return nil, err
		}
		change = append(change, load.GRPC{
			Address: b.place.Identity, TLS: trust, Method: identityv1.AccountService_UpdateAccount_FullMethodName, Bearer: token,
			Request: &identityv1.UpdateAccountRequest{
				AccountId: account, Account: &identityv1.Account{CustomerReference: reference},
				UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"customer_reference"}},
			},
		}.Dial)
	}
	return change, nil
}

// verifyTrail is `identity audit verify` with the keys that the suite publishes.
func (b *bench) verifyTrail(ctx context.Context) (said string, err error) {
	dir, err := os.MkdirTemp("", "primecloud-bench-trail-")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	keys, err := b.world.web.Fetch(ctx, "/v1/auditKeySet")
	if err != nil {
		return "", err
	}
	check := identity.TrailCheck{Keys: filepath.Join(dir, "keys.json")}
	if err := os.WriteFile(check.Keys, keys, 0o600); err != nil {
		return "", err
	}
	var out bytes.Buffer
	err = identity.VerifyTrail(ctx, config.Secret(b.place.IdentityURL), check, &out)
	for line := range strings.Lines(out.String()) {
		if strings.Contains(line, "chains") {
			said = strings.TrimSpace(line)
		}
	}
	return said, err
}
