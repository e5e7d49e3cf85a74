package policy

import (
	"encoding/json"
	"strings"
)

// everybody is the principal of a request without a key.
type everybody struct {
	AWS []string `json:"AWS"`
}

type publicStatement struct {
	Effect    string    `json:"Effect"`
	Principal everybody `json:"Principal"`
	Action    []string  `json:"Action"`
	Resource  []string  `json:"Resource"`
}

type publicDocument struct {
	Version   string            `json:"Version"`
	Statement []publicStatement `json:"Statement"`
}

// publicActions is what everybody may do: get the current version of an object whose key they
// know. Neither lists nor old versions.
var publicActions = []string{"s3:GetObject"}

// Public returns the policy of a bucket whose objects everybody may read, those alone whose
// keys begin with prefix. A prefix that cannot be named exactly is ErrNotExact.
func Public(bucket, prefix string) ([]byte, error) {
	if !plainName(bucket) || strings.ContainsAny(prefix, "*?") || strings.Contains(prefix, "${") {
		return nil, ErrNotExact
	}
	return json.Marshal(publicDocument{Version: version, Statement: []publicStatement{{
		Effect: "Allow", Principal: everybody{AWS: []string{"*"}}, Action: publicActions,
		Resource: []string{arnPrefix + bucket + "/" + prefix + "*"},
	}}})
}

// PublicPrefix reads a policy that Public wrote back, however the backend spells it; false for
// any other policy.
func PublicPrefix(bucket string, raw []byte) (prefix string, ours bool) {
	var found publicDocument
	if json.Unmarshal(raw, &found) != nil || len(found.Statement) != 1 || len(found.Statement[0].Resource) != 1 {
		return "", false
	}
	rest, ok := strings.CutPrefix(found.Statement[0].Resource[0], arnPrefix+bucket+"/")
	if !ok {
		return "", false
	}
	if prefix, ok = strings.CutSuffix(rest, "*"); !ok {
		return "", false
	}
	written, err := Public(bucket, prefix)
	if err != nil || !Same(raw, written) {
		return "", false
	}
	return prefix, true
}
