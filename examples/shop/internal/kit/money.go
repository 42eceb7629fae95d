package kit

import "strconv"

// Money writes an amount as people do: €1,249.00.
func Money(cents int) string {
	whole, rest := strconv.Itoa(cents/100), strconv.Itoa(cents%100+100)
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	return "€" + whole + "." + rest[1:]
}
