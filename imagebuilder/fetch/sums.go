package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
)

// known is the checksum of a file, as long as the file is the same one.
type known struct {
	Path    string `json:"path"`
	Size    int64  `json:"size"`
	ModTime int64  `json:"mod_time"` // nanoseconds
	Inode   uint64 `json:"inode"`
	SHA256  string `json:"sha256"`
}

// Sum returns the SHA-256 sum of a file. A file that did not change since an
// earlier call (size, time and inode) is not read again. dir keeps what is known.
func Sum(ctx context.Context, dir, path string, progress func(done, total int64)) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	is, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	now := known{Path: path, Size: is.Size(), ModTime: is.ModTime().UnixNano(), Inode: inode(is)}
	name := sha256.Sum256([]byte(path))
	note := filepath.Join(dir, hex.EncodeToString(name[:8])+".json")
	if text, err := os.ReadFile(note); err == nil {
		var before known
		if json.Unmarshal(text, &before) == nil {
			sum := before.SHA256
			before.SHA256 = ""
			if before == now && len(sum) == hex.EncodedLen(sha256.Size) {
				return sum, nil
			}
		}
	}
	now.SHA256, err = Hash(ctx, path, progress)
	if err != nil {
		return "", err
	}
	keep(dir, note, now)
	return now.SHA256, nil
}

// keep writes the note. It only saves time, so a disk that is full or
// read-only is no error.
func keep(dir, note string, k known) {
	text, err := json.Marshal(k)
	if err != nil || os.MkdirAll(dir, 0o755) != nil {
		return
	}
	f, err := os.CreateTemp(dir, ".sum-*")
	if err != nil {
		return
	}
	_, err = f.Write(text)
	if f.Close() != nil || err != nil || os.Rename(f.Name(), note) != nil {
		os.Remove(f.Name())
	}
}
