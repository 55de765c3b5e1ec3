package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"ringboot/rehearsal/standin"
)

// op is one operation on another machine: the stand-ins of Ceph read and write
// the stores of their fellows.
type op struct {
	Do, Path, To string
	Content      []byte
	Mode         fs.FileMode
}

// file is fs.FileInfo and fs.DirEntry of a file elsewhere.
type file struct {
	N string
	S int64
	M fs.FileMode
	T time.Time
}

func (f file) Name() string               { return f.N }
func (f file) Size() int64                { return f.S }
func (f file) Mode() fs.FileMode          { return f.M }
func (f file) ModTime() time.Time         { return f.T }
func (f file) IsDir() bool                { return f.M.IsDir() }
func (f file) Sys() any                   { return nil }
func (f file) Type() fs.FileMode          { return f.M.Type() }
func (f file) Info() (fs.FileInfo, error) { return f, nil }

func fileOf(i fs.FileInfo) file { return file{i.Name(), i.Size(), i.Mode(), i.ModTime()} }

// perform does an operation for another member.
func (d *daemon) perform(o op) message {
	m := newReal(d.ctx)
	defer m.close()
	var out any
	var err error
	switch o.Do {
	case "read":
		out, err = m.ReadFile(o.Path)
	case "write":
		err = m.WriteDirect(o.Path, o.Content)
	case "remove":
		err = m.Remove(o.Path)
	case "rename":
		err = m.Rename(o.Path, o.To)
	case "symlink":
		err = m.Symlink(o.To, o.Path)
	case "mkdir":
		err = m.MkdirAll(o.Path, o.Mode)
	case "chmod":
		err = m.Chmod(o.Path, o.Mode)
	case "lstat":
		var i fs.FileInfo
		if i, err = m.Lstat(o.Path); err == nil {
			out = fileOf(i)
		}
	case "list":
		var list []file
		var found []fs.DirEntry
		found, err = m.ReadDir(o.Path)
		for _, e := range found {
			if i, e := e.Info(); e == nil {
				list = append(list, fileOf(i))
			}
		}
		out = list
	case "sync":
		err = m.Sync()
	case "unit":
		err = m.Unit(o.Path, o.To)
	case "ping":
	case "claim":
		if d.grants == nil || !d.grants.take(o.Path, o.To == "take") {
			err = errors.New("another change is under way")
		}
	case "state":
		out = m.UnitState(o.Path)
	case "addresses":
		out = m.Addresses()
	default:
		err = errors.New("no such operation: " + o.Do)
	}
	answer := message{}
	if err != nil {
		answer.Error = err.Error()
		if errors.Is(err, fs.ErrNotExist) {
			answer.Errno = "absent"
		}
	}
	answer.Bytes, _ = json.Marshal(out)
	return answer
}

// remote is another machine. What it does not carry over the wire it answers
// as this machine does.
type remote struct {
	*real
	name  string
	addrs []string
	port  string
	key   []byte
}

var _ standin.Machine = (*remote)(nil)

// Remote finds another member by name or address, nil if it does not answer.
func (m *real) Remote(host string) standin.Machine {
	raw, _ := m.ReadFile(hostCnf)
	conf, err := standin.ParseConf(raw)
	key, err2 := m.ReadFile(keyFile)
	if err != nil || err2 != nil {
		return nil
	}
	for _, n := range conf.Nodes {
		match := n.Name == host
		for _, a := range n.Addr {
			match = match || a == host
		}
		if !match {
			continue
		}
		if n.Name == m.node {
			return m
		}
		r := &remote{real: m, name: n.Name, addrs: n.Addr, port: port, key: key}
		if r.do(op{Do: "ping"}, nil) != nil {
			return nil
		}
		return r
	}
	return nil
}

func (r *remote) do(o op, out any) error {
	answer, err := ask(r.ctx, r.addrs, r.port, r.key, message{From: r.node, Op: &o})
	if err != nil {
		return err
	}
	if answer.Errno == "absent" {
		return &fs.PathError{Op: o.Do, Path: o.Path, Err: os.ErrNotExist}
	}
	if answer.Error != "" {
		return errors.New(answer.Error)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer.Bytes, out)
}

func (r *remote) Name() string { return r.name }

func (r *remote) ReadFile(path string) (content []byte, err error) {
	err = r.do(op{Do: "read", Path: path}, &content)
	return content, err
}

func (r *remote) WriteDirect(path string, content []byte) error {
	return r.do(op{Do: "write", Path: path, Content: content}, nil)
}

func (r *remote) Remove(path string) error { return r.do(op{Do: "remove", Path: path}, nil) }

func (r *remote) Rename(from, to string) error {
	return r.do(op{Do: "rename", Path: from, To: to}, nil)
}

func (r *remote) Symlink(target, path string) error {
	return r.do(op{Do: "symlink", Path: path, To: target}, nil)
}

func (r *remote) MkdirAll(path string, mode fs.FileMode) error {
	return r.do(op{Do: "mkdir", Path: path, Mode: mode}, nil)
}

func (r *remote) Chmod(path string, mode fs.FileMode) error {
	return r.do(op{Do: "chmod", Path: path, Mode: mode}, nil)
}

func (r *remote) Lstat(path string) (fs.FileInfo, error) {
	var f file
	if err := r.do(op{Do: "lstat", Path: path}, &f); err != nil {
		return nil, err
	}
	f.N = filepath.Base(path)
	return f, nil
}

func (r *remote) ReadDir(path string) ([]fs.DirEntry, error) {
	var list []file
	if err := r.do(op{Do: "list", Path: path}, &list); err != nil {
		return nil, err
	}
	var out []fs.DirEntry
	for _, f := range list {
		out = append(out, f)
	}
	return out, nil
}

func (r *remote) Sync() error { return r.do(op{Do: "sync"}, nil) }

func (r *remote) Unit(verb, unit string) error {
	return r.do(op{Do: "unit", Path: verb, To: unit}, nil)
}

func (r *remote) UnitState(unit string) string {
	state := "inactive"
	_ = r.do(op{Do: "state", Path: unit}, &state)
	return state
}

func (r *remote) Addresses() []string {
	var list []string
	_ = r.do(op{Do: "addresses"}, &list)
	return list
}
