package testkit

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
)

// Reasons holds the reasons that the code in and below the test's folder gives to errs.New
// and errs.Newf against the contract, in both directions: each must be in one of the
// service's own ErrorReason enums or in the shared one, and each of its own must be given.
func Reasons(t testing.TB, own ...map[string]int32) {
	t.Helper()
	const prefix = "ERROR_REASON_"
	given := givenReasons(t)
	for reason, where := range given {
		_, known := optionsv1.ErrorReason_value[prefix+reason]
		for _, values := range own {
			_, found := values[prefix+reason]
			known = known || found
		}
		if !known {
			t.Errorf("%s gives %s, which is not in the contract", where, reason)
		}
	}
	for _, values := range own {
		for name, number := range values {
			if _, found := given[strings.TrimPrefix(name, prefix)]; !found && number != 0 {
				t.Errorf("%s is in the contract and never given", name)
			}
		}
	}
}

// givenReasons returns every reason with a place that gives it.
func givenReasons(t testing.TB) map[string]string {
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
			if !ok || !makesError(call) {
				return true
			}
			where := files.Position(call.Pos()).String()
			switch reason := call.Args[1].(type) {
			case *ast.BasicLit:
				text, err := strconv.Unquote(reason.Value)
				if err != nil {
					t.Error(err)
				}
				reasons[text] = where
			case *ast.SelectorExpr:
				// Of a failure that was recorded, where it came from a literal.
				if reason.Sel.Name != "Reason" {
					t.Errorf("%s gives a reason that is no literal", where)
				}
			default:
				t.Errorf("%s gives a reason that is no literal", where)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return reasons
}

// makesError reports whether a call is one of errs.New and errs.Newf.
func makesError(call *ast.CallExpr) bool {
	called, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || len(call.Args) < 3 {
		return false
	}
	pkg, named := called.X.(*ast.Ident)
	return named && pkg.Name == "errs" && strings.HasPrefix(called.Sel.Name, "New")
}
