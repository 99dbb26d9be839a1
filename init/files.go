package main

import (
	"crypto/rand"
	"encoding/binary"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// files are the operations on names of the workspace.
type files struct {
	resolver resolver
	mutex    sync.Mutex
	tickets  map[int64]*draft
	last     int64
	commits  sync.Mutex // no commit comes between another's look and its change
}

func newFiles(resolver resolver) *files {
	return &files{resolver: resolver, tickets: map[int64]*draft{}, last: ticketStart()}
}

// ticketStart chooses where the tickets of this init start: one that a former init has given must never fit a draft of this one.
func ticketStart() int64 {
	var random [8]byte
	_, _ = rand.Read(random[:]) // it never fails
	return int64(binary.NativeEndian.Uint64(random[:]) >> ticketRoomBits)
}

// place is a path of a request beneath the descriptor of its session's folder.
type place struct {
	folder int
	path   string
}

func (p place) close() { _ = unix.Close(p.folder) }

// locate opens the session's folder. The path is only looked at for what no resolver takes.
func (f *files) locate(asked *request) (place, error) {
	path, err := cleanPath(asked.Path)
	if err != nil {
		return place{}, failed(whatPath, err)
	}
	folder, err := cleanPath(asked.Folder)
	if err != nil {
		return place{}, failed(whatFolder, err)
	}
	allowed, err := cleanRoot(asked.Root)
	if err != nil {
		return place{}, failed(whatRoot, err)
	}
	root, err := f.resolver.openRoot(allowed)
	if err != nil {
		return place{}, failed(whatRoot, err)
	}
	defer func() { _ = unix.Close(root) }()
	descriptor, err := f.resolver.open(root, folder, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return place{}, failed(whatFolder, err)
	}
	return place{descriptor, path}, nil
}

func (f *files) openWorkingFolder(asked *request) (int, error) {
	at, err := f.locate(asked)
	if err != nil {
		return -1, err
	}
	defer at.close()
	descriptor, err := f.resolver.open(at.folder, at.path, unix.O_PATH|unix.O_DIRECTORY, 0)
	return descriptor, failed(whatPath, err)
}

// splitPath parts a path from its last name. Slashes at the end are told, as they ask for a folder.
func splitPath(path string) (parent, name string, asksFolder bool) {
	trimmed := strings.TrimRight(path, "/")
	slash := strings.LastIndexByte(trimmed, '/')
	parent, name = trimmed[:slash+1], trimmed[slash+1:]
	if parent == "" {
		parent = "."
	}
	return parent, name, len(trimmed) < len(path)
}

// openParent opens the folder that holds the path's last name.
func (f *files) openParent(folder int, parent string) (int, error) {
	return f.resolver.open(folder, parent, unix.O_PATH|unix.O_DIRECTORY, 0)
}

func isFolder(seen *unix.Stat_t) bool { return seen.Mode&unix.S_IFMT == unix.S_IFDIR }

// typeOf says what something is: a file, a folder, a symlink or another thing.
func typeOf(seen *unix.Stat_t) string {
	switch seen.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return "f"
	case unix.S_IFDIR:
		return "d"
	case unix.S_IFLNK:
		return "l"
	}
	return "o"
}

func permissions(seen *unix.Stat_t) uint32 { return seen.Mode & 0o7777 }

func nothingMore(err error) (any, []int, error) { return nil, nil, failed(whatPath, err) }
