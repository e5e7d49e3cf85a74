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

	"github.com/primecloud/primecloud/deploy/e2e/bench/load"
	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/services/identity"
)

const (
	// wantEntries is how many audit entries per second get from a call into their chain.
	wantEntries = 1000
	// trailAccounts share the calls: changes of one account take turns.
	trailAccounts = 16
	// chainedWithin is how long the last entries may take after the last call.
	chainedWithin = time.Minute
)

// trail is how audit entries got from calls into their chains.
type trail struct {
	// entries were made in took, of which lag was needed after the last call.
	entries   int64
	took, lag time.Duration
	// said is what the verification of all chains said.
	said string
}

func (t trail) rate() float64 { return float64(t.entries) / t.took.Seconds() }

func (t trail) met() bool { return t.rate() >= wantEntries }

// trail changes accounts as fast as they can be changed, each change an entry, waits until
// every entry is in its chain, and verifies all chains. An entry that is missing is an error.
func (b *bench) trail(ctx context.Context) (t trail, err error) {
	conn, err := pgx.Connect(ctx, b.place.RootURL)
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	var accounts []string
	for i := range trailAccounts {
		account, err := b.world.newAccount(ctx, fmt.Sprintf("trail %d", i))
		if err != nil {
			return t, err
		}
		accounts = append(accounts, account)
	}
	count := func() (n int64, err error) {
		err = conn.QueryRow(ctx, `select count(*) from identity.audit_entry where action = 'account.update' and account_id = any ($1)`, accounts).Scan(&n)
		return n, err
	}
	callers := 0
	began := time.Now()
	result, err := load.Run(ctx, load.Plan{Callers: b.config.Callers, For: b.config.TrailFor, Dial: func(ctx context.Context) (load.Caller, error) {
		account := accounts[callers%len(accounts)]
		callers++
		return load.HTTP(load.Request{
			Address: b.gateway(), Method: "PATCH", Path: "/v1/accounts/" + account, Body: `{"customerReference":"ref-` + load.Digits + `"}`,
			Header: []string{"Cookie: " + b.world.cookie, "X-CSRF-Token: " + b.world.csrf},
		})(ctx)
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
	fmt.Fprintf(b.out, "%d audit entries in %s: %.0f/s, the last one chained %s after the last call\n", t.entries, t.took, t.rate(), t.lag)
	return t, err
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
