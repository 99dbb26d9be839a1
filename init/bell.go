package main

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// bell wakes the one thread that waits at it, and that alone: a channel of the runtime would first wake another thread to find out
// whose turn it is.
type bell int

func newBell() (bell, error) {
	descriptor, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	return bell(descriptor), err
}

// ring is remembered until somebody waits. It cannot block: no counter ever gets full of ones.
func (b bell) ring() {
	_, _ = unix.Write(int(b), binary.NativeEndian.AppendUint64(nil, 1))
}

// wait returns when the bell has rung since it last did, or for nothing.
func (b bell) wait() {
	var count [8]byte
	_, _ = unix.Read(int(b), count[:])
}
