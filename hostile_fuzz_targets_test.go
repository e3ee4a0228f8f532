package weir

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The script that builds the targets for OSS-Fuzz names those that there are, no
// more and no fewer, and knows the files that they are in.
func TestOSSFuzzBuildsEveryTarget(t *testing.T) {
	script, err := os.ReadFile("fuzz/oss-fuzz/build.sh")
	if err != nil {
		t.Fatal(err)
	}
	var built, harnesses []string
	for _, m := range regexp.MustCompile(`(?m)^build (\S+) (Fuzz\w+)$`).FindAllStringSubmatch(string(script), -1) {
		built = append(built, path.Join(m[1], m[2]))
	}
	if m := regexp.MustCompile(`(?m)^harnesses=\((.*)\)$`).FindStringSubmatch(string(script)); m != nil {
		harnesses = strings.Fields(m[1])
	}
	targets, files := fuzzTargets(t)
	for _, s := range [][]string{built, harnesses, targets, files} {
		slices.Sort(s)
	}
	if len(targets) == 0 || !slices.Equal(built, targets) {
		t.Errorf("build.sh builds\n\t%v\nthere are\n\t%v", built, targets)
	}
	if !slices.Equal(harnesses, files) {
		t.Errorf("build.sh knows targets in\n\t%v\nthey are in\n\t%v", harnesses, files)
	}
}

// fuzzTargets finds the fuzz targets of this module, as folder/name, and the test
// files that have any.
func fuzzTargets(t *testing.T) (targets, files []string) {
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			_, nested := os.Stat(filepath.Join(name, "go.mod"))
			if name != "." && (nested == nil || entry.Name() == "testdata" || strings.HasPrefix(entry.Name(), ".")) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, "_test.go") {
			return nil
		}
		found, err := fuzzTargetsOf(name)
		if name = filepath.ToSlash(name); len(found) > 0 {
			files = append(files, name)
		}
		for _, target := range found {
			targets = append(targets, path.Join(path.Dir(name), target))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return targets, files
}

func fuzzTargetsOf(name string) (found []string, err error) {
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
	if err != nil {
		return nil, err
	}
	for _, decl := range file.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Fuzz") {
			found = append(found, f.Name.Name)
		}
	}
	return found, nil
}

// Every committed corpus is one of a target.
func TestCorporaHaveTargets(t *testing.T) {
	targets, _ := fuzzTargets(t)
	corpora, err := filepath.Glob("testdata/fuzz/*")
	if err != nil || len(corpora) == 0 {
		t.Fatalf("%v, %v", corpora, err)
	}
	for _, corpus := range corpora {
		if !slices.Contains(targets, filepath.Base(corpus)) {
			t.Errorf("%s is of no target", corpus)
		}
	}
}
