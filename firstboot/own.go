package firstboot

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"ringboot/firstboot/host"
	"ringboot/firstboot/keeper"
	"ringboot/firstboot/trust"
	"ringboot/firstboot/trust/bindings"
	"ringboot/profiles"
)

// identityOf is who this node is to others: by the key that it made itself, and
// by the book of which key counts for whom. An agent that only looks, and finds
// no own key, is who its stick says, and has no book.
func identityOf(p *Parts) (*trust.Identity, *bindings.Book, error) {
	own, place, err := ownOf(p)
	if errors.Is(err, errNotEnrolled) {
		id, err := voucherOf(p)
		return id, nil, err
	}
	if err != nil {
		return nil, nil, err
	}
	p.place = place
	id, err := own.Identity()
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", profiles.OwnFile, err)
	}
	if id.Name != p.Node.Name || id.ClusterID != p.Seed.ClusterID {
		return nil, nil, fmt.Errorf("%s is the key of %s in cluster %s, the seed is that of %s in cluster %s: install this machine anew", profiles.OwnFile, id.Name, id.ClusterID, p.Node.Name, p.Seed.ClusterID)
	}
	book, err := bookOf(p, id)
	if err != nil {
		return nil, nil, err
	}
	id.Judge, p.book = book, book
	if host.Exists(p.Host.Files, nextOwnFile) && p.enrol {
		if err := p.finishRenewal(); err != nil {
			return nil, nil, err
		}
		return identityOf(p)
	}
	return id, book, nil
}

// errNotEnrolled says that a node has no key of its own yet.
var errNotEnrolled = errors.New("this node has no key of its own yet")

// ownOf reads the node's own key, and says where it lies. An agent that goes to
// work makes it, once: it lies on the disk before anybody sees it.
func ownOf(p *Parts) (own trust.Own, place string, err error) {
	text, err := p.Host.Files.ReadFile(profiles.OwnFile)
	switch {
	case err == nil:
		k, err := parseKept(p, profiles.OwnFile, text)
		if err == nil {
			own, err = k.open(p)
		}
		return own, k.place(), err
	case !errors.Is(err, fs.ErrNotExist):
		return own, "", err
	case !p.enrol:
		return own, "", errNotEnrolled
	}
	id, err := voucherOf(p)
	if err != nil {
		return own, "", err
	}
	if own, err = id.Enrol(); err != nil {
		return own, "", err
	}
	k := keep(p, own)
	return own, k.place(), k.write(p, profiles.OwnFile)
}

// voucherOf is who the stick says that this node is.
func voucherOf(p *Parts) (*trust.Identity, error) {
	var texts [3][]byte
	for i, path := range []string{profiles.CAFile, profiles.CertFile, profiles.KeyFile} {
		text, err := p.Host.Files.ReadFile(path)
		if err != nil {
			return nil, err
		}
		texts[i] = text
	}
	return trust.ParseIdentity(texts[0], texts[1], texts[2])
}

// bookOf opens the book, with what the keeper heard while the builder was away.
func bookOf(p *Parts, id *trust.Identity) (*bindings.Book, error) {
	var nodes []string
	for _, n := range p.Profile.Nodes {
		nodes = append(nodes, n.Name)
	}
	book, err := bindings.Open(bindings.Options{Files: p.Host.Files, CA: id.CA, Nodes: nodes, Added: p.Profile.Added(), Self: p.Node.Name, Least: p.Seed.Issues, Changed: p.rekeyed})
	if err != nil {
		return nil, err
	}
	if enrolment := id.Enrolment(); !book.Agreed() {
		if err := book.Show(enrolment); err != nil {
			return nil, err
		}
	}
	var heard bindings.Document
	if text, err := p.Host.Files.ReadFile(keeper.BindingsFile); err == nil && json.Unmarshal(text, &heard) == nil {
		if _, err := book.Adopt(heard); err != nil {
			p.Log("what the keeper heard of the nodes' keys is left: " + err.Error())
		}
	}
	return book, nil
}
