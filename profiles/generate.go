package profiles

//go:generate go test -run TestGeneratedFiles -update . ./inventory
