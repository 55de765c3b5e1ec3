package browser

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Program is what must be there, with its Debian package of the same name.
const Program = "chromium"

// Layout is what a browser made of a page at one width.
type Layout struct {
	Page   int      // width that the page needs, in CSS pixels
	Height int      // of the page, in CSS pixels
	Cut    []string // what is wider than the place that it has, or stands outside of its drawing
	Small  []string // text of less than 10 pixels
}

// script runs beside the page, in a document around it: the page's own policy
// may forbid scripts, and it is looked at as it is sent.
const script = `addEventListener('load', () => document.title = JSON.stringify([...document.querySelectorAll('iframe')].map(f => {
  const d = f.contentDocument, w = d.defaultView;
  const out = {Page: d.documentElement.scrollWidth, Height: d.documentElement.scrollHeight, Cut: [], Small: []};
  const name = e => (e.tagName + ' ' + (e.textContent || '').trim().slice(0, 40)).replace(/\s+/g, ' ');
  for (const e of d.body.querySelectorAll('*')) {
    const s = w.getComputedStyle(e);
    if (!e.ownerSVGElement && s.overflowX !== 'visible' && e.scrollWidth > e.clientWidth + 1) out.Cut.push(name(e));
    let size = parseFloat(s.fontSize);
    if (e.ownerSVGElement && e.tagName === 'text') {
      const v = e.ownerSVGElement.viewBox.baseVal, b = e.getBBox();
      if (b.x < 0 || b.y < 0 || b.x + b.width > v.width || b.y + b.height > v.height) out.Cut.push(name(e));
      size *= e.ownerSVGElement.getBoundingClientRect().width / v.width;
    }
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (own && s.display !== 'none' && size < 10 && e.getClientRects().length) out.Small.push(name(e) + ' (' + size.toFixed(1) + ')');
  }
  return out;
})));`

// Look lays a page out at some widths, in CSS pixels, and says of each what does
// not fit. It leaves files in the directory.
func Look(ctx context.Context, dir string, page []byte, widths ...int) ([]Layout, error) {
	around := filepath.Join(dir, "around.html")
	text := "<!doctype html><title></title><script>" + script + "</script>"
	for _, w := range widths {
		text += fmt.Sprintf(`<iframe style="border:0;width:%dpx;height:900px" srcdoc="%s"></iframe>`, w, html.EscapeString(string(page)))
	}
	if err := os.WriteFile(around, []byte(text), 0o600); err != nil {
		return nil, err
	}
	// The name of this machine resolves to nothing: a page that asks the network
	// for something is met by the policy that it is sent with, not here.
	cmd := exec.CommandContext(ctx, Program, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--host-resolver-rules=MAP * ~NOTFOUND",
		"--user-data-dir="+filepath.Join(dir, "profile"), "--window-size=1600,1000", "--dump-dom", "file://"+around)
	var said bytes.Buffer
	cmd.Stderr = &said
	dom, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", Program, err, said.String())
	}
	_, rest, _ := strings.Cut(string(dom), "<title>")
	title, _, _ := strings.Cut(rest, "</title>")
	var out []Layout
	if err := json.Unmarshal([]byte(html.UnescapeString(title)), &out); err != nil {
		return nil, fmt.Errorf("what %s laid out is not understood: %w: %.300s", Program, err, dom)
	}
	return out, nil
}
