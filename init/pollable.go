package main

import (
	"io"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// pollable is a descriptor on which a goroutine waits without a thread: the runtime's poller wakes it. Its system calls don't wait, but
// the kernel may take its time for one, so only as many as the lane has room for are under way.
type pollable struct {
	file *os.File
	raw  syscall.RawConn
	lane lane
}

// newPollable owns the descriptor from here on. It must be the only one of its open file: O_NONBLOCK would show in the others.
func newPollable(descriptor int, lane lane) *pollable {
	_ = unix.SetNonblock(descriptor, true) // it fails for nothing that is open
	file := os.NewFile(uintptr(descriptor), "")
	raw, _ := file.SyscallConn() // it fails for nil alone
	return &pollable{file, raw, lane}
}

// canWait tells whether the poller has taken the descriptor, which it refuses for some types and at the kernel's limits.
func (p *pollable) canWait() bool { return p.file.SetDeadline(time.Time{}) == nil }

// read waits until there is something, calling atEmpty before, and gives io.EOF at the end.
func (p *pollable) read(buffer []byte, atEmpty func()) (count int, err error) {
	waiting := p.raw.Read(func(descriptor uintptr) bool {
		count, err = p.carryOut(unix.Read, int(descriptor), buffer)
		if err == unix.EAGAIN {
			atEmpty()
			return false
		}
		return true
	})
	switch {
	case waiting != nil:
		return 0, waiting
	case err == nil && count == 0:
		return 0, io.EOF
	}
	return count, err
}

// interruptRead makes a read that waits, or else the next one, fail once with os.ErrDeadlineExceeded.
func (p *pollable) interruptRead() { _ = p.file.SetReadDeadline(time.Now()) }

// readOn ends an interruption.
func (p *pollable) readOn() { _ = p.file.SetReadDeadline(time.Time{}) }

// writeAll waits as long as the other side takes nothing.
func (p *pollable) writeAll(data []byte) error {
	for len(data) > 0 {
		var count int
		var err error
		waiting := p.raw.Write(func(descriptor uintptr) bool {
			count, err = p.carryOut(unix.Write, int(descriptor), data)
			return err != unix.EAGAIN
		})
		if waiting != nil {
			return waiting
		}
		if err != nil {
			return err
		}
		data = data[count:]
	}
	return nil
}

func (p *pollable) carryOut(call func(int, []byte) (int, error), descriptor int, buffer []byte) (int, error) {
	p.lane.enter()
	defer p.lane.leave()
	for {
		count, err := call(descriptor, buffer)
		if err != unix.EINTR {
			return count, err
		}
	}
}

// control does something else with the descriptor, which stays open meanwhile.
func (p *pollable) control(do func(descriptor int) error) error {
	var err error
	if closed := p.raw.Control(func(descriptor uintptr) { err = do(int(descriptor)) }); closed != nil {
		return closed
	}
	return err
}

// close ends what waits on it.
func (p *pollable) close() { _ = p.file.Close() }
