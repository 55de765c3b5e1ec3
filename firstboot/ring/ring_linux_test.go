package ring

import "testing"

func TestRingComesUp(t *testing.T) {
	r := newRing(t).cables().start().awaitWhole()
	v := r.nodes[0].told().View
	const want = "ring whole: en05 to en06 of russell, en06 to en05 of wittgenstein"
	if v.Verdict != want {
		t.Errorf("verdict %q, want %q", v.Verdict, want)
	}
}
