package operation_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/operation"
)

func TestFailureOf_shows_only_what_was_meant_for_the_caller(t *testing.T) {
	for name, tt := range map[string]struct {
		err    error
		reason string
	}{
		"a classified error":           {fmt.Errorf("wrapped: %w", errs.New(errs.Unavailable, "BACKEND_UNAVAILABLE", "try later").Wrap(errors.New("hunter2"))), "BACKEND_UNAVAILABLE"},
		"a defect":                     {errors.New("hunter2"), "INTERNAL"},
		"a defect that was classified": {errs.New(errs.Internal, "X", "hunter2"), "INTERNAL"},
		"a deadline":                   {fmt.Errorf("hunter2: %w", context.DeadlineExceeded), "DEADLINE_EXCEEDED"},
		"a caller that went away":      {context.Canceled, "CANCELED"},
	} {
		t.Run(name, func(t *testing.T) {
			f := operation.FailureOf(tt.err)
			if f.Reason != tt.reason || f.Kind != errs.KindOf(tt.err) || f.Message == "" || strings.Contains(f.Message, "hunter2") {
				t.Errorf("got %+v", f)
			}
		})
	}
}
