package config

import (
	"encoding"
	"errors"
	"fmt"
	"net/url"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// fileSuffix is what is added to a secret's name to name a file instead.
const fileSuffix = "_FILE"

// field is one setting: what the tags say, and where its value goes.
type field struct {
	name     string
	fallback string
	required bool
	secret   bool
	doc      string
	value    reflect.Value
}

var (
	secretType   = reflect.TypeFor[Secret]()
	durationType = reflect.TypeFor[time.Duration]()
	urlType      = reflect.TypeFor[url.URL]()
	listType     = reflect.TypeFor[[]string]()
)

// inspect returns the fields of the struct dst points to, and the structs they are in,
// outermost first. Its error is a defect in the struct, not in the settings.
func inspect(dst any) ([]field, []reflect.Value, error) {
	v := reflect.ValueOf(dst)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return nil, nil, fmt.Errorf("config: want a pointer to a struct, got %T", dst)
	}
	var i inspection
	i.walk(v.Elem(), "")
	seen := map[string]bool{}
	for _, f := range i.fields {
		if seen[f.name] {
			i.defect(f.name, "two fields read it")
		}
		seen[f.name] = true
	}
	return i.fields, i.structs, errors.Join(i.defects...)
}

type inspection struct {
	fields  []field
	structs []reflect.Value
	defects []error
}

func (i *inspection) defect(where, what string) {
	i.defects = append(i.defects, fmt.Errorf("config: %s: %s", where, what))
}

func (i *inspection) walk(v reflect.Value, prefix string) {
	i.structs = append(i.structs, v)
	for n := range v.NumField() {
		sf, fv := v.Type().Field(n), v.Field(n)
		name, tagged := sf.Tag.Lookup("env")
		where := v.Type().String() + "." + sf.Name
		switch {
		case name == "-":
		case !sf.IsExported():
			if tagged {
				i.defect(where, "is not exported")
			}
		case !tagged && sf.Type.Kind() == reflect.Struct && typeName(sf.Type) == "":
			i.walk(fv, prefix+sf.Tag.Get("prefix"))
		case !tagged || name == "":
			i.defect(where, `has no env tag (use env:"-" for a field that is not a setting)`)
		default:
			i.add(where, sf.Tag, field{name: prefix + name, value: fv})
		}
	}
}

func (i *inspection) add(where string, tag reflect.StructTag, f field) {
	f.doc = tag.Get("doc")
	f.fallback = tag.Get("default")
	f.required = tag.Get("required") == "true"
	f.secret = tag.Get("secret") == "true" || f.value.Type() == secretType
	trial := field{value: reflect.New(f.value.Type()).Elem()}
	switch {
	case typeName(f.value.Type()) == "":
		i.defect(where, "type "+f.value.Type().String()+" is not supported")
	case f.doc == "":
		i.defect(where, "has no doc tag")
	case f.required && f.fallback != "":
		i.defect(where, "is required and has a default")
	case f.secret && f.fallback != "":
		i.defect(where, "is a secret with a default")
	case f.fallback != "":
		if err := trial.parse(f.fallback); err != nil {
			i.defect(where, "default "+strconv.Quote(f.fallback)+" "+err.Error())
		}
	}
	i.fields = append(i.fields, f)
}

// fill sets the field and returns what is wrong, or "".
func (f field) fill(source Source) string {
	text, problem := f.read(source)
	if problem != "" {
		return problem
	}
	if text == "" {
		text = f.fallback
	}
	if text == "" {
		if f.required {
			return f.name + " is required: " + f.doc + f.orFile()
		}
		f.value.SetZero()
		return ""
	}
	if err := f.parse(text); err != nil {
		// A URL may hold a password, and a secret is one.
		if f.secret || f.value.Type() == urlType {
			return fmt.Sprintf("%s %s: %s", f.name, err, f.doc)
		}
		return fmt.Sprintf("%s is %q, but %s: %s", f.name, text, err, f.doc)
	}
	return ""
}

func (f field) orFile() string {
	if !f.secret {
		return ""
	}
	return " Set it, or " + f.name + fileSuffix + " to a file that holds it."
}

// read returns the field's text, from the variable or from the file it names.
func (f field) read(source Source) (text, problem string) {
	text = source[f.name]
	path := source[f.name+fileSuffix]
	if !f.secret || path == "" {
		return text, ""
	}
	if text != "" {
		return "", fmt.Sprintf("%s and %s%s are both set; keep one", f.name, f.name, fileSuffix)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Sprintf("%s%s names a file that cannot be read: %v", f.name, fileSuffix, err)
	}
	text = strings.TrimRight(string(raw), "\r\n")
	if text == "" {
		return "", fmt.Sprintf("%s%s names an empty file: %s", f.name, fileSuffix, path)
	}
	return text, ""
}

// parse sets the field from text. Its error says what would do, without the text.
func (f field) parse(text string) error {
	switch v := f.value; {
	case v.Type() == durationType:
		d, err := time.ParseDuration(text)
		if err != nil {
			return errors.New("must be a number with a unit, such as 300ms, 30s or 12h")
		}
		v.SetInt(int64(d))
	case v.Type() == urlType:
		u, err := url.Parse(text)
		if err != nil || u.Scheme == "" || u.Host == "" {
			return errors.New("must be a URL with scheme and host, such as https://host:port/path")
		}
		v.Set(reflect.ValueOf(*u))
	case v.Type() == listType:
		v.Set(reflect.ValueOf(list(text)))
	case readsText(v.Type()):
		if v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text)) != nil {
			return fmt.Errorf("must be a valid %s", typeName(v.Type()))
		}
	case v.Kind() == reflect.String:
		v.SetString(text)
	case v.Kind() == reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return errors.New("must be true or false")
		}
		v.SetBool(b)
	case v.Kind() == reflect.Float64:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || n != n {
			return errors.New("must be a decimal number")
		}
		v.SetFloat(n)
	default:
		n, err := strconv.ParseInt(text, 10, v.Type().Bits())
		if err != nil {
			return errors.New("must be a whole number")
		}
		v.SetInt(n)
	}
	return nil
}

// list splits at commas and drops the blanks around and between them.
func list(text string) []string {
	var items []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// readsText reports whether values of the type read themselves, as slog.Level does.
func readsText(t reflect.Type) bool {
	return t.Name() != "" && reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// typeName says in a word what a setting is, or "" when there is no such setting.
func typeName(t reflect.Type) string {
	switch {
	case t == durationType:
		return "duration"
	case t == urlType:
		return "URL"
	case t == secretType:
		return "secret"
	case t == listType:
		return "list, by commas"
	case readsText(t):
		return strings.ToLower(t.Name())
	}
	switch t.Kind() {
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		return "whole number"
	case reflect.Float64:
		return "decimal"
	default:
		return ""
	}
}
