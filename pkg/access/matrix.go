package access

import (
	"fmt"
	"io"
	"strings"

	optionsv1 "github.com/primecloud/primecloud/proto/gen/primecloud/options/v1"
)

// WriteMatrix renders the table as Markdown: a section per service, a row per method, a
// column per role of an account. Equal tables give equal text.
func WriteMatrix(w io.Writer, t *Table) error {
	var b strings.Builder
	b.WriteString("| mark | meaning |\n|---|---|\n")
	b.WriteString("| ● | the role may call, bound to the account in the path |\n")
	b.WriteString("| scope | what an API key must carry besides the role; — keeps API keys out |\n")
	b.WriteString("| suspended | whether it still works while the account is not active: pending, suspended, closing or closed |\n")
	b.WriteString("| repeated | what the same call again is: a read, the same by nature, or the same by its idempotency key |\n")
	service := ""
	for _, rule := range t.Rules() {
		name, method, _ := strings.Cut(strings.TrimPrefix(rule.Method, "/"), "/")
		if name != service {
			service = name
			writeHead(&b, service)
		}
		writeRow(&b, method, t.routes[rule.Method], rule)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// columns are the roles of an account, in the order of the contract.
func columns() []string {
	var names []string
	for role := optionsv1.Role_ROLE_OWNER; role < optionsv1.Role_ROLE_PLATFORM_ADMIN; role++ {
		names = append(names, RoleName(role))
	}
	return names
}

func writeHead(b *strings.Builder, service string) {
	fmt.Fprintf(b, "\n## %s\n\n| method | REST | who | %s | scope | suspended | repeated |\n",
		service, strings.Join(columns(), " | "))
	b.WriteString(strings.Repeat("|---", len(columns())+6) + "|\n")
}

func writeRow(b *strings.Builder, method, route string, rule *Rule) {
	cells := []string{method, code(route), who(rule)}
	for _, role := range columns() {
		mark := ""
		for _, allowed := range rule.Roles {
			if allowed == role {
				mark = "●"
			}
		}
		cells = append(cells, mark)
	}
	suspended := "no"
	switch {
	case rule.Level == Public || rule.Level == Service || rule.Level == Platform:
		suspended = ""
	case rule.WhileSuspended:
		suspended = "yes"
	}
	cells = append(cells, code(rule.Scope), suspended, rule.Idempotency.String())
	fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
}

func who(rule *Rule) string {
	switch rule.Level {
	case Public:
		return "anybody"
	case Authenticated:
		return "any token"
	case Person:
		return "any person"
	case Account:
		if rule.MembersOnly {
			return "account, members only"
		}
		return "account"
	case Platform:
		return "platform: " + strings.Join(rule.Roles, ", ")
	case Service:
		if len(rule.Services) == 0 {
			return "any service"
		}
		return "service: " + strings.Join(rule.Services, ", ")
	}
	return ""
}

func code(s string) string {
	if s == "" {
		return "—"
	}
	return "`" + s + "`"
}
