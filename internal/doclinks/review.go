package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// A repository is what links are held against.
type repository struct {
	root  string
	tests map[string]bool // the test, fuzz and benchmark functions in it
	files map[string][]string
}

// A fault is a link, or the name of a test, that is wrong.
type fault struct {
	file  string
	line  int
	text  string
	moved bool // only the number of the line is off: the command puts it right
}

func (f fault) String() string { return fmt.Sprintf("%s:%d: %s", f.file, f.line, f.text) }

var testFunction = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)[A-Z]\w*)\(`)

// newRepository reads the names of all tests, those of nested modules too.
func newRepository(root string) (*repository, error) {
	r := &repository{root: root, tests: map[string]bool{}, files: map[string][]string{}}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == ".git" || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range testFunction.FindAllStringSubmatch(string(text), -1) {
			r.tests[m[1]] = true
		}
		return nil
	})
	return r, err
}

// A link is [text](target) or [text](target "title"). In a title, \" is a quote.
var (
	link     = regexp.MustCompile(`\[([^\]\n]*)\]\(([^()\s"]+)(?:\s+"((?:[^"\\\n]|\\.)*)")?\)`)
	testName = regexp.MustCompile(`\b(?:Test|Fuzz|Benchmark)[A-Z]\w*`)
	lineRef  = regexp.MustCompile(`^L[0-9]+$`)
)

// review returns the document with the numbers of lines put right, and all that
// is wrong with it as it stands.
func (r *repository) review(doc, text string) (fresh string, faults []fault) {
	lines := strings.Split(text, "\n")
	fenced := false
	for i, line := range lines {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced = !fenced
		}
		if fenced {
			continue
		}
		note := func(moved bool, format string, args ...any) {
			faults = append(faults, fault{filepath.Base(doc), i + 1, fmt.Sprintf(format, args...), moved})
		}
		for _, name := range testName.FindAllString(line, -1) {
			if !r.tests[name] {
				note(false, "there is no %s", name)
			}
		}
		lines[i] = link.ReplaceAllStringFunc(line, func(whole string) string {
			m := link.FindStringSubmatch(whole)
			number, err := r.follow(doc, text, m[1], m[2], m[3])
			if err != nil {
				note(false, "%s: %v", m[2], err)
				return whole
			}
			path, at, _ := strings.Cut(m[2], "#")
			if want := "L" + strconv.Itoa(number); number > 0 && at != want {
				note(true, "%s: the line is now #%s", m[2], want)
				return strings.Replace(whole, "]("+m[2], "]("+path+"#"+want, 1)
			}
			return whole
		})
	}
	return strings.Join(lines, "\n"), faults
}

// follow checks where one link leads. It returns the number of the line that the
// link means, or 0 if it means none.
func (r *repository) follow(doc, text, label, target, title string) (int, error) {
	if strings.HasPrefix(target, "https://") {
		return 0, nil
	}
	path, at, hasPlace := strings.Cut(target, "#")
	if path == "" {
		return 0, heading(text, at)
	}
	full := filepath.Join(filepath.Dir(doc), filepath.FromSlash(path))
	if inside, err := filepath.Rel(r.root, full); err != nil || strings.HasPrefix(inside, "..") {
		return 0, fmt.Errorf("outside the repository")
	}
	info, err := os.Stat(full)
	if err != nil {
		return 0, fmt.Errorf("there is no such file")
	}
	switch {
	case !hasPlace && title == "", info.IsDir():
		return 0, nil
	case strings.HasSuffix(path, ".md"):
		other, err := os.ReadFile(full)
		if err != nil {
			return 0, err
		}
		return 0, heading(string(other), at)
	case hasPlace && !lineRef.MatchString(at):
		return 0, fmt.Errorf("#%s is no line", at)
	case title == "":
		return 0, fmt.Errorf("a link to a line needs, as its title, the text of that line")
	}
	snippet := strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(title)
	if name := testName.FindString(label); name != "" && !strings.HasPrefix(snippet, "func "+name+"(") {
		return 0, fmt.Errorf("%s should be found by \"func %s(\"", name, name)
	}
	return r.locate(full, snippet)
}

// locate is the number of the one line of a file that contains the snippet.
func (r *repository) locate(full, snippet string) (int, error) {
	lines, ok := r.files[full]
	if !ok {
		text, err := os.ReadFile(full)
		if err != nil {
			return 0, err
		}
		lines = strings.Split(string(text), "\n")
		r.files[full] = lines
	}
	at := 0
	for i, line := range lines {
		if !strings.Contains(line, snippet) {
			continue
		}
		if at != 0 {
			return 0, fmt.Errorf("%q stands on lines %d and %d", snippet, at, i+1)
		}
		at = i + 1
	}
	if at == 0 {
		return 0, fmt.Errorf("%q is gone", snippet)
	}
	return at, nil
}

var (
	headings   = regexp.MustCompile(`(?m)^#+ (.*)$`)
	notInSlugs = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// heading checks that a document has the heading that GitHub gives this anchor.
func heading(text, anchor string) error {
	for _, m := range headings.FindAllStringSubmatch(text, -1) {
		slug := notInSlugs.ReplaceAllString(strings.ToLower(m[1]), "")
		if strings.ReplaceAll(slug, " ", "-") == anchor {
			return nil
		}
	}
	return fmt.Errorf("there is no heading #%s", anchor)
}
