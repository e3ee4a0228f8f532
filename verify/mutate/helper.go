package main

// helper is the file that is compiled in next to the rewritten ones.
const helper = `package weir

import (
	"cmp"
	"os"
	"strconv"
	"syscall"
)

// mutNow is the number of the mutant that this run is of; 0 for none.
var mutNow, _ = strconv.Atoi(os.Getenv("WEIR_MUTANT"))

type mutInt interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~uintptr
}

type mutNum interface {
	mutInt | ~float32 | ~float64
}

// mutSeen is where a run with number -1 notes the mutants that made a difference
// to what is computed next to them; for others the outcome cannot differ.
var mutSeen = func() []byte {
	f, err := os.OpenFile(os.Getenv("WEIR_MUTANTS_SEEN"), os.O_RDWR, 0)
	if err != nil {
		return nil
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		panic(err)
	}
	b, err := syscall.Mmap(int(f.Fd()), 0, int(info.Size()), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		panic(err)
	}
	return b
}()

// mutIs reports whether this run is of the mutant.
func mutIs(id int) bool {
	if mutNow < 0 {
		mutSeen[id] = 1
	}
	return mutNow == id
}

// mutOn is mutIs for a number that may have been taken away, which is then 0.
func mutOn(id int) bool { return id != 0 && mutIs(id) }

func mutCond(t, f int, c bool) bool { return (c || mutOn(t)) && !mutOn(f) }

func mutConst[T mutNum](up, down int, c T) T {
	if mutOn(up) {
		return c + 1
	}
	if mutOn(down) {
		return c - 1
	}
	return c
}

func mutSign[T mutNum](id int, c T) T {
	if mutIs(id) {
		return -c
	}
	return c
}

func mutZero[T mutInt](id int, c T) T {
	if c != 0 && mutIs(id) {
		return 0
	}
	return c
}

func mutUnaryMinus[T mutNum](id int, c T) T {
	if mutIs(id) {
		return c
	}
	return -c
}

func mutUnaryNot[T mutInt](id int, c T) T {
	if mutIs(id) {
		return c
	}
	return ^c
}

func mutLess[T cmp.Ordered](near, not int, a, b T) bool {
	return a < b != mutOn(not) || a == b && mutOn(near)
}

func mutMore[T cmp.Ordered](near, not int, a, b T) bool {
	return a > b != mutOn(not) || a == b && mutOn(near)
}

func mutLessEq[T cmp.Ordered](near, not int, a, b T) bool {
	return a <= b != mutOn(not) && !(a == b && mutOn(near))
}

func mutMoreEq[T cmp.Ordered](near, not int, a, b T) bool {
	return a >= b != mutOn(not) && !(a == b && mutOn(near))
}

func mutMin[T cmp.Ordered](id int, a, b T) T {
	if a != b && mutIs(id) {
		return max(a, b)
	}
	return min(a, b)
}

func mutMax[T cmp.Ordered](id int, a, b T) T {
	if a != b && mutIs(id) {
		return min(a, b)
	}
	return max(a, b)
}

func mutAdd[T mutNum](id int, a, b T) T {
	if b != 0 && mutIs(id) {
		return a - b
	}
	return a + b
}

func mutSub[T mutNum](id int, a, b T) T {
	if b != 0 && mutIs(id) {
		return a + b
	}
	return a - b
}

func mutMul[T mutNum](id int, a, b T) T {
	if mutIs(id) {
		return a / b
	}
	return a * b
}

func mutQuo[T mutNum](id int, a, b T) T {
	if mutIs(id) {
		return a * b
	}
	return a / b
}

func mutRem[T mutInt](id int, a, b T) T {
	if mutIs(id) {
		return a * b
	}
	return a % b
}

func mutAnd[T mutInt](id int, a, b T) T {
	if mutIs(id) {
		return a | b
	}
	return a & b
}

func mutOr[T mutInt](id int, a, b T) T {
	if mutIs(id) {
		return a & b
	}
	return a | b
}

func mutXor[T mutInt](id int, a, b T) T {
	if mutIs(id) {
		return a & b
	}
	return a ^ b
}

func mutAndNot[T mutInt](id int, a, b T) T {
	if mutIs(id) {
		return a & b
	}
	return a &^ b
}

func mutShl[T, N mutInt](id int, a T, n N) T {
	if mutIs(id) {
		return a >> n
	}
	return a << n
}

func mutShr[T, N mutInt](id int, a T, n N) T {
	if mutIs(id) {
		return a << n
	}
	return a >> n
}
`
