package browser

import (
	"fmt"
	"maps"
	"regexp"
	"strings"

	"github.com/lucasb-eyer/go-colorful"
)

// Readable is the least contrast of text, WCAG 2.2, 1.4.3 (level AA).
const Readable = 4.5

// Pair is a colour of text and the one behind it, by their names in the style sheet.
type Pair struct{ Text, Behind string }

// On pairs each of some colours of text with each of some backgrounds; names
// are separated by spaces.
func On(texts, behind string) (out []Pair) {
	for t := range strings.FieldsSeq(texts) {
		for b := range strings.FieldsSeq(behind) {
			out = append(out, Pair{t, b})
		}
	}
	return out
}

var (
	root   = regexp.MustCompile(`:root\{[^}]*\}`)
	colour = regexp.MustCompile(`--([a-z]+):#([0-9a-f]{6}|[0-9a-f]{3})\b`)
)

// Contrasts are the ratios of the pairs in each palette of a page: a ":root" of
// its style sheet is one, the first the light one. What a later one leaves out
// is as in the first. A colour of a palette that no pair names is an error: a
// new one is not left unmeasured.
func Contrasts(page []byte, pairs []Pair) (map[string]float64, error) {
	out := map[string]float64{}
	base := map[string]float64{}
	palettes := root.FindAll(page, -1)
	if len(palettes) == 0 {
		return nil, fmt.Errorf("the page has no palette")
	}
	used := map[string]bool{}
	for i, text := range palettes {
		light := maps.Clone(base)
		for _, m := range colour.FindAllSubmatch(text, -1) {
			light[string(m[1])] = luminance(string(m[2]))
		}
		if i == 0 {
			base = light
		}
		for _, p := range pairs {
			a, okA := light[p.Text]
			b, okB := light[p.Behind]
			if !okA || !okB {
				return nil, fmt.Errorf("palette %d lacks %s or %s", i, p.Text, p.Behind)
			}
			used[p.Text], used[p.Behind] = true, true
			out[fmt.Sprintf("%s on %s, palette %d", p.Text, p.Behind, i)] = (max(a, b) + 0.05) / (min(a, b) + 0.05)
		}
		for name := range light {
			if !used[name] && name != "line" && name != "rule" { // borders: no text has them
				return nil, fmt.Errorf("no pair has the colour %s of palette %d", name, i)
			}
		}
	}
	return out, nil
}

// luminance is the relative luminance of a colour in hexadecimal digits, WCAG 2.2.
func luminance(digits string) float64 {
	c, _ := colorful.Hex("#" + digits) // the pattern lets digits alone through
	r, g, b := c.LinearRgb()
	return 0.2126*r + 0.7152*g + 0.0722*b
}
