package firstboot

import (
	"encoding/json"
	"strings"
	"testing"

	"ringboot/firstboot/acceptance/consent"
	"ringboot/firstboot/trust"
)

// Root's no is kept on the node where it is said, whoever else hears it now; an
// operator may say it over the channel, and to a settled node nobody can.
func TestANoIsKeptWhereItIsSaid(t *testing.T) {
	for name, by := range map[string]trust.Party{"root on frege": {As: []trust.Asker{trust.Root}, Name: "root"}, "the administrator with peers": {As: []trust.Asker{trust.Reader}, Name: trust.RoleOperator}} {
		root, h := seededRoot(t)
		a, err := Build(Options{Version: "test", Root: root, Works: true})
		if err != nil {
			t.Fatal(err)
		}
		asked, method, in := &a.Parts.Local.Methods, MethodAccept, `{"no":true}`
		if by.Name != "root" {
			asked, method, in = a.Parts.Methods, trust.MethodNo, ""
		}
		out, err := asked.Answer(t.Context(), by, method, json.RawMessage(in))
		var heard consent.Heard
		if err != nil || json.Unmarshal(out, &heard) != nil || strings.Join(heard.Nodes, " ") != "frege" || len(heard.Missing) != 2 {
			t.Errorf("%s: %s, %v", name, out, err)
		}
		if text, err := h.Files.ReadFile("/var/lib/ringboot/power-cut-no"); err != nil || !strings.HasPrefix(string(text), name+" at 20") {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
	root, h := settledRoot(t)
	a, err := Build(Options{Version: "test", Root: root, Works: true})
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.Parts.Methods.Answer(t.Context(), trust.Party{As: []trust.Asker{trust.Reader}, Name: trust.RoleOperator}, trust.MethodNo, nil)
	if _, kept := h.Files.ReadFile("/var/lib/ringboot/power-cut-no"); err == nil || kept == nil {
		t.Errorf("a settled node took a no: %v", err)
	}
}
