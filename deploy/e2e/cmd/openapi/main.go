// openapi writes the OpenAPI document of the suite; `make gen` runs it in the repository's
// root after `buf generate`.
package main

import (
	"fmt"
	"os"

	"github.com/primecloud/primecloud/deploy/e2e/openapi"
)

func main() {
	document, err := openapi.Build(os.DirFS(".openapi"), os.DirFS("proto"))
	if err == nil {
		err = os.WriteFile("proto/openapi/openapi.json", document, 0o644) //nolint:gosec // a public document
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
