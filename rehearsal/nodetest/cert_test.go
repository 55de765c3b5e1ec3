package nodetest_test

import (
	"encoding/pem"
	"errors"
)

// parseCert returns the DER of the first PEM block.
func parseCert(text []byte) ([]byte, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("no PEM")
	}
	return block.Bytes, nil
}
