package docs

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// document is what the page shows of an OpenAPI document.
type document struct {
	Info struct {
		Title       string `json:"title"`
		Version     string `json:"version"`
		Description string `json:"description"`
	} `json:"info"`
	Tags []struct {
		Name        string `json:"name"`
		Description string `json:"description"`
	} `json:"tags"`
	Paths      map[string]map[string]operation `json:"paths"`
	Components struct {
		Schemas    map[string]*schema   `json:"schemas"`
		Parameters map[string]parameter `json:"parameters"`
	} `json:"components"`
	Reasons []struct {
		Domain  string `json:"domain"`
		Reasons []struct {
			Reason  string `json:"reason"`
			Meaning string `json:"meaning"`
		} `json:"reasons"`
	} `json:"x-error-reasons"`
}

type operation struct {
	OperationID string      `json:"operationId"`
	Summary     string      `json:"summary"`
	Description string      `json:"description"`
	Tags        []string    `json:"tags"`
	Parameters  []parameter `json:"parameters"`
	RequestBody struct {
		Content content `json:"content"`
	} `json:"requestBody"`
	Responses map[string]struct {
		Description string  `json:"description"`
		Content     content `json:"content"`
	} `json:"responses"`

	// Method and Path are where it stood.
	Method string `json:"-"`
	Path   string `json:"-"`
}

type parameter struct {
	Ref         string  `json:"$ref"`
	Name        string  `json:"name"`
	In          string  `json:"in"`
	Required    bool    `json:"required"`
	Description string  `json:"description"`
	Schema      *schema `json:"schema"`
}

type content map[string]struct {
	Schema *schema `json:"schema"`
}

// schema returns the schema of the body, or nil when there is none.
func (c content) schema() *schema {
	for _, media := range c {
		return media.Schema
	}
	return nil
}

type schema struct {
	Ref         string             `json:"$ref"`
	Type        any                `json:"type"`
	Format      string             `json:"format"`
	Description string             `json:"description"`
	Enum        []string           `json:"enum"`
	Items       *schema            `json:"items"`
	AnyOf       []*schema          `json:"anyOf"`
	Properties  map[string]*schema `json:"properties"`
	Required    []string           `json:"required"`
	Additional  json.RawMessage    `json:"additionalProperties"`
	Const       string             `json:"const"`
	Pattern     string             `json:"pattern"`
	MinLength   *int               `json:"minLength"`
	MaxLength   *int               `json:"maxLength"`
	Minimum     *int               `json:"minimum"`
	Maximum     *int               `json:"maximum"`
	MaxItems    *int               `json:"maxItems"`
}

// field is one row of a table of fields.
type field struct {
	Name     string
	Required bool
	Schema   *schema
}

// Fields returns the properties by name.
func (s *schema) Fields() []field {
	var fields []field
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		fields = append(fields, field{Name: name, Required: slices.Contains(s.Required, name), Schema: s.Properties[name]})
	}
	return fields
}

// section is the operations of one tag.
type section struct {
	Name, Description string
	Operations        []operation
}

// sections groups the operations by their tags, in the order of the document, and within
// each by path and method.
func (d *document) sections() []section {
	byTag := map[string][]operation{}
	for _, path := range slices.Sorted(maps.Keys(d.Paths)) {
		for _, verb := range []string{"get", "post", "put", "patch", "delete"} {
			o, ok := d.Paths[path][verb]
			if !ok || len(o.Tags) == 0 {
				continue
			}
			o.Method, o.Path = strings.ToUpper(verb), path
			for i, p := range o.Parameters {
				if p.Ref != "" {
					o.Parameters[i] = d.Components.Parameters[lastPart(p.Ref)]
				}
			}
			byTag[o.Tags[0]] = append(byTag[o.Tags[0]], o)
		}
	}
	var sections []section
	for _, tag := range d.Tags {
		if len(byTag[tag.Name]) > 0 {
			sections = append(sections, section{Name: tag.Name, Description: tag.Description, Operations: byTag[tag.Name]})
		}
	}
	return sections
}

// lastPart returns what follows the last slash.
func lastPart(ref string) string { return ref[strings.LastIndexByte(ref, '/')+1:] }
