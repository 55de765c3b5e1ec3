package profiles

import (
	"encoding/json"
	"strings"
)

// Consent is a word on something that hurts: given, not given, or given unless
// somebody says no while it is told. In a profile the first two are true and false.
type Consent string

// The consents. What is none of them is not given.
const (
	ConsentNo  Consent = "false"
	ConsentYes Consent = "true"
	ConsentAsk Consent = "ask"
)

// Given reports whether it can come to what the consent is for.
func (c Consent) Given() bool { return c == ConsentYes || c == ConsentAsk }

// plain is what stands in a text: a truth value where it can be one, as it was
// before there was a third.
func (c Consent) plain() any {
	if c == ConsentAsk {
		return string(c)
	}
	return c == ConsentYes
}

// MarshalYAML writes it as a profile has it.
func (c Consent) MarshalYAML() (any, error) { return c.plain(), nil }

// MarshalJSON writes it as a profile has it.
func (c Consent) MarshalJSON() ([]byte, error) { return json.Marshal(c.plain()) }

// UnmarshalJSON reads what MarshalJSON wrote.
func (c *Consent) UnmarshalJSON(text []byte) error {
	*c = Consent(strings.Trim(string(text), `"`))
	return nil
}

// Schema is what an editor is told of it.
func (Consent) Schema() map[string]any {
	return map[string]any{"type": []string{"boolean", "string", "null"}, "enum": []any{false, true, string(ConsentAsk), nil}}
}
