package bindings

import (
	"io/fs"
	"sync"
)

// Memory is a disk for a book that is kept for as long as a program runs. The
// zero value is empty and ready.
type Memory struct {
	mu    sync.Mutex
	files map[string][]byte
}

var _ Files = (*Memory)(nil)

// ReadFile implements Files.
func (m *Memory) ReadFile(path string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if text, ok := m.files[path]; ok {
		return text, nil
	}
	return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
}

// WriteFile implements Files.
func (m *Memory) WriteFile(path string, content []byte, _ fs.FileMode) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.files == nil {
		m.files = map[string][]byte{}
	}
	m.files[path] = content
	return nil
}

// Remove implements Files.
func (m *Memory) Remove(path string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.files, path)
	return nil
}
