package openapi

import (
	"fmt"
	"io/fs"
	"regexp"
	"sort"
	"strings"
)

// Domain is the reasons that one service gives for errors, or, for `primecloud.*`, that any may.
type Domain struct {
	// Domain is ErrorInfo.domain.
	Domain string `json:"domain"`
	// Reasons are the values of ErrorInfo.reason.
	Reasons []Reason `json:"reasons"`
}

// Reason is why a call fails.
type Reason struct {
	// Reason is ErrorInfo.reason.
	Reason string `json:"reason"`
	// Meaning says the cause and the remedy.
	Meaning string `json:"meaning"`
}

var reasonValue = regexp.MustCompile(`((?:[ \t]*//[^\n]*\n)+)[ \t]*ERROR_REASON_([A-Z_]+) = [1-9]`)

// reasons reads the reasons and their comments out of the contract's text: descriptors in
// Go carry no comments.
func reasons(contract fs.FS) ([]Domain, error) {
	files, err := fs.Glob(contract, "primecloud/*/v1/errors.proto")
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no errors.proto in the contract: %w", err)
	}
	sort.Strings(files)
	var domains []Domain
	for _, file := range files {
		raw, err := fs.ReadFile(contract, file)
		if err != nil {
			return nil, err
		}
		noun := strings.Split(file, "/")[1]
		d := Domain{Domain: "primecloud." + noun}
		if noun == "options" {
			d.Domain = "primecloud.*"
		}
		for _, found := range reasonValue.FindAllStringSubmatch(string(raw), -1) {
			d.Reasons = append(d.Reasons, Reason{Reason: found[2], Meaning: oneLine(strings.ReplaceAll(found[1], "//", " "))})
		}
		if len(d.Reasons) > 0 {
			domains = append(domains, d)
		}
	}
	return domains, nil
}
