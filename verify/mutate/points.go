package main

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"strings"
)

// A mutant is one change of the source, switched on by its number.
type mutant struct {
	id       int
	file     string
	line     int
	function string // "(*table).probe", or "var" outside of functions
	before   string // the text of what is changed, blanks folded
	after    string // what becomes of it
	nth      int    // from 1; above 1 where the same change is possible several times in a function
}

// key names a mutant in a way that lives through changes elsewhere in its file.
func (m *mutant) key() string {
	k := m.file + "\t" + m.function + "\t" + m.before + "\t" + m.after
	if m.nth > 1 {
		k += fmt.Sprintf(" #%d", m.nth)
	}
	return k
}

// An edit puts text in place of src[from:to].
type edit struct {
	from, to int
	kind     int // at one offset, suffixes come before replacements, and those before prefixes
	text     string
}

const (
	suffix = iota
	replace
	prefix
)

// A scan finds the mutants of one file, and the edits that build all of them in.
type scan struct {
	name     string // of the file
	src      []byte
	fset     *token.FileSet
	info     *types.Info
	pkg      *types.Package
	next     *int         // the next free number
	dropped  map[int]bool // numbers that the compiler refused
	mutants  []*mutant
	edits    []edit
	after    []func() // suffixes of the nodes that are open, innermost last
	function string
	tail     map[ast.Node]bool     // statements whose removal leaves a function without return
	leaf     map[ast.Expr]bool     // expressions that are conditions and made true or false as such
	alone    map[ast.Expr]bool     // constants that must stay constant
	listed   map[ast.Stmt]bool     // statements of a block, which may be left out
	stmtCall map[ast.Expr]bool     // calls whose result nobody wants
	loopCond map[ast.Expr]bool     // conditions of loops
	seen     map[string]int        // how often a key came up
	operands map[ast.Expr]ast.Node // the && or || that an expression stands under
}

func newScan(name string, src []byte, p *program, next *int, dropped map[int]bool) *scan {
	return &scan{
		name: name, src: src, fset: p.fset, info: p.info, pkg: p.pkg, next: next, dropped: dropped,
		tail: map[ast.Node]bool{}, leaf: map[ast.Expr]bool{}, alone: map[ast.Expr]bool{}, listed: map[ast.Stmt]bool{},
		stmtCall: map[ast.Expr]bool{}, loopCond: map[ast.Expr]bool{}, seen: map[string]int{},
		operands: map[ast.Expr]ast.Node{},
	}
}

// file visits all of a file.
func (s *scan) file(f *ast.File) {
	for _, decl := range f.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Body == nil {
				continue
			}
			s.function = funcName(d)
			if d.Type.Results != nil {
				s.markTail(d.Body.List)
			}
			s.walk(d.Body)
		case *ast.GenDecl:
			if d.Tok == token.VAR {
				s.function = "var"
				for _, spec := range d.Specs {
					for _, v := range spec.(*ast.ValueSpec).Values {
						s.walk(v)
					}
				}
			}
		}
	}
}

func funcName(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return d.Name.Name
	}
	t := d.Recv.List[0].Type
	star := ""
	if p, ok := t.(*ast.StarExpr); ok {
		t, star = p.X, "*"
	}
	switch x := t.(type) { // type parameters go
	case *ast.IndexExpr:
		t = x.X
	case *ast.IndexListExpr:
		t = x.X
	}
	name := t.(*ast.Ident).Name + ")." + d.Name.Name
	return "(" + star + name
}

// markTail notes the returns at the ends of a function's paths: it does not
// compile without one of them.
func (s *scan) markTail(list []ast.Stmt) {
	if len(list) == 0 {
		return
	}
	switch last := list[len(list)-1].(type) {
	case *ast.ReturnStmt, *ast.BranchStmt:
		s.tail[last] = true
	case *ast.BlockStmt:
		s.markTail(last.List)
	case *ast.IfStmt:
		s.markTail(last.Body.List)
		if last.Else != nil {
			s.markTail([]ast.Stmt{last.Else})
		}
	case *ast.SwitchStmt:
		s.markTail(last.Body.List)
		for _, c := range last.Body.List {
			s.markTail(c.(*ast.CaseClause).Body)
		}
	case *ast.SelectStmt:
		for _, c := range last.Body.List {
			s.markTail(c.(*ast.CommClause).Body)
		}
	}
}

func (s *scan) walk(n ast.Node) {
	ast.Inspect(n, func(n ast.Node) bool {
		if n == nil {
			close := s.after[len(s.after)-1]
			s.after = s.after[:len(s.after)-1]
			close()
			return true
		}
		s.after = append(s.after, func() {})
		descend := s.visit(n)
		if !descend { // Inspect does not come back for the end of this node
			close := s.after[len(s.after)-1]
			s.after = s.after[:len(s.after)-1]
			close()
		}
		return descend
	})
}

// atEnd has f called when all that is inside of the present node has been
// visited; of several the last one first.
func (s *scan) atEnd(f func()) {
	top := len(s.after) - 1
	before := s.after[top]
	s.after[top] = func() { f(); before() }
}

func (s *scan) offset(p token.Pos) int { return s.fset.Position(p).Offset }

func (s *scan) text(n ast.Node) string { return string(s.src[s.offset(n.Pos()):s.offset(n.End())]) }

// add notes a mutant and returns its number; 0 if the compiler has refused it.
func (s *scan) add(n ast.Node, after string) int {
	*s.next++
	id := *s.next
	if s.dropped[id] {
		return 0
	}
	m := &mutant{
		id: id, file: s.name, line: s.fset.Position(n.Pos()).Line, function: s.function,
		before: fold(s.text(n)), after: fold(after),
	}
	s.seen[m.key()]++
	m.nth = s.seen[m.key()]
	s.mutants = append(s.mutants, m)
	return id
}

// wrap puts text around a node.
func (s *scan) wrap(n ast.Node, before, behind string) {
	from, to := s.offset(n.Pos()), s.offset(n.End())
	s.edits = append(s.edits, edit{from, from, prefix, before})
	s.atEnd(func() { s.edits = append(s.edits, edit{to, to, suffix, behind}) })
}

// begin puts text in place of the first characters of a node.
func (s *scan) begin(from, to token.Pos, text string) {
	s.edits = append(s.edits, edit{s.offset(from), s.offset(to), prefix, text})
}

// replace puts text in place of others inside of a node.
func (s *scan) replace(from, to token.Pos, text string) {
	s.edits = append(s.edits, edit{s.offset(from), s.offset(to), replace, text})
}

// fold makes one line of a text, of bounded length.
func fold(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if r := []rune(text); len(r) > 120 {
		text = string(r[:100]) + " … " + string(r[len(r)-15:])
	}
	return text
}

// typeText is how the file spells a type.
func (s *scan) typeText(t types.Type) string {
	return types.TypeString(t, func(p *types.Package) string {
		if p == s.pkg {
			return ""
		}
		return p.Name()
	})
}

// number reports whether a type is of integers or, if that is asked for too, of
// floating-point numbers.
func number(t types.Type, floats bool) bool {
	b, ok := t.Underlying().(*types.Basic)
	if !ok {
		return false
	}
	return b.Info()&types.IsInteger != 0 || floats && b.Info()&types.IsFloat != 0
}

// numberConst reports whether e is a constant that may be off by one.
func (s *scan) numberConst(e ast.Expr) (types.Type, bool) {
	tv := s.info.Types[e]
	if tv.Value == nil || tv.Value.Kind() != constant.Int && tv.Value.Kind() != constant.Float || s.alone[e] {
		return nil, false
	}
	t := types.Default(tv.Type)
	return t, number(t, true)
}
