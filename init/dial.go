package main

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// dialWorkers is how many system calls on connections may be under way. None of them waits.
	dialWorkers = 2

	// longestDial bounds what a request may ask for.
	longestDial = time.Minute

	maxPort = 1<<16 - 1
)

// dialer connects to what listens in the workspace's own network.
type dialer struct{ lane lane }

func newDialer() *dialer { return &dialer{make(lane, dialWorkers)} }

type dialAnswer struct {
	Family string `json:"family"`
}

func (d *dialer) handle(from *line, asked *request) {
	found, connected, err := d.dial(asked)
	if err != nil {
		from.answer(asked, nil, nil, failed(whatPort, err))
		return
	}
	from.answer(asked, found, []int{connected}, nil)
}

// dial tries the workspace's own machine by either family. What both refuse is told as the first one told it: the second may not
// even be there.
func (d *dialer) dial(asked *request) (any, int, error) {
	if asked.Port <= 0 || asked.Port > maxPort {
		return nil, -1, unix.EINVAL
	}
	deadline := time.Now().Add(min(max(time.Duration(asked.TimeoutMS)*time.Millisecond, 0), longestDial))
	four := &unix.SockaddrInet4{Port: asked.Port, Addr: [4]byte{127, 0, 0, 1}}
	connected, err := d.connect(unix.AF_INET, four, deadline)
	if err == nil {
		return dialAnswer{"ipv4"}, connected, nil
	}
	if err == unix.ECONNREFUSED {
		six := &unix.SockaddrInet6{Port: asked.Port, Addr: [16]byte{15: 1}}
		if connected, secondErr := d.connect(unix.AF_INET6, six, deadline); secondErr == nil {
			return dialAnswer{"ipv6"}, connected, nil
		}
	}
	return nil, -1, err
}

// connect gives a connected socket that doesn't block, as the server wants it.
func (d *dialer) connect(family int, to unix.Sockaddr, deadline time.Time) (int, error) {
	made, err := d.begin(family, to)
	if err != nil {
		return -1, err
	}
	connecting := newPollable(made, d.lane)
	defer connecting.close()
	if err := connecting.file.SetWriteDeadline(deadline); err != nil {
		return -1, unix.ENOSPC // the poller takes no more
	}
	if err := connecting.awaitConnection(); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = unix.ETIMEDOUT
		}
		return -1, err
	}
	given := -1
	err = connecting.control(func(descriptor int) (err error) {
		given, err = unix.FcntlInt(uintptr(descriptor), unix.F_DUPFD_CLOEXEC, 0)
		return err
	})
	return given, err
}

// begin sends the first packet of a connection.
func (d *dialer) begin(family int, to unix.Sockaddr) (int, error) {
	d.lane.enter()
	defer d.lane.leave()
	made, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return -1, err
	}
	// Small pieces, as of a dialogue, go at once. A connection without this would only be slower.
	_ = unix.SetsockoptInt(made, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	err = unix.Connect(made, to)
	if err != nil && err != unix.EINPROGRESS && err != unix.EINTR {
		_ = unix.Close(made)
		return -1, err
	}
	return made, nil
}

// awaitConnection waits, without a thread, until the other side has taken or refused the connection.
func (p *pollable) awaitConnection() error {
	var outcome error
	waiting := p.raw.Write(func(descriptor uintptr) bool {
		p.lane.enter()
		defer p.lane.leave()
		var number int
		number, outcome = unix.GetsockoptInt(int(descriptor), unix.SOL_SOCKET, unix.SO_ERROR)
		if outcome != nil {
			return true
		}
		if number != 0 {
			outcome = unix.Errno(number)
			return true
		}
		_, outcome = unix.Getpeername(int(descriptor))
		return outcome != unix.ENOTCONN
	})
	if waiting != nil {
		return waiting
	}
	return outcome
}
