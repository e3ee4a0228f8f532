package figures

import "testing"

func TestFormat(t *testing.T) {
	for _, test := range []struct{ got, want string }{
		{Nanos(42.51), "42.5 ns"}, {Nanos(1100), "1.10 µs"}, {Nanos(99_960), "100 µs"}, {Nanos(2.5e9), "2.50 s"}, {Nanos(0), "0 ns"},
		{Size(31.25), "31.2 B"}, {Size(1 << 20), "1.00 MiB"}, {Size(11_880), "11.6 KiB"},
		{Grouped(0), "0"}, {Grouped(999), "999"}, {Grouped(1_000_000), "1,000,000"}, {Grouped(-1234), "-1,234"}, {Grouped(-123), "-123"},
		{Spread{2, 1, 3}.Within(1), "2.00"}, {Spread{2, 1, 3}.Within(3), "2.00 (1.00–3.00)"},
	} {
		if test.got != test.want {
			t.Errorf("%q, want %q", test.got, test.want)
		}
	}
}

func TestDigits(t *testing.T) {
	for x, want := range map[float64]float64{0: 0, 1.23456: 1.235, 123456: 123500, 0.000123456: 0.0001235, -98765: -98770} {
		if got := Digits(x); got != want {
			t.Errorf("Digits(%v) = %v, want %v", x, got, want)
		}
	}
}
