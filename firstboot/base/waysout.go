package base

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/pve"
	"ringboot/firstboot/step"
	"ringboot/profiles"
)

// proxyFile is ours alone: what the owner has in other files of apt stays, and
// this one, which is read after that of Proxmox VE, counts.
const proxyFile = "/etc/apt/apt.conf.d/95ringboot-proxy"

// proxyText is the file for a proxy, "" for none.
func proxyText(proxy string) string {
	if proxy == "" {
		return ""
	}
	return fmt.Sprintf("// Ringboot: proxmox.proxy\nAcquire::http::Proxy \"%s\";\nAcquire::https::Proxy \"%[1]s\";\n", proxy)
}

// proxyItem has apt reach its sources through the profile's proxy. The cluster's
// own option follows once there is a cluster.
func proxyItem(h host.Host, p *profiles.Profile) item {
	want := proxyText(p.Proxmox.Proxy)
	return item{"proxy", func(context.Context) (step.Verdict, error) {
		have, err := host.ReadOptional(h.Files, proxyFile)
		if err != nil {
			return step.Verdict{}, err
		}
		if string(have) == want {
			return step.IsDone(""), nil
		}
		change := step.Change{Object: proxyFile, Have: "another proxy", Want: p.Proxmox.Proxy}
		if len(have) == 0 {
			change.Have = ""
		}
		if want == "" {
			change.Want = "no proxy"
		}
		return step.Do("apt does not go through the proxy of the profile", change), nil
	}, func(context.Context) error {
		if want == "" {
			return h.Files.Remove(proxyFile)
		}
		return h.Files.WriteFile(proxyFile, []byte(want), 0o644)
	}}
}

// keyBegun lies there while a key is being entered: the tool keeps it first and
// asks the shop then.
const keyBegun = "/var/lib/ringboot/subscription-begun"

// subscriptionAgain is how long a key that was not taken is left alone.
const subscriptionAgain = time.Hour

// subscription enters the node's key. Whether it is good is for Proxmox's shop to
// say, which may be out of reach: the cluster is formed all the same.
type subscription struct {
	host host.Host
	node profiles.Node

	tried   time.Time
	refused string
}

func (s *subscription) shell() pve.Shell { return pve.Shell{Host: s.host, Node: s.node.Name} }

func (s *subscription) look(ctx context.Context) (step.Verdict, error) {
	v := step.IsDone("")
	if s.node.Subscription == "" {
		return v, nil
	}
	have, err := s.shell().Subscription(ctx)
	half := host.Exists(s.host.Files, keyBegun)
	switch {
	case errors.Is(err, host.ErrMissing):
		v.Risks = append(v.Risks, fmt.Sprintf("the subscription key of %s is not entered, because this machine lacks the program for it (%v)", s.node.Name, err))
	case err != nil:
		return step.Verdict{}, err
	case half:
		return step.Do("the subscription key of the profile was entered by half", step.Change{Object: "subscription", Have: "not asked about", Want: "the key of the profile"}), nil
	case have.Key == s.node.Subscription && !have.Active():
		v.Risks = append(v.Risks, fmt.Sprintf("the subscription key of %s is entered and not active (%s): see Subscription in the web interface, or pvesubscription update", s.node.Name, have.Says()))
	case have.Key == s.node.Subscription:
	case s.refused != "" && s.host.Clock.Now().Sub(s.tried) < subscriptionAgain:
		v.Risks = append(v.Risks, fmt.Sprintf("the subscription key of %s was not taken (%s): correct nodes[].subscription, or enter it by hand", s.node.Name, s.refused))
	default:
		change := step.Change{Object: "subscription", Have: "none", Want: "the key of the profile"}
		if have.Key != "" {
			change.Have = "another key"
		}
		return step.Do("the subscription key of the profile is not entered", change), nil
	}
	return v, nil
}

func (s *subscription) make(ctx context.Context) error {
	if err := s.host.Files.WriteFile(keyBegun, nil, 0o600); err != nil {
		return err
	}
	err := s.shell().EnterSubscription(ctx, s.node.Subscription)
	var refused *pve.Refused
	if errors.As(err, &refused) {
		s.tried, s.refused = s.host.Clock.Now(), refused.Said
	} else if err != nil {
		return err
	}
	return s.host.Files.Remove(keyBegun)
}

// relayHost is a smarthost as Postfix wants it: without a look for others that
// take the domain's mail.
func relayHost(smarthost string) string {
	name, port, err := net.SplitHostPort(smarthost)
	if err != nil {
		return "[" + strings.Trim(smarthost, "[]") + "]"
	}
	return "[" + name + "]:" + port
}

// mailItem has the node send its mail through the profile's smarthost.
func mailItem(h host.Host, p *profiles.Profile) item {
	s := service{h, "postfix", "reload"}
	return item{"mail", func(ctx context.Context) (step.Verdict, error) {
		if p.Cluster.Smarthost == "" {
			return step.IsDone(""), nil
		}
		out, err := host.Run(ctx, h.Commands, host.Cmd{Argv: []string{"postconf", "-h", "relayhost"}, ReadOnly: true, Timeout: time.Minute})
		if errors.Is(err, host.ErrMissing) {
			v := step.IsDone("")
			v.Risks = []string{"Postfix is not installed, so no mail goes to cluster.smarthost: apt install postfix"}
			return v, nil
		}
		if err != nil {
			return step.Verdict{}, err
		}
		have, want := strings.TrimSpace(out), relayHost(p.Cluster.Smarthost)
		if have == want && !s.pending() {
			return step.IsDone(""), nil
		}
		return step.Do("mail does not go through the smarthost of the profile", step.Change{Object: "relayhost of Postfix", Have: have, Want: want}), nil
	}, func(ctx context.Context) error {
		if err := h.Files.WriteFile(s.mark(), nil, 0o600); err != nil {
			return err
		}
		if _, err := host.Run(ctx, h.Commands, host.Cmd{Argv: []string{"postconf", "-e", "relayhost=" + relayHost(p.Cluster.Smarthost)}, Timeout: time.Minute}); err != nil {
			return err
		}
		return s.settle(ctx)
	}}
}
