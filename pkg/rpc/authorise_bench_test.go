package rpc_test

import (
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/access"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/pkg/revoke"
	"github.com/primecloud/primecloud/pkg/token"
)

// BenchmarkAuthorise is what the chain does to let a call through: the token is verified,
// held against the revocations, and the method's rule decides. No network, no database.
func BenchmarkAuthorise(b *testing.B) {
	signer := token.NewSigner()
	key, err := token.NewSigningKey()
	if err != nil {
		b.Fatal(err)
	}
	if err := signer.Use(token.Ring{Current: key}); err != nil {
		b.Fatal(err)
	}
	services, err := access.Find("primecloud.storage.v1.BucketService")
	if err != nil {
		b.Fatal(err)
	}
	table, err := access.NewTable(services...)
	if err != nil {
		b.Fatal(err)
	}
	rule, ok := table.Rule("/primecloud.storage.v1.BucketService/GetBucket")
	if !ok {
		b.Fatal("there is no such method")
	}
	now := time.Now()
	raw, err := signer.Sign(token.Claims{
		Issuer: "i", Audience: "a", Subject: "usr_01kb3w5v9p8q7r6s5t4v3w2x1y", Kind: principal.Person, Account: mine, AccountState: "active",
		Role: "viewer", Session: "ses_01kb3w5v9p8q7r6s5t4v3w2x1y", ID: "tok_1", Epoch: 7, IssuedAt: now, Expires: now.Add(token.MaxLifetime),
	})
	if err != nil {
		b.Fatal(err)
	}
	for name, cacheSize := range map[string]int{"warm": 0, "new_token": -1} {
		b.Run(name, func(b *testing.B) {
			verifier, err := token.NewVerifier(token.VerifierConfig{Issuer: "i", Audience: "a", Clock: clock.System(), Keys: signer, CacheSize: cacheSize})
			if err != nil {
				b.Fatal(err)
			}
			authenticate := revoke.Authenticator(verifier, revoke.NewView(revoke.Config{Clock: clock.System()}))
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				p, err := authenticate(b.Context(), raw)
				if err == nil {
					err = access.Decide(rule, &p, mine)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
