package main

import (
	"context"
	"io"
	"runtime"

	"golang.org/x/sys/unix"
)

const (
	// archiveWorkers is how many archives may be under way at a time, those that wait for a slow client among them. Each is one goroutine,
	// so it is inside one system call at most.
	archiveWorkers = 4

	// archiveBuffer is how many bytes of an archive are gathered: what a pipe holds, so that each end finds work for a whole turn.
	archiveBuffer = 64 << 10
)

// archives are folders that travel as one stream. Their clients may be as slow as they like: what waits for one holds no thread, and no
// place that another operation needs.
type archives struct {
	files *files
	lane  lane
	count func() // notes what leaves garbage
}

func newArchives(files *files, count func()) *archives {
	return &archives{files: files, lane: make(lane, archiveWorkers), count: count}
}

// handle answers when the archive is carried and its pipe closed.
func (a *archives) handle(from *line, asked *request, carry func(*request, *pollable) (any, error)) {
	found, err := a.carryOut(from.broken, asked, carry)
	from.answer(asked, found, nil, err)
}

// carryOut ends, by closing the pipe, what is under way when the line breaks.
func (a *archives) carryOut(broken context.Context, asked *request, carry func(*request, *pollable) (any, error)) (any, error) {
	if len(asked.descriptors) != 1 {
		return nil, failed(whatRequest, unix.EINVAL)
	}
	select {
	case a.lane <- struct{}{}:
		defer a.lane.leave()
	case <-broken.Done():
		return nil, failed(whatRequest, unix.ECANCELED)
	}
	pipe := newPollable(asked.takeDescriptors()[0], make(lane, 1))
	defer pipe.close()
	if !pipe.canWait() {
		return nil, failed(whatDescriptors, unix.EINVAL)
	}
	defer context.AfterFunc(broken, pipe.close)()
	return carry(asked, pipe)
}

// pause lets others go on between two entries: the runtime's monitor, which would see to that, is a lazy one here.
func (a *archives) pause() {
	a.count()
	runtime.Gosched()
}

// pipeReader reads an archive, and tells whether its pipe has ended.
type pipeReader struct {
	pipe  *pollable
	count func()
	ended bool
}

func (r *pipeReader) Read(buffer []byte) (int, error) {
	r.count()
	count, err := r.pipe.read(buffer, func() {})
	r.ended = r.ended || err == io.EOF
	return count, err
}

type pipeEnd struct{ pipe *pollable }

func (w pipeEnd) Write(data []byte) (int, error) {
	if err := w.pipe.writeAll(data); err != nil {
		return 0, err
	}
	return len(data), nil
}
