// Package config reads a process's settings from environment variables into a struct
// whose tags say everything about them, so that the struct is the documentation.
//
//	type Config struct {
//		Listen string        `env:"PRIMECLOUD_STORAGE_LISTEN" default:"127.0.0.1:7002" doc:"Address the gRPC server listens on."`
//		Drain  time.Duration `env:"PRIMECLOUD_STORAGE_DRAIN" default:"10s" doc:"How long calls may take to end at shutdown."`
//		Key    config.Secret `env:"PRIMECLOUD_STORAGE_PAGE_KEY" required:"true" doc:"Key that signs page tokens, 32 bytes or more."`
//	}
//
// Tags: env names the variable, default is what applies without one, required:"true"
// refuses to start without one, secret:"true" keeps the value out of messages and lets
// NAME_FILE name a file to read it from (fields of type Secret are always secret), doc
// is one sentence, with the unit. A nested struct takes a tag prefix, put before the
// names within it, so that services can share a struct of settings. Types: text, bool,
// int, int64, float64, time.Duration, []string (by commas), url.URL, Secret, and whatever
// reads itself from text, such as slog.Level.
//
// Guarantees: a variable under an owned prefix that no field reads is an error, not
// silence; every problem is reported in one error, with what to do; a secret's value is
// in no message. A variable that is set but empty counts as not set.
//
// Kubernetes puts variables such as PRIMECLOUD_STORAGE_SERVICE_HOST into every pod when a
// Service has a matching name: set enableServiceLinks to false there.
package config

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
)

// Source is where variables come from, by name. Tests make one with a literal.
type Source map[string]string

// Environ returns the variables of this process.
func Environ() Source {
	source := Source{}
	for _, entry := range os.Environ() {
		if name, value, ok := strings.Cut(entry, "="); ok {
			source[name] = value
		}
	}
	return source
}

// Error lists everything that is wrong with the settings, one sentence each.
type Error struct {
	// Problems names each variable concerned and what to do about it.
	Problems []string
}

// Error returns the problems, one per line.
func (e *Error) Error() string {
	if len(e.Problems) == 1 {
		return "configuration: " + e.Problems[0]
	}
	return fmt.Sprintf("configuration has %d problems:\n  - %s", len(e.Problems), strings.Join(e.Problems, "\n  - "))
}

// Load fills dst, a pointer to a struct, from source. Every variable in source that
// begins with one of the owned prefixes must be one that dst knows. After the fields,
// each struct with a method Validate() error is asked for what a tag cannot say. The
// error is an *Error; dst is then not to be used.
func Load(dst any, source Source, owned ...string) error {
	fields, structs, err := inspect(dst)
	if err != nil {
		return err
	}
	var problems []string
	for _, f := range fields {
		if problem := f.fill(source); problem != "" {
			problems = append(problems, problem)
		}
	}
	problems = append(problems, unknown(fields, source, owned)...)
	if len(problems) == 0 {
		problems = validate(structs)
	}
	if len(problems) > 0 {
		return &Error{Problems: problems}
	}
	return nil
}

// validate asks the structs, innermost first, whether their values fit together.
func validate(structs []reflect.Value) []string {
	var problems []string
	for _, s := range slices.Backward(structs) {
		v, ok := s.Addr().Interface().(interface{ Validate() error })
		if !ok {
			continue
		}
		if err := v.Validate(); err != nil {
			problems = append(problems, err.Error())
		}
	}
	return problems
}

// unknown reports the variables under an owned prefix that no field reads.
func unknown(fields []field, source Source, owned []string) []string {
	known := make([]string, 0, len(fields))
	for _, f := range fields {
		known = append(known, f.name)
		if f.secret {
			known = append(known, f.name+fileSuffix)
		}
	}
	var problems []string
	for name := range source {
		mine := slices.ContainsFunc(owned, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
		if !mine || slices.Contains(known, name) {
			continue
		}
		problem := name + " is not a setting"
		if near := nearest(name, known); near != "" {
			problem += "; did you mean " + near + "?"
		} else {
			problem += "; remove it"
		}
		problems = append(problems, problem)
	}
	slices.Sort(problems)
	return problems
}

// nearest returns the known name with the fewest edits from name, unless it is so far
// away that naming it would only confuse.
func nearest(name string, known []string) string {
	best, distance := "", max(3, len(name)/4)+1
	for _, candidate := range known {
		if d := edits(name, candidate); d < distance {
			best, distance = candidate, d
		}
	}
	return best
}

// edits is the Levenshtein distance.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
