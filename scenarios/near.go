package scenarios

import (
	"slices"
	"strings"
)

// maybe suggests the accepted word that is nearest to got, and lists all of them: an unknown name is most often a slip of
// the finger, and otherwise the reader needs the list.
func maybe(got string, accepted []string) string {
	if len(accepted) == 0 {
		return ""
	}
	list := "accepted: " + strings.Join(slices.Sorted(slices.Values(accepted)), ", ")
	if word := nearest(got, accepted); word != "" {
		return "did you mean " + word + "? " + list
	}
	return list
}

// nearest returns the accepted word within a third of got's length in edits, or one that got begins, or "". Ties go to the
// first in the alphabet, so that messages do not change from run to run.
func nearest(got string, accepted []string) string {
	if len(got) > 64 {
		return ""
	}
	best, bestEdits := "", len(got)/3+2
	for _, word := range slices.Sorted(slices.Values(accepted)) {
		if n := edits(strings.ToLower(got), word); n < bestEdits {
			best, bestEdits = word, n
		}
	}
	if best == "" && len(got) > 2 {
		for _, word := range slices.Sorted(slices.Values(accepted)) {
			if strings.HasPrefix(word, got) {
				return word
			}
		}
	}
	return best
}

// edits is the Levenshtein distance of two words, in bytes, with a swap of neighbours counted as one.
func edits(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
