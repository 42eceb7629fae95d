// Package nearest finds the name that was meant by a misspelt one. Several rooms
// tell of unknown names; they should guess alike.
package nearest

// Name gives the name among candidates that was probably meant, or "".
func Name(name string, candidates []string) string {
	best, bestDistance := "", len(name)/3+2
	for _, c := range candidates {
		if d := distance(name, c); d < bestDistance && d < len(c) {
			best, bestDistance = c, d
		}
	}
	return best
}

// Slip gives the name among candidates that one slip of the keys makes of name, or
// "": for where any name may be meant as it is.
func Slip(name string, candidates []string) string {
	for _, c := range candidates {
		if name != c && distance(name, c) <= 1 {
			return c
		}
	}
	return ""
}

// distance counts insertions, deletions, replacements, and swaps of
// neighbours, from a to b (optimal string alignment). Case counts for nothing.
func distance(a, b string) int {
	x, y := []byte(lower(a)), []byte(lower(b))
	before, last, row := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(x); i++ {
		row[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(y)]
}

func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
