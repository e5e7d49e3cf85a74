package account_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/services/identity/internal/account"
)

// untouched fails the test when a refused request reaches it.
type untouched struct {
	account.Store
	t *testing.T
}

func (s untouched) BeyondAccounts(context.Context, func(context.Context, account.Tx) error) error {
	s.t.Error("a name that breaks the rules reached the store")
	return nil
}

func TestCreate_refuses_names_that_show_nothing(t *testing.T) {
	s := account.New(account.Config{Store: untouched{t: t}, Clock: clock.NewManual(time.Now())})
	for name, given := range map[string]string{
		"empty": "", "blank": " \t\n", "overlong": strings.Repeat("ä", 101), "with a control character": "a\x00b",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := s.Create(t.Context(), account.Draft{DisplayName: given}); !errors.Is(err, account.ErrDisplayNameInvalid) {
				t.Errorf("got %v", err)
			}
		})
	}
	if _, err := s.Create(t.Context(), account.Draft{DisplayName: "fine", CustomerReference: strings.Repeat("x", 129)}); err == nil {
		t.Error("an overlong reference is accepted")
	}
}

func TestETag_changes_with_the_version(t *testing.T) {
	if (account.Account{Version: 1}).ETag() == (account.Account{Version: 2}).ETag() {
		t.Error("two versions have one etag")
	}
}
