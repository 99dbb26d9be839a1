package main

import (
	"errors"
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

func (o outgoing) rights() []byte {
	if len(o.descriptors) == 0 {
		return nil
	}
	return unix.UnixRights(o.descriptors...)
}

func (o outgoing) release() {
	closeAll(o.descriptors)
	if o.sent != nil {
		o.sent()
	}
}

// outbox sends packets in order, and keeps those that the server does not take yet; adding one never blocks. What it can hold is bounded
// by its users: a request that is not answered yet occupies a place on the line, an exit belongs to one execution.
type outbox struct {
	socket *socket
	mutex  sync.Mutex
	queue  []outgoing
	behind bool // whether sendAll has taken what is not sent yet
	closed bool
	added  chan struct{}
}

func newOutbox(socket *socket) *outbox {
	return &outbox{socket: socket, added: make(chan struct{}, 1)}
}

// add sends at once what can be: to wake a goroutine for it would take longer than the rest of an answer.
func (o *outbox) add(item outgoing) {
	o.mutex.Lock()
	done := o.closed || (len(o.queue) == 0 && !o.behind && o.socket.trySend(item))
	if !done {
		o.queue = append(o.queue, item)
	}
	o.mutex.Unlock()
	if done {
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
	o.behind = len(items) > 0
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

// sendAll writes what could not be sent at once, until the outbox is closed or the line breaks.
func (o *outbox) sendAll() {
	for range o.added {
		for {
			items, closed := o.takeAll()
			if closed {
				return
			}
			if len(items) == 0 {
				break
			}
			if !o.sendEach(items) {
				return
			}
		}
	}
}

func (o *outbox) sendEach(items []outgoing) bool {
	for index, item := range items {
		if err := o.send(item); err != nil {
			o.socket.hangUp() // before places are free again: whoever reads requests must not take another one
			for _, unsent := range items[index:] {
				unsent.release()
			}
			return false
		}
		item.release()
	}
	return true
}

func (o *outbox) send(item outgoing) error {
	rights := item.rights()
	for {
		err := o.socket.send(item.packet, rights)
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
