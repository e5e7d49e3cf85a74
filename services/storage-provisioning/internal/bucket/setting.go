package bucket

import (
	"fmt"
	"maps"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/drift"
)

// The fields of a spec, as drift and update masks name them.
const (
	fieldVersioning = "versioning"
	fieldQuota      = "quota_bytes"
	fieldRules      = "lifecycle_rules"
	fieldTags       = "tags"
	fieldLock       = "object_lock"
	fieldEncryption = "default_encryption"
	fieldPublic     = "public_access"
)

// none is how a setting that is not set is told.
const none = "none"

// RetentionMode says who may lift a retention.
type RetentionMode string

// The modes.
const (
	// Governance can be lifted by whoever administers the backend.
	Governance RetentionMode = "GOVERNANCE"
	// Compliance can be lifted by nobody.
	Compliance RetentionMode = "COMPLIANCE"
)

// Lock is the object lock of a bucket. It comes with the bucket or never, and stays.
type Lock struct {
	Enabled bool `json:"enabled"`
	// Mode, with either Days or Years, is what new objects get whose upload does not say;
	// all zero for nothing.
	Mode  RetentionMode `json:"mode,omitempty"`
	Days  int           `json:"days,omitempty"`
	Years int           `json:"years,omitempty"`
}

// String is the lock in words.
func (l Lock) String() string {
	switch {
	case !l.Enabled:
		return none
	case l.Mode == "":
		return "enabled, no default retention"
	case l.Years > 0:
		return fmt.Sprintf("enabled, %s for %d years", l.Mode, l.Years)
	default:
		return fmt.Sprintf("enabled, %s for %d days", l.Mode, l.Days)
	}
}

// Encryption says how objects are encrypted whose upload does not say.
type Encryption string

// The kinds of encryption.
const (
	// EncryptionNone is none.
	EncryptionNone Encryption = ""
	// EncryptionSSES3 takes keys that the backend keeps.
	EncryptionSSES3 Encryption = "SSE_S3"
	// EncryptionOther is what was found on a backend and is none of ours.
	EncryptionOther Encryption = "OTHER"
)

// String is the encryption in words.
func (e Encryption) String() string {
	if e == EncryptionNone {
		return none
	}
	return string(e)
}

// Public is what everybody may read without a key: objects whose key they know, never a list.
type Public struct {
	Read bool `json:"read"`
	// Prefix limits it to objects whose keys begin so; empty for all.
	Prefix string `json:"prefix,omitempty"`
	// Other says that a policy was found that is none of ours.
	Other bool `json:"-"`
}

// String is the public access in words.
func (p Public) String() string {
	switch {
	case p.Other:
		return "a policy that is not ours"
	case !p.Read:
		return none
	case p.Prefix != "":
		return fmt.Sprintf("read objects that begin with %q", p.Prefix)
	default:
		return "read all objects"
	}
}

// settingDifferences compares the settings besides versioning, quota and rules.
func settingDifferences(want, have Spec) []drift.Difference {
	var found []drift.Difference
	if !maps.Equal(want.Tags, have.Tags) {
		found = append(found, drift.Differs(fieldTags, inTags(want.Tags), inTags(have.Tags)))
	}
	if !want.lockMetBy(have) {
		found = append(found, drift.Differs(fieldLock, want.Lock.String(), have.Lock.String()))
	}
	if want.Encryption != have.Encryption {
		found = append(found, drift.Differs(fieldEncryption, want.Encryption.String(), have.Encryption.String()))
	}
	if want.Public != have.Public {
		found = append(found, drift.Differs(fieldPublic, want.Public.String(), have.Public.String()))
	}
	return found
}

// inTags tells tags in words, in order.
func inTags(tags map[string]string) string {
	if len(tags) == 0 {
		return none
	}
	return strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%q", tags), "map["), "]")
}

// tagCharacters is what is asked of a tag.
const tagCharacters = "use A-Z a-z 0-9, spaces and + - = . _ : / @, 1 to 128 in a key, 256 at most in a value"

const (
	maxTags          = 48
	maxTagKey        = 128
	maxTagValue      = 256
	maxRetentionDays = 36500
	maxRetention     = 100
	maxPublicPrefix  = 512
)

var errSettingInvalid = errs.New(errs.InvalidArgument, "BUCKET_SETTING_INVALID",
	"a setting of the bucket cannot be kept so; see the violations")

// checkSettings reports every setting besides versioning, quota and rules that no backend
// could be brought to.
func checkSettings(s Spec) error {
	refusal := errSettingInvalid
	refuse := func(field, rule, ask string) {
		refusal = refusal.WithViolation(errs.Violation{Field: field, Rule: rule, Description: ask})
	}
	if len(s.Tags) > maxTags {
		refuse(fieldTags, "TAG_COUNT", fmt.Sprintf("give %d tags at most", maxTags))
	}
	for key, value := range s.Tags {
		switch {
		case strings.HasPrefix(key, "primecloud-"), strings.HasPrefix(key, "aws:"):
			refuse(fieldTags, "TAG_RESERVED", "keys that begin with primecloud- or aws: are reserved; choose another than "+key)
		case !validTag(key, 1, maxTagKey) || !validTag(value, 0, maxTagValue):
			refuse(fieldTags, "TAG_CHARACTERS", tagCharacters)
		}
	}
	if l := s.Lock; l.Mode != "" && (l.Days > 0) == (l.Years > 0) {
		refuse(fieldLock, "RETENTION_PERIOD", "set one of days and years of the default retention")
	} else if l.Mode == "" && (l.Days != 0 || l.Years != 0) {
		refuse(fieldLock, "RETENTION_MODE", "say governance or compliance for the default retention")
	} else if l.Days < 0 || l.Days > maxRetentionDays || l.Years < 0 || l.Years > maxRetention {
		refuse(fieldLock, "RETENTION_PERIOD", fmt.Sprintf("retain %d days or %d years at most", maxRetentionDays, maxRetention))
	}
	if s.Lock.Enabled && s.Versioning != VersioningEnabled {
		refuse(fieldVersioning, "LOCK_NEEDS_VERSIONING", "leave versioning enabled: the object lock needs it")
	}
	if refusal != errSettingInvalid {
		return refusal
	}
	return checkPublic(s.Public)
}

// checkPublic refuses a prefix that the backend's policy cannot name exactly.
func checkPublic(p Public) error {
	if len(p.Prefix) > maxPublicPrefix || !utf8.ValidString(p.Prefix) || strings.ContainsFunc(p.Prefix, unicode.IsControl) ||
		strings.ContainsAny(p.Prefix, "*?") || strings.Contains(p.Prefix, "${") || !cleanPath(p.Prefix) {
		return ErrPublicPrefixInvalid
	}
	return nil
}

// cleanPath says whether a prefix survives what a backend does to a path before it compares.
func cleanPath(prefix string) bool {
	parts := strings.Split(prefix, "/")
	for i, part := range parts {
		if part == "." || part == ".." || part == "" && i < len(parts)-1 {
			return false
		}
	}
	return true
}

// validTag says whether a key or a value of a tag is one that every backend takes.
func validTag(text string, least, most int) bool {
	return len(text) >= least && len(text) <= most && !strings.ContainsFunc(text, func(r rune) bool {
		switch {
		case r >= 'A' && r <= 'Z', r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return false
		default:
			return !strings.ContainsRune(" +-=._:/@", r)
		}
	})
}
