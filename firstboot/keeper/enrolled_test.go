package keeper

import (
	"encoding/json"

	"ringboot/firstboot/host"
	"ringboot/firstboot/trust"
	"ringboot/firstboot/trust/bindings"
	"ringboot/profiles"
)

// identityIn is the node whose voucher lies there, with the key of its own that
// it made at its first start, and its book.
func identityIn(f host.Files, nodes []string) (*trust.Identity, *bindings.Book, error) {
	var texts [3][]byte
	for i, path := range []string{profiles.CAFile, profiles.CertFile, profiles.KeyFile} {
		text, err := f.ReadFile(path)
		if err != nil {
			return nil, nil, err
		}
		texts[i] = text
	}
	var own trust.Own
	text, err := host.ReadOptional(f, profiles.OwnFile)
	if err != nil {
		return nil, nil, err
	}
	if text == nil {
		voucher, err := trust.ParseIdentity(texts[0], texts[1], texts[2])
		if err != nil {
			return nil, nil, err
		}
		if own, err = voucher.Enrol(); err != nil {
			return nil, nil, err
		}
		if text, err = json.Marshal(own); err != nil {
			return nil, nil, err
		}
		if err := f.WriteFile(profiles.OwnFile, text, 0o600); err != nil {
			return nil, nil, err
		}
	}
	if err := json.Unmarshal(text, &own); err != nil {
		return nil, nil, err
	}
	id, err := own.Identity()
	if err != nil {
		return nil, nil, err
	}
	book, err := bindings.Open(bindings.Options{Files: f, CA: id.CA, Nodes: nodes, Self: id.Name})
	if err != nil {
		return nil, nil, err
	}
	id.Judge = book
	return id, book, book.Show(id.Enrolment())
}
