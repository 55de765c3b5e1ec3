package profiles

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"ringboot/profiles/form"
)

// SchemaID names the JSON Schema of this format.
const SchemaID = "https://ringboot.invalid/profile-1.json"

// Schema is the JSON Schema of a profile. Rules that need two values are Load's.
func Schema() []byte {
	root := formOf(keyTable()).Schema(reflect.TypeFor[Profile]())
	root["$id"] = SchemaID
	root["title"] = "Ringboot profile"
	text, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		panic("schema: " + err.Error()) // maps of strings and numbers: cannot happen
	}
	return append(text, '\n')
}

// formOf is how a profile of these keys is read.
func formOf(keys map[string]form.Key) form.Form {
	return form.Form{Keys: keys, Refused: refusal, Says: sayAddress,
		Words: map[string]form.Word{"nodes[].osd_disks[]": {Text: RestWord, Means: DiskName{Rest: true}}}}
}

// six ends the names of keys that hold IPv6.
const six = "6"

// sayAddress is what to write where an address or a network could not be read.
func sayAddress(path, value string) string {
	is := "an IPv4 address such as 10.203.3.11"
	switch {
	case strings.HasSuffix(path, "prefix"):
		is = "an IPv4 network such as 10.203.3.0/24"
	case strings.HasSuffix(path, "prefix"+six):
		is = "an IPv6 network such as 2001:db8::/64"
	case strings.HasSuffix(path, six):
		is = "an IPv6 address such as 2001:db8::11"
	}
	if slices.Contains([]string{"dhcp", "auto", "slaac"}, strings.ToLower(value)) {
		return ", because " + refusal("management.dhcp") + "; write " + is
	}
	return "; write " + is
}
