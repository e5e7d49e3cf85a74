package docs

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
)

//go:embed page.html
var pageText string

// render writes the page for people.
func render(w io.Writer, raw []byte) error {
	var d document
	if err := json.Unmarshal(raw, &d); err != nil {
		return err
	}
	parsed, err := template.New("").Funcs(template.FuncMap{
		"prose": prose, "kind": kind, "limits": limits, "short": short, "anchor": anchor, "body": func(c content) *schema { return c.schema() },
	}).Parse(pageText)
	if err != nil {
		return err
	}
	type named struct {
		Name   string
		Schema *schema
	}
	var schemas []named
	for _, name := range slices.Sorted(maps.Keys(d.Components.Schemas)) {
		schemas = append(schemas, named{Name: name, Schema: d.Components.Schemas[name]})
	}
	return parsed.Execute(w, map[string]any{"Doc": d, "Sections": d.sections(), "Schemas": schemas})
}

var (
	strong = regexp.MustCompile(`\*\*([^*]+)\*\*`)
	code   = regexp.MustCompile("`([^`]+)`")
)

// prose turns the little Markdown that the document has into HTML: headings, lists,
// paragraphs, code and strong text. Everything else is shown as it is.
func prose(text string) template.HTML {
	var out strings.Builder
	for block := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		switch {
		case block == "":
		case strings.HasPrefix(block, "## "):
			fmt.Fprintf(&out, "<h2>%s</h2>\n", inline(block[3:]))
		case strings.HasPrefix(block, "- "):
			out.WriteString("<ul>\n")
			for item := range strings.SplitSeq(block[2:], "\n- ") {
				fmt.Fprintf(&out, "<li>%s</li>\n", inline(item))
			}
			out.WriteString("</ul>\n")
		default:
			fmt.Fprintf(&out, "<p>%s</p>\n", inline(block))
		}
	}
	return template.HTML(out.String()) //nolint:gosec // every piece of text went through inline, which escapes it
}

func inline(text string) string {
	text = template.HTMLEscapeString(text)
	text = code.ReplaceAllString(text, "<code>$1</code>")
	return strong.ReplaceAllString(text, "<strong>$1</strong>")
}

// kind says what a value is, with a link where it is described elsewhere.
func kind(s *schema) template.HTML {
	switch {
	case s == nil:
		return ""
	case s.Ref != "":
		name := lastPart(s.Ref)
		return template.HTML(fmt.Sprintf(`<a href="#%s">%s</a>`, anchor(name), template.HTMLEscapeString(short(name)))) //nolint:gosec // both are escaped
	case s.Items != nil:
		return "list of " + kind(s.Items)
	case len(s.AnyOf) > 0:
		parts := make([]string, 0, len(s.AnyOf))
		for _, one := range s.AnyOf {
			parts = append(parts, string(kind(one)))
		}
		return template.HTML(strings.Join(parts, " or ")) //nolint:gosec // parts are escaped
	case s.Const != "":
		return template.HTML("<code>" + template.HTMLEscapeString(s.Const) + "</code>") //nolint:gosec // it is escaped
	}
	text := fmt.Sprint(s.Type)
	switch {
	case s.Format == "int64":
		text = "int64, as a string"
	case s.Format != "":
		text += ", " + s.Format
	case s.Type == "object" && len(s.Additional) > 0 && string(s.Additional) != "false":
		text = "map"
	}
	return template.HTML(template.HTMLEscapeString(text)) //nolint:gosec // it is escaped
}

// limits says which values are accepted.
func limits(s *schema) string {
	if s == nil {
		return ""
	}
	var parts []string
	span := func(low, high *int, unit string) {
		switch {
		case low != nil && high != nil:
			parts = append(parts, fmt.Sprintf("%d to %d%s", *low, *high, unit))
		case low != nil:
			parts = append(parts, fmt.Sprintf("at least %d%s", *low, unit))
		case high != nil:
			parts = append(parts, fmt.Sprintf("at most %d%s", *high, unit))
		}
	}
	span(s.MinLength, s.MaxLength, " characters")
	span(s.Minimum, s.Maximum, "")
	span(nil, s.MaxItems, " items")
	if s.Pattern != "" {
		parts = append(parts, "matches "+s.Pattern)
	}
	return strings.Join(parts, "; ")
}

// short is a schema's name without its package.
func short(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

var unfit = regexp.MustCompile(`[^A-Za-z0-9_.-]+`)

// anchor makes a name fit to be linked to.
func anchor(name string) string { return unfit.ReplaceAllString(name, "-") }
