package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
)

// visit notes the mutants of one node, and reports whether there may be more
// inside of it.
func (s *scan) visit(n ast.Node) bool {
	switch x := n.(type) {
	case *ast.GenDecl:
		if x.Tok != token.VAR {
			return false
		}
	case *ast.BlockStmt:
		s.list(x.List)
	case *ast.CaseClause:
		s.list(x.Body)
	case *ast.CommClause:
		s.list(x.Body)
	case *ast.IfStmt:
		s.leaf[unparen(x.Cond)] = true
	case *ast.ForStmt:
		if x.Cond != nil {
			s.leaf[unparen(x.Cond)], s.loopCond[unparen(x.Cond)] = true, true
		}
	case *ast.SwitchStmt:
		if x.Tag == nil {
			for _, c := range x.Body.List {
				for _, e := range c.(*ast.CaseClause).List {
					s.leaf[unparen(e)] = true
				}
			}
		}
	case *ast.CompositeLit:
		s.literal(x)
	case *ast.FuncLit:
		if x.Type.Results != nil {
			s.markTail(x.Body.List)
		}
	}
	if stmt, ok := n.(ast.Stmt); ok {
		s.statement(stmt)
	}
	if e, ok := n.(ast.Expr); ok {
		return s.expression(e)
	}
	return true
}

func unparen(e ast.Expr) ast.Expr { return ast.Unparen(e) }

func (s *scan) list(stmts []ast.Stmt) {
	for _, stmt := range stmts {
		s.listed[stmt] = true
	}
}

// literal keeps the indices of an array literal constant.
func (s *scan) literal(x *ast.CompositeLit) {
	switch s.info.Types[x].Type.Underlying().(type) {
	case *types.Array, *types.Slice:
		for _, e := range x.Elts {
			if kv, ok := e.(*ast.KeyValueExpr); ok {
				s.alone[kv.Key] = true
			}
		}
	}
}

// statement leaves statements out, and swaps what some of them do.
func (s *scan) statement(stmt ast.Stmt) {
	swapped := map[token.Token]string{
		token.ADD_ASSIGN: "-=", token.SUB_ASSIGN: "+=", token.XOR_ASSIGN: "|=", token.AND_ASSIGN: "|=",
		token.OR_ASSIGN: "&=", token.AND_NOT_ASSIGN: "|=", token.MUL_ASSIGN: "+=",
	}
	droppable := false
	switch x := stmt.(type) {
	case *ast.ExprStmt:
		s.stmtCall[x.X] = true
		droppable = true
	case *ast.AssignStmt:
		droppable = x.Tok != token.DEFINE
		if op := swapped[x.Tok]; op != "" && s.listed[x] && number(s.info.Types[x.Lhs[0]].Type, true) {
			other := s.text(x.Lhs[0]) + " " + op + " " + s.text(x.Rhs[0])
			if id := s.add(x, other); id != 0 {
				s.wrap(x, fmt.Sprintf("if mutIs(%d) { %s } else { ", id, other), " }")
			}
		}
	case *ast.IncDecStmt:
		droppable = true
		s.incDec(x)
	case *ast.GoStmt, *ast.DeferStmt, *ast.SendStmt:
		droppable = true
	case *ast.ReturnStmt, *ast.BranchStmt:
		droppable = !s.tail[x]
	}
	if droppable && s.listed[stmt] {
		if id := s.add(stmt, "(left out)"); id != 0 {
			s.wrap(stmt, fmt.Sprintf("if !mutIs(%d) { ", id), " }")
		}
	}
}

func (s *scan) incDec(x *ast.IncDecStmt) {
	other, assign := "--", " += "
	if x.Tok == token.DEC {
		other, assign = "++", " -= "
	}
	if id := s.add(x, s.text(x.X)+other); id != 0 {
		s.replace(x.TokPos, x.TokPos+2, fmt.Sprintf("%smutSign(%d, %s(1))", assign, id, s.typeText(s.info.Types[x.X].Type)))
	}
}

// expression reports whether to look for more inside of e.
func (s *scan) expression(e ast.Expr) bool {
	tv, known := s.info.Types[e]
	if known && tv.IsType() {
		return false
	}
	s.condition(e)
	if known && tv.Value != nil {
		s.constant(e, tv)
		return false
	}
	switch x := e.(type) {
	case *ast.BinaryExpr:
		s.binary(x)
	case *ast.UnaryExpr:
		s.unary(x)
	case *ast.CallExpr:
		s.call(x)
	case *ast.KeyValueExpr:
		if id, ok := x.Key.(*ast.Ident); ok {
			s.alone[id] = true
		}
	}
	return true
}

// condition makes a condition always true, and always false. Of a loop only
// false is tried, since for ever is no question; and a part of && or || only
// becomes what leaves the decision to the other part.
func (s *scan) condition(e ast.Expr) {
	if s.leaf[e] {
		f := s.add(e, "false")
		t := 0
		if !s.loopCond[e] {
			t = s.add(e, "true")
		}
		s.wrap(e, fmt.Sprintf("mutCond(%d, %d, ", t, f), ")")
	}
	switch op, _ := s.operands[e].(*ast.BinaryExpr); {
	case op == nil:
	case op.Op == token.LAND:
		if id := s.add(e, "true, in "+s.text(op)); id != 0 {
			s.wrap(e, "(", fmt.Sprintf(" || mutIs(%d))", id))
		}
	default:
		if id := s.add(e, "false, in "+s.text(op)); id != 0 {
			s.wrap(e, "(", fmt.Sprintf(" && !mutIs(%d))", id))
		}
	}
}

// constant puts a number off by one, and turns a truth value round.
func (s *scan) constant(e ast.Expr, tv types.TypeAndValue) {
	if b, ok := tv.Type.Underlying().(*types.Basic); ok && b.Info()&types.IsBoolean != 0 && !s.alone[e] {
		if id := s.add(e, "!"+s.text(e)); id != 0 {
			s.wrap(e, "(", fmt.Sprintf(" != mutIs(%d))", id))
		}
		return
	}
	t, ok := s.numberConst(e)
	if !ok {
		return
	}
	up, down := s.add(e, s.text(e)+" + 1"), s.add(e, s.text(e)+" - 1")
	if s.typed(e) {
		s.wrap(e, fmt.Sprintf("mutConst(%d, %d, ", up, down), ")")
		return
	}
	s.wrap(e, fmt.Sprintf("mutConst(%d, %d, %s(", up, down, s.typeText(t)), "))")
}

// typed reports whether e names a constant that has a type of its own, which the
// file may have no name for.
func (s *scan) typed(e ast.Expr) bool {
	if sel, ok := e.(*ast.SelectorExpr); ok {
		e = sel.Sel
	}
	id, ok := e.(*ast.Ident)
	if !ok {
		return false
	}
	b, ok := s.info.Uses[id].Type().(*types.Basic)
	return !ok || b.Info()&types.IsUntyped == 0
}

func (s *scan) unary(x *ast.UnaryExpr) {
	switch x.Op {
	case token.SUB, token.XOR:
		if id := s.add(x, s.text(x.X)); id != 0 {
			s.begin(x.OpPos, x.OpPos+1, fmt.Sprintf("mutUnary%s(%d, ", map[token.Token]string{token.SUB: "Minus", token.XOR: "Not"}[x.Op], id))
			end := s.offset(x.End())
			s.atEnd(func() { s.edits = append(s.edits, edit{end, end, suffix, ")"}) })
		}
	case token.NOT:
		if s.leaf[x] || s.operands[x] != nil {
			return // made true and false already
		}
		if id := s.add(x, s.text(x.X)); id != 0 {
			s.wrap(x, "(", fmt.Sprintf(" != mutIs(%d))", id))
		}
	}
}

// call changes min, max, CompareAndSwap and Load.
func (s *scan) call(x *ast.CallExpr) {
	if f, ok := x.Fun.(*ast.Ident); ok && s.info.Types[f].IsBuiltin() && (f.Name == "min" || f.Name == "max") {
		other := map[string]string{"min": "max", "max": "min"}[f.Name]
		if id := s.add(x, other+s.text(x)[3:]); id != 0 {
			s.begin(f.Pos(), x.Lparen+1, fmt.Sprintf("mut%s(%d, ", map[string]string{"min": "Min", "max": "Max"}[f.Name], id))
		}
	}
	sel, ok := x.Fun.(*ast.SelectorExpr)
	if !ok || s.stmtCall[x] {
		return
	}
	switch sel.Sel.Name {
	case "CompareAndSwap":
		if id := s.add(x, "!"+s.text(x)); id != 0 {
			s.wrap(x, "(", fmt.Sprintf(" != mutIs(%d))", id))
		}
	case "Load":
		if len(x.Args) == 0 && number(s.info.Types[x].Type, false) {
			if id := s.add(x, "0"); id != 0 {
				s.wrap(x, fmt.Sprintf("mutZero(%d, ", id), ")")
			}
		}
	}
}
