package main

import (
	"errors"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// sendRetry is how long to wait when the kernel is short of memory or of places for descriptors in flight.
const sendRetry = time.Millisecond

// outgoing is one packet to the server, with the descriptors that go along; they are closed once they are sent.
type outgoing struct {
	packet      []byte
	descriptors []int
	answers     *int64 // the request that this answers, none for an event
	sent        func()
}

func (o outgoing) release() {
	closeAll(o.descriptors)
	if o.sent != nil {
		o.sent()
	}
}

// outbox keeps packets in order until the server takes them; adding one never blocks. What it can hold is bounded by its users:
// a request that is not answered yet occupies a place on the line, an exit belongs to one execution.
type outbox struct {
	mutex  sync.Mutex
	queue  []outgoing
	closed bool
	added  chan struct{}
}

func newOutbox() *outbox {
	return &outbox{added: make(chan struct{}, 1)}
}

func (o *outbox) add(item outgoing) {
	o.mutex.Lock()
	closed := o.closed
	if !closed {
		o.queue = append(o.queue, item)
	}
	o.mutex.Unlock()
	if closed {
		item.release()
		return
	}
	select {
	case o.added <- struct{}{}:
	default:
	}
}

func (o *outbox) takeAll() (items []outgoing, closed bool) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	items, o.queue = o.queue, nil
	return items, o.closed
}

// close drops what was not sent. The line is broken, and nobody could read it.
func (o *outbox) close() {
	o.mutex.Lock()
	o.closed = true
	dropped := o.queue
	o.queue = nil
	o.mutex.Unlock()
	for _, item := range dropped {
		item.release()
	}
	select {
	case o.added <- struct{}{}:
	default:
	}
}

// sendAll writes until the outbox is closed or the line breaks.
func (o *outbox) sendAll(connection *net.UnixConn) {
	for range o.added {
		items, closed := o.takeAll()
		for index, item := range items {
			if err := send(connection, item); err != nil {
				for _, unsent := range items[index:] {
					unsent.release()
				}
				_ = connection.Close()
				return
			}
			item.release()
		}
		if closed {
			return
		}
	}
}

func send(connection *net.UnixConn, item outgoing) error {
	var rights []byte
	if len(item.descriptors) > 0 {
		rights = unix.UnixRights(item.descriptors...)
	}
	for {
		_, _, err := connection.WriteMsgUnix(item.packet, rights, nil)
		switch {
		case errors.Is(err, unix.ENOBUFS), errors.Is(err, unix.ENOMEM):
			time.Sleep(sendRetry)
		case errors.Is(err, unix.ETOOMANYREFS) && item.answers != nil:
			// Too many descriptors are under way already: the request has failed, not the line.
			refused := failed(whatDescriptors, unix.ETOOMANYREFS).(*failure)
			item.packet, rights = encode(answer{ID: *item.answers, Error: refused}), nil
		default:
			return err
		}
	}
}
