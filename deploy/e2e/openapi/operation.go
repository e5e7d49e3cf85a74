package openapi

import (
	"strings"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/primecloud/primecloud/pkg/access"
)

// complete adds to an operation what the generator does not know.
func complete(operation object, verb string, m method, names map[string]string) {
	operation["summary"] = summary(operation, m)
	operation["parameters"] = parameters(operation, verb, m, names)
	if m.rule.Level == access.Public {
		operation["security"] = []object{{}}
	}
	operation["x-primecloud-access"] = accessOf(m.rule)
	if body, ok := operation["requestBody"].(object); ok {
		schema := body["content"].(object)["application/json"].(object)["schema"].(object)
		if schema["$ref"] == nil {
			constrain(schema, string(m.descriptor.Input().FullName()))
		}
	}
	answer(operation, m)
}

// summary splits the comment into a line and the rest, and adds who may call.
func summary(operation object, m method) string {
	text, _ := operation["summary"].(string)
	if more, ok := operation["description"].(string); ok {
		text += " " + more
	}
	text = oneLine(text)
	first, rest, _ := strings.Cut(text, ". ")
	operation["description"] = strings.TrimSpace(rest + "\n\n" + who(m.rule))
	return strings.TrimSuffix(first, ".") + "."
}

// who says in words who may call a method.
func who(rule *access.Rule) string {
	switch rule.Level {
	case access.Public:
		return "For anybody, without a login."
	case access.Authenticated:
		return "For anybody with a login" + scope(rule) + "."
	case access.Person:
		return "For people, whatever account they work in; not for API keys."
	default:
		return "For the roles " + strings.Join(rule.Roles, ", ") + " of the account" + scope(rule) + "."
	}
}

func scope(rule *access.Rule) string {
	if rule.Scope == "" {
		return "; not for API keys"
	}
	return "; for API keys with the scope `" + rule.Scope + "`"
}

func accessOf(rule *access.Rule) object {
	o := object{"level": rule.Level.String(), "idempotency": rule.Idempotency.String(), "whileSuspended": rule.WhileSuspended}
	if len(rule.Roles) > 0 {
		o["roles"] = rule.Roles
	}
	if rule.Scope != "" {
		o["scope"] = rule.Scope
	}
	return o
}

// parameters renames those of the path, takes the etag out of the query, where it need not
// be, and adds the headers that the method takes.
func parameters(operation object, verb string, m method, names map[string]string) []any {
	listed, _ := operation["parameters"].([]any)
	kept := []any{}
	for _, raw := range listed {
		p := raw.(object)
		if p["in"] == "query" && p["name"] == "etag" {
			continue
		}
		if field := fieldOf(m.descriptor.Input(), p["name"].(string)); field != nil {
			limit(p["schema"].(object), field)
		}
		if p["in"] == "path" {
			p["name"] = names[p["name"].(string)]
		}
		if text, ok := p["description"].(string); ok {
			p["description"] = oneLine(text)
		}
		kept = append(kept, p)
	}
	use := func(name string) { kept = append(kept, object{"$ref": "#/components/parameters/" + name}) }
	if m.rule.Idempotency == access.Key {
		use("IdempotencyKey")
	}
	if m.rule.Idempotency != access.Read && m.descriptor.Input().Fields().ByName("etag") != nil {
		use("IfMatch")
	}
	if verb != "get" && m.rule.Level != access.Public {
		use("CSRFToken")
	}
	return kept
}

// httpBody is the message that stands for a file.
const httpBody = "google.api.HttpBody"

// answer gives the responses their headers, and errors their one form.
func answer(operation object, m method) {
	responses := operation["responses"].(object)
	responses["default"] = object{"$ref": "#/components/responses/Error"}
	ok := responses["200"].(object)
	if text, is := ok["description"].(string); is {
		ok["description"] = oneLine(text)
	}
	if m.descriptor.Output().FullName() == httpBody {
		// A file; what is said of HttpBody is about the wire between services.
		ok["description"] = "The file, as it is made. One that is cut off ends with its connection."
		ok["content"] = object{"*/*": object{"schema": object{"type": "string", "format": "binary"}}}
	}
	headers := object{}
	use := func(header, name string) { headers[header] = object{"$ref": "#/components/headers/" + name} }
	use("X-Request-Id", "RequestID")
	use("RateLimit", "RateLimit")
	use("RateLimit-Policy", "RateLimitPolicy")
	if hasETag(m.descriptor) {
		use("ETag", "ETag")
	}
	if m.rule.Idempotency == access.Key && strings.HasPrefix(string(m.descriptor.FullName()), "primecloud.storage.") {
		use("Primecloud-Operation-Id", "OperationID")
	}
	ok["headers"] = headers
}

// hasETag reports whether the body of the response is a resource with an etag.
func hasETag(m protoreflect.MethodDescriptor) bool {
	http, _ := proto.GetExtension(m.Options(), annotations.E_Http).(*annotations.HttpRule)
	body := m.Output().Fields().ByName(protoreflect.Name(http.GetResponseBody()))
	return body != nil && body.Message() != nil && body.Message().Fields().ByName("etag") != nil
}
