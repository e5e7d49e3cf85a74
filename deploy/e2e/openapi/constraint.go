package openapi

import (
	"slices"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// constrain writes the rules of a message's fields into its schema, and joins the lines of
// its comments.
func constrain(schema object, name string) {
	if text, ok := schema["description"].(string); ok {
		schema["description"] = oneLine(text)
	}
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
	message, ok := found.(protoreflect.MessageDescriptor)
	properties, has := schema["properties"].(object)
	if err != nil || !ok || !has {
		return
	}
	for name, raw := range properties {
		property := raw.(object)
		if text, ok := property["description"].(string); ok {
			property["description"] = oneLine(text)
		}
		if field := fieldOf(message, name); field != nil {
			limit(property, field)
			if required(field) {
				listed, _ := schema["required"].([]string)
				listed = append(listed, name)
				slices.Sort(listed)
				schema["required"] = listed
			}
		}
	}
}

// fieldOf returns a field by either of its names.
func fieldOf(message protoreflect.MessageDescriptor, name string) protoreflect.FieldDescriptor {
	if field := message.Fields().ByJSONName(name); field != nil {
		return field
	}
	return message.Fields().ByName(protoreflect.Name(name))
}

func rulesOf(field protoreflect.FieldDescriptor) *validate.FieldRules {
	rules, _ := proto.GetExtension(field.Options(), validate.E_Field).(*validate.FieldRules)
	return rules
}

// required reports whether a field without a value breaks a rule.
func required(field protoreflect.FieldDescriptor) bool {
	rules := rulesOf(field)
	return rules.GetRequired() || rules.GetString().GetMinLen() > 0 || rules.GetRepeated().GetMinItems() > 0
}

// limit writes the rules that JSON Schema has words for.
func limit(schema object, field protoreflect.FieldDescriptor) {
	rules := rulesOf(field)
	if s := rules.GetString(); s != nil {
		text(schema, s)
	}
	if n := rules.GetInt32(); n != nil {
		number(schema, n)
	}
	if list := rules.GetRepeated(); list != nil {
		if list.HasMinItems() {
			schema["minItems"] = list.GetMinItems()
		}
		if list.HasMaxItems() {
			schema["maxItems"] = list.GetMaxItems()
		}
		if list.GetUnique() {
			schema["uniqueItems"] = true
		}
		if items, ok := schema["items"].(object); ok && list.GetItems().GetString() != nil {
			text(items, list.GetItems().GetString())
		}
	}
}

func text(schema object, s *validate.StringRules) {
	if s.HasMinLen() {
		schema["minLength"] = s.GetMinLen()
	}
	if s.HasMaxLen() {
		schema["maxLength"] = s.GetMaxLen()
	}
	if s.HasPattern() {
		schema["pattern"] = s.GetPattern()
	}
}

func number(schema object, n *validate.Int32Rules) {
	if n.HasGte() {
		schema["minimum"] = n.GetGte()
	}
	if n.HasLte() {
		schema["maximum"] = n.GetLte()
	}
}
