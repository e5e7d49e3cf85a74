package auditlog

import (
	"strings"
	"unicode"
)

// secretMarks are what gives a secret's key away, in small letters without punctuation.
// An access key's id is one too: a hole of the backend turns it into a key.
var secretMarks = []string{
	"secret", "password", "passwd", "passphrase", "token", "accesskeyid", "privatekey", "credential", "authorization", "cookie",
}

// withoutSecrets returns a copy without the entries whose keys look like a secret's, at any
// depth, in a shape that structpb and the trail take, and the paths of what it left out.
func withoutSecrets(values map[string]any) (clean map[string]any, dropped []string) {
	clean = make(map[string]any, len(values))
	for key, value := range values {
		if looksSecret(key) {
			dropped = append(dropped, key)
			continue
		}
		inner, lost := cleaned(value)
		clean[keepable(key)] = inner
		for _, path := range lost {
			dropped = append(dropped, key+"."+path)
		}
	}
	return clean, dropped
}

func cleaned(value any) (any, []string) {
	switch value := value.(type) {
	case string:
		return keepable(value), nil
	case map[string]any:
		clean, dropped := withoutSecrets(value)
		return clean, dropped
	case map[string]string:
		wide := make(map[string]any, len(value))
		for key, text := range value {
			wide[key] = text
		}
		return cleaned(wide)
	case []string:
		list := make([]any, len(value))
		for i, text := range value {
			list[i] = keepable(text)
		}
		return list, nil
	case []map[string]any:
		list := make([]any, len(value))
		for i, entry := range value {
			list[i] = entry
		}
		return cleaned(list)
	case []any:
		list := make([]any, len(value))
		var dropped []string
		for i, entry := range value {
			inner, lost := cleaned(entry)
			list[i] = inner
			dropped = append(dropped, lost...)
		}
		return list, dropped
	default:
		return value, nil
	}
}

func looksSecret(key string) bool {
	plain := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, key)
	for _, mark := range secretMarks {
		if strings.Contains(plain, mark) {
			return true
		}
	}
	return false
}
