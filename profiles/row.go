package profiles

import "slices"

// rowOf is the first row of a table that is meant, and whether there is one.
func rowOf[T any](rows []T, meant func(T) bool) (row T, ok bool) {
	if i := slices.IndexFunc(rows, meant); i >= 0 {
		return rows[i], true
	}
	return row, false
}

// wordsOf are one word of each row of a table.
func wordsOf[T any](rows []T, word func(T) string) (out []string) {
	for _, row := range rows {
		out = append(out, word(row))
	}
	return out
}
