package minio_test

import (
	"slices"
	"testing"
)

// TestAnAnswerThatMakesNoSenseShowsNothingOfItself: whatever stands on the way to a server may
// answer with what it was asked, a key id in the place of a code included.
func TestAnAnswerThatMakesNoSenseShowsNothingOfItself(t *testing.T) {
	for _, secret := range []string{secretKey, secretUser, secretWord} {
		for _, body := range []string{
			`<Error><Code>` + secret + `</Code><Message>` + secret + `</Message></Error>`,
			`{"Code":"` + secret + `","Message":"` + secret + `"}`,
			secret,
		} {
			for _, status := range []int{200, 400, 403, 503} {
				server, _ := answers(t, status, body)
				for method, call := range calls(at(t, server.URL)) {
					if slices.Contains(local, method) {
						continue
					}
					if err := call(t.Context()); err != nil {
						clean(t, method, err)
					}
				}
			}
		}
	}
}
