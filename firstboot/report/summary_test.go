package report

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// said writes a summary as lines.
func said(lines []Line) (out []string) {
	for _, l := range lines {
		out = append(out, strings.ReplaceAll(string(l.Outcome)+" "+l.Label+": "+l.Text, noBreak, " "))
	}
	return out
}

func TestTheSummaryHasSixLines(t *testing.T) {
	want := []string{
		"passed Nodes: 3 of 3 online, quorum",
		"passed Ring: 3 cables, the slowest at 21.9 Gbit/s",
		"passed Storage: Ceph HEALTH_OK, 1.90 TB for guests",
		"passed Fail-over: wittgenstein was reset while the guest ran on it; the guest ran again on frege",
		"passed Web: https://10.203.3.11:8006/, as kellen or root, realm Linux PAM standard authentication",
		"passed Time: 21m24s from the first step to this report",
	}
	if diff := cmp.Diff(want, said(good().Summary)); diff != "" {
		t.Errorf("good:\n%s", diff)
	}
	r := bad()
	r.HA.Drills[6] = Drill{Name: "power-cut", Outcome: Untried, Sentence: "the profile does not consent."}
	r.Access[0].Answered, r.Seconds = false, 0
	r.Conclude()
	want = []string{
		"passed Nodes: 3 of 3 online, quorum",
		"failed Ring: 3 cables, the slowest at 13.2 Gbit/s",
		"warnings Storage: Ceph HEALTH_WARN, 1.90 TB for guests",
		"untried Fail-over: not tried: the profile does not consent",
		"failed Web: https://10.203.3.12:8006/, as kellen or root, realm Linux PAM standard authentication",
		"untried Time: not known",
	}
	if diff := cmp.Diff(want, said(r.Summary)); diff != "" {
		t.Errorf("bad:\n%s", diff)
	}
	// What was not tried can be tried now: the report says how, with the nodes' names.
	const how = "As root, firstboot resume on all nodes, firstboot accept --consent on russell, then firstboot accept --power-cut russell on frege:"
	if !slices.ContainsFunc(r.Issues, func(i Issue) bool { return i.Severity == Note && strings.HasPrefix(i.Remedy, how) }) {
		t.Errorf("nothing says how the fail-over is tried: %+v", r.Issues)
	}
	r.Risks = []Risk{{Node: "frege", Text: "one port only"}, {Node: "russell", Text: "one port only"}, {Text: "no backups"}, {Node: "russell", Text: "a consumer disk"}}
	page, err := r.HTML()
	if err != nil {
		t.Fatal(err)
	}
	md, err := r.Markdown()
	if err != nil {
		t.Fatal(err)
	}
	for form, text := range map[string]string{"page": string(page), "Markdown": string(md)} {
		if strings.Count(text, "one port only") != 1 || !strings.Contains(text, "frege, russell: one port only") || !strings.Contains(text, "russell: a consumer disk") {
			t.Errorf("the %s does not say each risk once", form)
		}
	}
	for _, l := range r.Summary {
		if !strings.Contains(string(md), l.Label+": "+l.Text) || !strings.Contains(string(page), "<b>"+l.Label+"</b>") {
			t.Errorf("a form lacks the line %s", l.Label)
		}
	}
}

// Every failure and every warning is an issue, and so is a fail-over that
// nobody has seen; concluding twice names none twice.
func TestIssuesAreTheFailures(t *testing.T) {
	r := bad()
	r.HA.Drills[6].Outcome = Untried
	r.Conclude()
	once := slices.Clone(r.Issues)
	r.Conclude()
	if diff := cmp.Diff(once, r.Issues); diff != "" {
		t.Errorf("concluded twice:\n%s", diff)
	}
	for _, reason := range r.Verdict.Reasons {
		if !slices.ContainsFunc(r.Issues, func(i Issue) bool { return i.text() == reason }) {
			t.Errorf("%q speaks against the cluster and is no issue", reason)
		}
	}
	if !slices.ContainsFunc(r.Issues, func(i Issue) bool { return strings.Contains(i.Text, "was not tried") && i.Remedy != "" }) {
		t.Errorf("the untried fail-over is no issue: %+v", r.Issues)
	}
	if len(good().Issues) != 1 {
		t.Errorf("a sound cluster has issues: %+v", good().Issues)
	}
}

// TestPagesToLookAt leaves the pages in RINGBOOT_PAGES, where that is set, for
// .ci/pictures.
func TestPagesToLookAt(t *testing.T) {
	for name, r := range map[string]*Report{"good": good(), "bad": bad()} {
		page, err := r.HTML()
		if err != nil || len(page) == 0 {
			t.Fatalf("%s: %v", name, err)
		}
		if dir := os.Getenv("RINGBOOT_PAGES"); dir != "" {
			if err := os.WriteFile(filepath.Join(dir, name+".html"), page, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestAddressesCanBeFollowed(t *testing.T) {
	for in, want := range map[string]string{
		"Backup at https://10.203.3.11:8006/.": `Backup at <a href="https://10.203.3.11:8006/">https://10.203.3.11:8006/</a>.`,
		`<b> https://[fd00::1]:8006/ "`:        `&lt;b&gt; <a href="https://[fd00::1]:8006/">https://[fd00::1]:8006/</a> &#34;`,
		"http://x javascript:alert(1)":         "http://x javascript:alert(1)",
	} {
		if got := string(linked(in)); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
	page, err := good().HTML()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`<li>Set up backups: Datacenter, Backup at <a href="https://10.203.3.11:8006/">`, `<a href="https://10.203.3.11:8644/">status page</a>`} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page lacks %s", want)
		}
	}
}
