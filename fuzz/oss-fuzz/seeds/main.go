// Seeds turns a corpus of a native fuzz target into one that OSS-Fuzz can start
// from: a zip of files, each as the built target reads its input.
//
//	go run ./fuzz/oss-fuzz/seeds testdata/fuzz/FuzzLimiter FuzzLimiter_seed_corpus.zip
//
// The committed files are in the form of go test, one argument a line. A target
// built by compile_native_go_fuzzer gets plain bytes instead, and takes its
// arguments from them one after the other, as the package go-fuzz-headers does;
// encode is the inverse of that, for the types that weir's targets have.
package main

import (
	"archive/zip"
	"encoding/binary"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: seeds CORPUS-FOLDER ZIP")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "seeds:", err)
		os.Exit(1)
	}
}

func run(corpus, to string) error {
	files, err := os.ReadDir(corpus)
	if err != nil {
		return err
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	archive := zip.NewWriter(out)
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(corpus, file.Name()))
		if err != nil {
			return err
		}
		args, err := parse(string(text))
		if err != nil {
			return fmt.Errorf("%s: %w", file.Name(), err)
		}
		entry, err := archive.Create(file.Name())
		if err != nil {
			return err
		}
		if _, err := entry.Write(encode(args)); err != nil {
			return err
		}
	}
	return errors.Join(archive.Close(), out.Close())
}

// parse reads a corpus file of go test. Its arguments come as string, []byte, or
// uint64, which stands for integers of any size.
func parse(text string) ([]any, error) {
	header, rest, _ := strings.Cut(strings.TrimSpace(text), "\n")
	if header != "go test fuzz v1" {
		return nil, fmt.Errorf("begins with %q, not with the version", header)
	}
	var args []any
	for line := range strings.Lines(rest) {
		arg, err := parseArg(strings.TrimSpace(line))
		if err != nil {
			return nil, err
		}
		args = append(args, arg)
	}
	return args, nil
}

func parseArg(line string) (any, error) {
	expr, err := parser.ParseExpr(line)
	if err != nil {
		return nil, err
	}
	call, ok := expr.(*ast.CallExpr)
	if !ok || len(call.Args) != 1 {
		return nil, fmt.Errorf("%s: not a type and a value", line)
	}
	sign, value := "", call.Args[0]
	if minus, ok := value.(*ast.UnaryExpr); ok && minus.Op == token.SUB {
		sign, value = "-", minus.X
	}
	literal, ok := value.(*ast.BasicLit)
	if !ok {
		return nil, fmt.Errorf("%s: no literal", line)
	}
	if kind, ok := call.Fun.(*ast.Ident); ok {
		switch kind.Name {
		case "string":
			return strconv.Unquote(literal.Value)
		case "int", "int64":
			n, err := strconv.ParseInt(sign+literal.Value, 0, 64)
			return uint64(n), err
		}
	} else if _, ok := call.Fun.(*ast.ArrayType); ok {
		s, err := strconv.Unquote(literal.Value)
		return []byte(s), err
	}
	return nil, fmt.Errorf("%s: a type that no target of weir has", line)
}

// encode writes arguments so that a built target reads them back: integers as 8
// bytes, big-endian, and an odd one that says so; strings and byte slices after
// their length in 4 bytes, big-endian.
func encode(args []any) []byte {
	// From the last to the first: the length of an empty byte slice depends on
	// how many bytes come after it. Something must come, even after the last.
	data := []byte{0}
	for i := len(args) - 1; i >= 0; i-- {
		switch arg := args[i].(type) {
		case uint64:
			data = append(append(binary.BigEndian.AppendUint64(nil, arg), 1), data...)
		case string:
			data = append(append(binary.BigEndian.AppendUint32(nil, uint32(len(arg))), arg...), data...)
		case []byte:
			length := len(arg)
			if length == 0 {
				// 0 means 30, and what is not all that is left is taken modulo it.
				length = 2 * len(data)
			}
			data = append(append(binary.BigEndian.AppendUint32(nil, uint32(length)), arg...), data...)
		}
	}
	return data
}
