package account

import (
	"crypto/rand"
	"encoding/base32"
	"regexp"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/primecloud/primecloud/pkg/errs"
)

// The refusals of a slug. That one is taken has to be said: whoever asks learns that some
// account has it, and nothing more of that account.
var (
	// ErrSlugTaken is for a slug of another account.
	ErrSlugTaken = errs.New(errs.AlreadyExists, "SLUG_TAKEN", "another account has this slug; choose another one").
			WithViolation(errs.Violation{Field: "slug", Rule: "SLUG_TAKEN", Description: "choose another one"})
	// ErrSlugInvalid is for one that is not well-formed.
	ErrSlugInvalid = errs.New(errs.InvalidArgument, "SLUG_INVALID",
		"a slug has 3 to 40 of a-z, 0-9 and single hyphens, begins with a letter and does not end with a hyphen").
		WithViolation(errs.Violation{Field: "slug", Rule: "SLUG_INVALID", Description: "give 3 to 40 of a-z, 0-9 and single hyphens, begun with a letter"})
)

const (
	minSlug, maxSlug = 3, 40
	// maxMadeSlug leaves room for what makes a slug distinct.
	maxMadeSlug = 32
)

var slugForm = regexp.MustCompile(`^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$`)

// validSlug reports whether a slug is well-formed.
func validSlug(slug string) bool {
	return len(slug) >= minSlug && len(slug) <= maxSlug && slugForm.MatchString(slug)
}

// slugOf makes a slug from a name: its letters without their accents, and hyphens. A name
// with none of a-z gets one that says nothing.
func slugOf(name string) string {
	var b strings.Builder
	for _, c := range norm.NFD.String(strings.ToLower(name)) {
		switch {
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9' && b.Len() > 0:
			b.WriteRune(c)
		case unicode.Is(unicode.Mn, c): // the accent of the letter before
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() == maxMadeSlug {
			break
		}
	}
	slug := strings.Trim(b.String(), "-")
	if len(slug) < minSlug {
		return distinct(strings.Trim("account-"+slug, "-"))
	}
	return slug
}

// distinct returns the slug with 30 random bits behind it.
func distinct(slug string) string {
	var raw [5]byte
	// crypto/rand.Read never fails: it ends the process rather than return weak bytes.
	_, _ = rand.Read(raw[:])
	return slug + "-" + strings.ToLower(base32.StdEncoding.EncodeToString(raw[:]))[:6]
}
