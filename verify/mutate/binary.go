package main

import (
	"fmt"
	"go/ast"
	"go/token"
)

// An operation is what an arithmetic operator becomes, and the helper that does
// either.
var operations = map[token.Token]struct{ helper, other string }{
	token.ADD:     {"mutAdd", "-"},
	token.SUB:     {"mutSub", "+"},
	token.MUL:     {"mutMul", "/"},
	token.QUO:     {"mutQuo", "*"},
	token.REM:     {"mutRem", "*"},
	token.AND:     {"mutAnd", "|"},
	token.OR:      {"mutOr", "&"},
	token.XOR:     {"mutXor", "&"},
	token.AND_NOT: {"mutAndNot", "&"},
	token.SHL:     {"mutShl", ">>"},
	token.SHR:     {"mutShr", "<<"},
}

// relations are the operators with their neighbour and their opposite.
var relations = map[token.Token]struct{ helper, near, not string }{
	token.LSS: {"mutLess", "<=", ">="},
	token.LEQ: {"mutLessEq", "<", ">"},
	token.GTR: {"mutMore", ">=", "<="},
	token.GEQ: {"mutMoreEq", ">", "<"},
}

func (s *scan) binary(x *ast.BinaryExpr) {
	left, right := s.text(x.X), s.text(x.Y)
	decided := s.leaf[x] || s.operands[x] != nil // its opposite is tried as a condition
	switch x.Op {
	case token.LAND, token.LOR:
		s.logical(x, left, right)
	case token.EQL, token.NEQ:
		other := map[token.Token]string{token.EQL: "!=", token.NEQ: "=="}[x.Op]
		if id := s.add(x, left+" "+other+" "+right); id != 0 {
			s.wrap(x, "((", fmt.Sprintf(") != mutIs(%d))", id))
		}
	case token.LSS, token.LEQ, token.GTR, token.GEQ:
		r := relations[x.Op]
		near, not := s.add(x, left+" "+r.near+" "+right), 0
		if !decided {
			not = s.add(x, left+" "+r.not+" "+right)
		}
		s.operator(x, fmt.Sprintf("%s(%d, %d, ", r.helper, near, not))
	default:
		op, ok := operations[x.Op]
		if !ok || !number(s.info.Types[x].Type, true) {
			return
		}
		if id := s.add(x, left+" "+op.other+" "+right); id != 0 {
			s.operator(x, fmt.Sprintf("%s(%d, ", op.helper, id))
		}
	}
}

// operator makes a call of x.
func (s *scan) operator(x *ast.BinaryExpr, call string) {
	s.wrap(x, call, ")")
	s.replace(x.OpPos, x.OpPos+token.Pos(len(x.Op.String())), ",")
}

// logical swaps && and ||. The swapped form is a copy without mutants, so that
// the right side is still looked at only if the left one leaves it open.
func (s *scan) logical(x *ast.BinaryExpr, left, right string) {
	for _, side := range []ast.Expr{x.X, x.Y} {
		inner := unparen(side)
		if b, ok := inner.(*ast.BinaryExpr); ok && (b.Op == token.LAND || b.Op == token.LOR) {
			continue // its own parts are tried
		}
		s.operands[inner] = x
	}
	other := map[token.Token]string{token.LAND: "||", token.LOR: "&&"}[x.Op]
	if id := s.add(x, left+" "+other+" "+right); id != 0 {
		s.wrap(x, fmt.Sprintf("(mutIs(%d) && ((%s) %s (%s)) || !mutIs(%d) && (", id, left, other, right, id), "))")
	}
}
