package kit

import "testing"

func TestMoney(t *testing.T) {
	for cents, want := range map[int]string{0: "€0.00", 5: "€0.05", 180: "€1.80", 14900: "€149.00", 120000: "€1,200.00", 123456789: "€1,234,567.89"} {
		if got := Money(cents); got != want {
			t.Errorf("Money(%d) = %s, want %s", cents, got, want)
		}
	}
}
