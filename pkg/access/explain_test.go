package access_test

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/primecloud/primecloud/pkg/access"
	"github.com/primecloud/primecloud/pkg/principal"
)

func TestExplain_says_what_Decide_decides(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		some := func(name string, of ...string) string { return rapid.SampledFrom(of).Draw(t, name) }
		rule := access.Rule{
			Level:          access.Level(rapid.IntRange(0, 7).Draw(t, "level")),
			Roles:          []string{some("allowed", "owner", "viewer", "platform_admin")},
			Scope:          some("scope", "", "storage.read"),
			Services:       []string{some("service", "gateway", "billing")},
			WhileSuspended: rapid.Bool().Draw(t, "while suspended"),
			MembersOnly:    rapid.Bool().Draw(t, "members only"),
		}
		p := principal.Principal{
			Kind:         principal.Kind(some("kind", "", "anonymous", "person", "machine", "operator", "service", "system")),
			AccountID:    some("account", "", mine, theirs),
			AccountState: some("state", "", "active", "pending", "suspended", "closing", "closed", "other"),
			Role:         some("role", "", "owner", "viewer", "platform_admin"),
			Scopes:       []string{some("held", "", "storage.read")},
			Peer:         some("peer", "", "gateway", "billing"),
		}
		decided := access.Decide(&rule, &p, mine)
		var first error
		for _, check := range access.Explain(&rule, &p, mine) {
			if check.Name == "" {
				t.Fatal("a check has no name")
			}
			if first == nil {
				first = check.Refusal
			}
		}
		if !errors.Is(decided, first) || (decided == nil) != (first == nil) {
			t.Fatalf("decided %v, explained %v", decided, first)
		}
	})
}
