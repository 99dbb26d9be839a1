package main

import (
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// maxListDepth is how many folders deep a listing goes; each level holds a descriptor.
	maxListDepth = 256

	// listBuffer is how many bytes of records are gathered before they are written.
	listBuffer = 32 << 10

	// slowReader is how long, beyond the listing's own time, its reader may take for the rest.
	slowReader = 2 * time.Second

	// longestListing bounds what a request may ask for.
	longestListing = time.Minute
)

// Why a listing is not whole.
const (
	partialEntries = "entries"
	partialTime    = "time"
	partialError   = "error"
)

type listAnswer struct {
	Entries int64  `json:"entries"`
	Partial string `json:"partial"`
}

// list writes what is beneath a folder to a pipe, symlinks not followed, sorted within each folder.
func (f *files) list(asked *request) (any, []int, error) {
	if len(asked.descriptors) != 1 {
		return nil, nil, failed(whatRequest, unix.EINVAL)
	}
	at, err := f.locate(asked)
	if err != nil {
		return nothingMore(err)
	}
	defer at.close()
	folder, err := f.resolver.open(at.folder, at.path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nothingMore(err)
	}
	defer func() { _ = unix.Close(folder) }()
	deadline := time.Now().Add(min(max(time.Duration(asked.MaxMS)*time.Millisecond, 0), longestListing))
	pipe, err := newPipeWriter(asked.descriptors[0], deadline.Add(slowReader))
	if err != nil {
		return nil, nil, failed(whatDescriptors, err)
	}
	listing := &listing{pipe: pipe, deadline: deadline, left: asked.MaxEntries, depth: asked.MaxDepth}
	err = listing.walk(folder, "", 0)
	if err == nil || err == errListingEnds {
		err = pipe.flush()
	}
	if err != nil {
		return nil, nil, failed(whatDescriptors, err)
	}
	return listAnswer{listing.written, listing.partial}, nil, nil
}

// listing is one walk through a tree.
type listing struct {
	pipe     *pipeWriter
	deadline time.Time
	left     int64
	depth    int // levels that are wanted, none for all
	written  int64
	partial  string
}

// errListingEnds ends a walk whose bounds are reached.
var errListingEnds = fmt.Errorf("the listing's bounds are reached")

func (l *listing) end(why string) error {
	l.partial = why
	return errListingEnds
}

// missed notes that something could not be read; the listing goes on.
func (l *listing) missed() { l.partial = partialError }

func (l *listing) walk(folder int, path string, depth int) error {
	names, more, err := readNames(folder, int(min(l.left, int64(^uint(0)>>2))))
	if err != nil {
		l.missed()
	}
	slices.Sort(names)
	for _, name := range names {
		if err := l.entry(folder, name, joinPath(path, name), depth); err != nil {
			return err
		}
	}
	if more {
		return l.end(partialEntries)
	}
	return nil
}

func (l *listing) entry(folder int, name, path string, depth int) error {
	var seen unix.Stat_t
	err := unix.Fstatat(folder, name, &seen, unix.AT_SYMLINK_NOFOLLOW)
	if err == unix.ENOENT {
		return nil
	}
	if err != nil {
		l.missed()
		return nil
	}
	if l.left <= 0 {
		return l.end(partialEntries)
	}
	if time.Now().After(l.deadline) {
		return l.end(partialTime)
	}
	l.left--
	l.written++
	record := fmt.Appendf(nil, "%s %o %d %d %s\x00", typeOf(&seen), permissions(&seen), seen.Size, seen.Mtim.Nano(), path)
	if err := l.pipe.write(record); err != nil {
		return err
	}
	if isFolder(&seen) && (l.depth <= 0 || depth+1 < l.depth) {
		return l.descend(folder, name, path, depth+1)
	}
	return nil
}

func (l *listing) descend(folder int, name, path string, depth int) error {
	if depth > maxListDepth {
		l.missed()
		return nil
	}
	inner, err := openFolder(folder, name)
	if err != nil {
		if err != unix.ENOENT {
			l.missed()
		}
		return nil
	}
	defer func() { _ = unix.Close(inner) }()
	return l.walk(inner, path, depth)
}

// pipeWriter writes to a pipe whose reader may be slow or gone, and never waits beyond its deadline.
type pipeWriter struct {
	pipe     int
	deadline time.Time
	pending  []byte
}

func newPipeWriter(pipe int, deadline time.Time) (*pipeWriter, error) {
	return &pipeWriter{pipe: pipe, deadline: deadline}, unix.SetNonblock(pipe, true)
}

func (w *pipeWriter) write(record []byte) error {
	w.pending = append(w.pending, record...)
	if len(w.pending) < listBuffer {
		return nil
	}
	return w.flush()
}

func (w *pipeWriter) flush() error {
	for len(w.pending) > 0 {
		count, err := unix.Write(w.pipe, w.pending)
		switch err {
		case nil:
			w.pending = w.pending[count:]
		case unix.EINTR:
		case unix.EAGAIN:
			if err := w.wait(); err != nil {
				return err
			}
		default:
			return err
		}
	}
	w.pending = w.pending[:0]
	return nil
}

func (w *pipeWriter) wait() error {
	left := time.Until(w.deadline)
	if left <= 0 {
		return unix.ETIMEDOUT
	}
	interest := []unix.PollFd{{Fd: int32(w.pipe), Events: unix.POLLOUT}}
	count, err := unix.Poll(interest, int(left.Milliseconds())+1)
	if err == unix.EINTR || count > 0 {
		return nil
	}
	if err != nil {
		return err
	}
	return unix.ETIMEDOUT
}
