package sim

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"io"
)

// Dump is what sqlite3 prints of a stand-in database: its rows as one statement.
func Dump(raw []byte) []byte {
	return []byte("PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE tree (inode INTEGER PRIMARY KEY NOT NULL, data BLOB);\nINSERT INTO tree VALUES(0,'" +
		base64.StdEncoding.EncodeToString(raw) + "');\nCOMMIT;\n")
}

// unpackedEquals reports whether a compressed dump holds a database.
func unpackedEquals(packed, raw []byte) bool {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return false
	}
	text, err := io.ReadAll(z)
	return err == nil && bytes.Equal(text, Dump(raw))
}
