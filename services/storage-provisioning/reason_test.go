package storage_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	optionsv1 "github.com/primecloud/primecloud/proto/gen/primecloud/options/v1"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

// given returns every reason that the code gives to errs.New or errs.Newf.
func given(t *testing.T) map[string]string {
	t.Helper()
	reasons := map[string]string{}
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) < 3 {
				return true
			}
			called, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if pkg, named := called.X.(*ast.Ident); !named || pkg.Name != "errs" || !strings.HasPrefix(called.Sel.Name, "New") {
				return true
			}
			if again, ok := call.Args[1].(*ast.SelectorExpr); ok && again.Sel.Name == "Reason" {
				return true // of an operation's failure, where it was recorded from a literal
			}
			literal, ok := call.Args[1].(*ast.BasicLit)
			if !ok {
				t.Errorf("%s gives a reason that is no literal", files.Position(call.Pos()))
				return true
			}
			reason, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Error(err)
			}
			reasons[reason] = files.Position(call.Pos()).String()
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return reasons
}

func TestReasons_in_the_code_and_in_the_contract_are_the_same(t *testing.T) {
	const prefix = "ERROR_REASON_"
	reasons := given(t)
	for reason, where := range reasons {
		known := false
		for _, values := range []map[string]int32{storagev1.ErrorReason_value, optionsv1.ErrorReason_value} {
			_, found := values[prefix+reason]
			known = known || found
		}
		if !known {
			t.Errorf("%s gives %s, which is not in the contract", where, reason)
		}
	}
	for name, number := range storagev1.ErrorReason_value {
		if _, found := reasons[strings.TrimPrefix(name, prefix)]; !found && number != 0 {
			t.Errorf("%s is in the contract and never given", name)
		}
	}
}
