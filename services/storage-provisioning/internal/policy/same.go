package policy

import (
	"bytes"
	"encoding/json"
	"slices"
)

// Same reports whether two documents say the same: order, repetition, and the choice
// between one string and a list of one do not count; everything else does, fields unknown
// here included. What is no JSON object is the same as nothing.
func Same(a, b []byte) bool {
	left, ok := canonical(a)
	if !ok {
		return false
	}
	right, ok := canonical(b)
	return ok && bytes.Equal(left, right)
}

func canonical(raw []byte) ([]byte, bool) {
	var doc map[string]any
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if decoder.Decode(&doc) != nil || doc == nil || decoder.More() {
		return nil, false
	}
	var statements []any
	switch value := doc["Statement"].(type) {
	case nil:
	case map[string]any:
		statements = []any{value}
	case []any:
		statements = value
	default:
		return nil, false
	}
	var spelled []string
	for _, s := range statements {
		fields, ok := s.(map[string]any)
		if !ok {
			return nil, false
		}
		text, err := json.Marshal(canonicalStatement(fields))
		if err != nil {
			return nil, false
		}
		spelled = append(spelled, string(text))
	}
	slices.Sort(spelled)
	doc["Statement"] = slices.Compact(spelled)
	out, err := json.Marshal(doc)
	return out, err == nil
}

// canonicalStatement orders the lists that are sets.
func canonicalStatement(fields map[string]any) map[string]any {
	for _, name := range []string{"Action", "NotAction", "Resource", "NotResource"} {
		var members []string
		switch value := fields[name].(type) {
		case string:
			members = []string{value}
		case []any:
			for _, v := range value {
				text, ok := v.(string)
				if !ok {
					return fields
				}
				members = append(members, text)
			}
		}
		if len(members) == 0 {
			continue
		}
		slices.Sort(members)
		fields[name] = slices.Compact(members)
	}
	if conditions, ok := fields["Condition"].(map[string]any); ok {
		canonicalConditions(conditions)
	}
	return fields
}

// canonicalConditions orders the values of conditions, by operator and key.
func canonicalConditions(conditions map[string]any) {
	for _, operator := range conditions {
		keys, ok := operator.(map[string]any)
		if !ok {
			continue
		}
		for key, value := range keys {
			switch v := value.(type) {
			case string:
				keys[key] = []string{v}
			case []any:
				if members, ok := texts(v); ok {
					slices.Sort(members)
					keys[key] = slices.Compact(members)
				}
			}
		}
	}
}

// texts returns the list as texts, if they are.
func texts(list []any) ([]string, bool) {
	members := make([]string, 0, len(list))
	for _, v := range list {
		text, ok := v.(string)
		if !ok {
			return nil, false
		}
		members = append(members, text)
	}
	return members, true
}
