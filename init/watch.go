package main

import (
	"bytes"
	"context"
	"sync"

	"golang.org/x/sys/unix"
)

const (
	// maxWatches is how many folders may be watched at a time, with those whose end is not seen yet. Each has a pipe, two goroutines and at
	// most maxUnsent bytes, twice.
	maxWatches = 64

	// maxUnsent is how many bytes of a watch's records wait for its reader, beyond what its pipe holds: some thousand. The server reads all the
	// time, so this is for the moments when it is not given a processor.
	maxUnsent = 128 << 10

	// watchWorkers is how many goroutines of watches may be inside a system call at a time: the one that is told by the kernel, and one that
	// goes through the tree of a new watch.
	watchWorkers = 2
)

// What a record begins with. After a space there follows a path relative to the watched folder, or two with slashes between, and a zero byte.
const (
	recordCreated  = 'C'
	recordModified = 'M'
	recordDeleted  = 'D'
	recordRenamed  = 'R' // from//to
	recordOverflow = 'O' // something happened that is not told
	recordEnd      = 'E' // an errno: the watch sees no more
)

// watches are folders whose changes are told. All share one inotify instance, of which the kernel gives a user few, on a whole node: so it is
// there only while something is watched.
type watches struct {
	files  *files
	lane   lane   // of new watches
	count  func() // notes what leaves garbage
	mutex  sync.Mutex
	all    map[*folderWatch]struct{}
	kernel *inotify // nil while nothing is watched
}

func newWatches(files *files, count func()) *watches {
	return &watches{files: files, lane: make(lane, 1), count: count, all: map[*folderWatch]struct{}{}}
}

// folderWatch is one folder that somebody watches, and what is not sent to them yet. Its pipe's other end says how long they do.
type folderWatch struct {
	place     *request // root, folder and path
	recursive bool
	pipe      *pollable
	top       *node // nil until the kernel watches it
	ended     bool
	wake      chan struct{}

	unsent     []byte
	spare      []byte
	last       int // where the last record begins
	overflowed bool
	ending     string
}

// handle answers when all is in place: what happens from then on is told.
func (w *watches) handle(from *line, asked *request) {
	err := w.begin(from.broken, asked)
	from.answer(asked, nil, nil, err)
}

func (w *watches) begin(broken context.Context, asked *request) error {
	if len(asked.descriptors) != 1 {
		return failed(whatRequest, unix.EINVAL)
	}
	one := &folderWatch{
		place:     &request{Root: asked.Root, Folder: asked.Folder, Path: asked.Path},
		recursive: asked.Recursive,
		pipe:      newPollable(asked.takeDescriptors()[0], make(lane, 1)),
		wake:      make(chan struct{}, 1),
	}
	if !one.pipe.canWait() {
		one.pipe.close()
		return failed(whatDescriptors, unix.EINVAL)
	}
	if err := w.admit(one); err != nil {
		one.pipe.close()
		return failed(whatWatch, err)
	}
	go w.send(one)
	go w.guard(broken, one)
	w.lane.enter()
	err := w.cover(one)
	w.lane.leave()
	if err != nil {
		w.end(one)
	}
	return failed(whatPath, err)
}

// guard ends a watch when its reader has gone, or the line is broken.
func (w *watches) guard(broken context.Context, one *folderWatch) {
	defer context.AfterFunc(broken, func() { w.end(one) })()
	one.pipe.awaitOtherEnd()
	w.end(one)
}

func (w *watches) admit(one *folderWatch) error {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if len(w.all) >= maxWatches {
		return unix.EMFILE
	}
	if w.kernel == nil {
		made, err := newInotify()
		if err != nil {
			return err
		}
		w.kernel = made
		go w.attend(made)
	}
	w.all[one] = struct{}{}
	return nil
}

// end leaves nothing of a watch. Again does nothing.
func (w *watches) end(one *folderWatch) {
	w.mutex.Lock()
	if one.ended {
		w.mutex.Unlock()
		return
	}
	one.ended = true
	delete(w.all, one)
	if len(w.all) == 0 && w.kernel != nil {
		w.kernel.close()
		w.kernel = nil
	} else {
		w.drop(one.top)
	}
	close(one.wake)
	w.mutex.Unlock()
	one.pipe.close()
}

// finish tells the reader why nothing more comes, and then ends. The mutex is held.
func (w *watches) finish(one *folderWatch, why string) {
	if one.ended || one.ending != "" {
		return
	}
	one.ending = why
	w.drop(one.top)
	one.ring()
}

// tell adds a record, unless it says the same as the one before. The mutex is held.
func (o *folderWatch) tell(kind byte, path ...[]byte) {
	if o.ended || o.overflowed || o.ending != "" {
		return
	}
	for _, one := range path {
		if len(one) >= maxPath { // no system call takes it
			return
		}
	}
	start := len(o.unsent)
	o.unsent = append(o.unsent, kind, ' ')
	o.unsent = append(o.unsent, bytes.Join(path, []byte("//"))...)
	o.unsent = append(o.unsent, 0)
	switch {
	case len(o.unsent) > maxUnsent:
		o.unsent = o.unsent[:start]
		o.overflowed = true
	case bytes.Equal(o.unsent[o.last:start], o.unsent[start:]):
		o.unsent = o.unsent[:start]
		return
	default:
		o.last = start
	}
	o.ring()
}

// overflow says that something was not told. The mutex is held.
func (o *folderWatch) overflow() {
	o.overflowed = true
	o.ring()
}

func (o *folderWatch) ring() {
	if o.ended {
		return
	}
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// send writes what is told, at the pace of the reader.
func (w *watches) send(one *folderWatch) {
	for range one.wake {
		data, isLast := w.takeUnsent(one)
		if one.pipe.writeAll(data) != nil || isLast {
			w.end(one)
			return
		}
	}
}

func (w *watches) takeUnsent(one *folderWatch) (data []byte, isLast bool) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	data = one.unsent
	if one.overflowed {
		data = append(data, recordOverflow, ' ', 0)
	}
	if one.ending != "" {
		data = append(append(data, recordEnd, ' '), one.ending...)
		data = append(data, 0)
	}
	one.unsent, one.spare, one.last, one.overflowed = one.spare[:0], data, 0, false
	return data, one.ending != ""
}

// awaitOtherEnd waits, without a thread, until nobody reads what is written here, or the pipe is closed.
func (p *pollable) awaitOtherEnd() {
	_ = p.raw.Read(func(descriptor uintptr) bool {
		interest := []unix.PollFd{{Fd: int32(descriptor)}}
		count, err := unix.Poll(interest, 0)
		return err == nil && count > 0
	})
}
