package config

import (
	"fmt"
	"io"
	"strings"
)

// Document writes the settings of the struct dst points to as a Markdown table, in the
// order of its fields.
func Document(w io.Writer, dst any) error {
	fields, _, err := inspect(dst)
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("| Variable | Type | Default | Required | Meaning |\n|---|---|---|---|---|\n")
	for _, f := range fields {
		name, fallback, required := "`"+f.name+"`", "", ""
		if f.secret {
			name += " or `" + f.name + fileSuffix + "`"
		}
		if f.fallback != "" {
			fallback = "`" + f.fallback + "`"
		}
		if f.required {
			required = "yes"
		}
		cells := []string{name, typeName(f.value.Type()), fallback, required, f.doc}
		for i, cell := range cells {
			cells[i] = strings.ReplaceAll(cell, "|", `\|`)
		}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
	}
	_, err = io.WriteString(w, b.String())
	return err
}
