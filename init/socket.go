package main

import (
	"io"
	"net"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// socket is this end of the line as plain system calls have it: one thread waits in the kernel for what comes. The runtime's poller would
// wake two for each packet, and one more each time the server has taken an answer.
type socket struct {
	descriptor int
	broken     atomic.Bool
}

// takeOver takes a connection out of the runtime's poller.
func takeOver(connection *net.UnixConn) (*socket, error) {
	defer func() { _ = connection.Close() }()
	raw, err := connection.SyscallConn()
	if err != nil {
		return nil, err
	}
	copied := -1
	if closed := raw.Control(func(descriptor uintptr) {
		copied, err = unix.FcntlInt(descriptor, unix.F_DUPFD_CLOEXEC, 0)
	}); closed != nil {
		return nil, closed
	}
	if err != nil {
		return nil, err
	}
	_ = unix.SetNonblock(copied, false) // it fails for nothing that is open
	return &socket{descriptor: copied}, nil
}

// ReadMsgUnix waits for a packet, as that of net.UnixConn does.
func (s *socket) ReadMsgUnix(buffer, control []byte) (count, controlCount, flags int, from *net.UnixAddr, err error) {
	for {
		count, controlCount, flags, _, err = unix.Recvmsg(s.descriptor, buffer, control, unix.MSG_CMSG_CLOEXEC)
		if err != unix.EINTR {
			break
		}
	}
	if err == nil && s.broken.Load() { // it may have been in the queue
		closeAll(receivedDescriptors(control[:controlCount]))
		err = io.EOF
	}
	return count, controlCount, flags, nil, err
}

// trySend tells whether the packet is on its way. Whatever has kept it from that is met again by whoever sends what is queued.
func (s *socket) trySend(item outgoing) bool {
	_, err := unix.SendmsgN(s.descriptor, item.packet, item.rights(), nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	return err == nil
}

// send waits until the server has room.
func (s *socket) send(packet, rights []byte) error {
	for {
		_, err := unix.SendmsgN(s.descriptor, packet, rights, nil, unix.MSG_NOSIGNAL)
		if err != unix.EINTR {
			return err
		}
	}
}

// hangUp ends what waits on the socket, and gives nothing more of what has come.
func (s *socket) hangUp() {
	s.broken.Store(true)
	_ = unix.Shutdown(s.descriptor, unix.SHUT_RDWR)
}

// close is for when nobody uses it any more.
func (s *socket) close() { _ = unix.Close(s.descriptor) }
