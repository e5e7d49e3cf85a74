package config

import (
	"fmt"
	"log/slog"
)

// Redacted is what is shown in place of a secret.
const Redacted = "[redacted]"

// Secret is a string that shows itself to nobody by accident: printing, logging and
// encoding it give Redacted. Keep it in an exported field, and not as a
// map's key: fmt and json do not ask those how they want to be shown.
type Secret string

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return string(s) }

// String returns Redacted.
func (s Secret) String() string { return Redacted }

// Format writes Redacted, whatever the verb.
func (s Secret) Format(state fmt.State, _ rune) { _, _ = state.Write([]byte(Redacted)) }

// MarshalJSON returns Redacted.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + Redacted + `"`), nil }

// LogValue returns Redacted.
func (s Secret) LogValue() slog.Value { return slog.StringValue(Redacted) }
