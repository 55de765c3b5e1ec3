package cli

import (
	"fmt"
	"testing"
	"time"
)

func TestProgressLine(t *testing.T) {
	p := &Progress{what: "writing", unit: func(n int64) string { return fmt.Sprintf("%d MB", n/1e6) }}
	for _, test := range []struct {
		done, total int64
		spent       time.Duration
		want        string
	}{
		{0, 1700e6, 0, "writing: 0 MB of 1700 MB, 0 %"},
		{850e6, 1700e6, 10 * time.Second, "writing: 850 MB of 1700 MB, 50 %, 85 MB/s, 10s left"},
		{1700e6, 1700e6, 20 * time.Second, "writing: 1700 MB of 1700 MB, 100 %, 85 MB/s"},
		{5e6, 0, 500 * time.Millisecond, "writing: 5 MB"},
	} {
		if got := p.line(test.done, test.total, test.spent); got != test.want {
			t.Errorf("%d of %d after %s: %q, want %q", test.done, test.total, test.spent, got, test.want)
		}
	}
}
