package main

import "golang.org/x/sys/unix"

// keptDescriptors are the server's own ends of an execution's pipes. init only holds them, so that a server that has been started anew
// gets them back. One that was released is -1: the others keep their places.
type keptDescriptors []int

const (
	released = -1
	allKept  = -1 // as an index: each of them
)

// duplicate gives the places of those that are still kept, and a copy of each.
func (k keptDescriptors) duplicate() (places, copies []int, err error) {
	places = []int{}
	for place, descriptor := range k {
		if descriptor == released {
			continue
		}
		made, err := unix.FcntlInt(uintptr(descriptor), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			closeAll(copies)
			return nil, nil, err
		}
		places, copies = append(places, place), append(copies, made)
	}
	return places, copies, nil
}

// release closes one, or all; one that is closed already stays so.
func (k keptDescriptors) release(index int) error {
	if index == allKept {
		k.close()
		return nil
	}
	if index < 0 || index >= len(k) {
		return failed(whatRequest, unix.EINVAL)
	}
	k[index : index+1].close()
	return nil
}

func (k keptDescriptors) close() {
	for place, descriptor := range k {
		if descriptor != released {
			_ = unix.Close(descriptor)
			k[place] = released
		}
	}
}

// spend closes what a server could get nothing from any more, when the first process has ended, and tells whether that is all.
func (k keptDescriptors) spend() bool {
	spent := true
	for place, descriptor := range k {
		switch {
		case descriptor == released:
		case isSpent(descriptor):
			k[place : place+1].close()
		default:
			spent = false
		}
	}
	return spent
}

// isSpent tells whether a pipe is empty and nobody writes to it. What could be written to is of no use once the reader has ended.
func isSpent(descriptor int) bool {
	flags, err := unix.FcntlInt(uintptr(descriptor), unix.F_GETFL, 0)
	if err != nil || flags&unix.O_ACCMODE == unix.O_WRONLY {
		return true
	}
	looked := []unix.PollFd{{Fd: int32(descriptor), Events: unix.POLLIN}}
	_, err = unix.Poll(looked, 0)
	return err == nil && looked[0].Revents&unix.POLLHUP != 0 && looked[0].Revents&unix.POLLIN == 0
}

func (k keptDescriptors) count() int {
	count := 0
	for _, descriptor := range k {
		if descriptor != released {
			count++
		}
	}
	return count
}

type adoptAnswer struct {
	PID  int   `json:"pid"`
	Kept []int `json:"kept"`
}

// adopt gives a server copies of what is kept of an execution; init's own stay, for the next server.
func (t *table) adopt(id string) (any, []int, error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	known := t.known[id]
	if known == nil {
		return nil, nil, failed(whatExecution, unix.ESRCH)
	}
	places, copies, err := known.kept.duplicate()
	if err != nil {
		return nil, nil, failed(whatDescriptors, err)
	}
	return adoptAnswer{known.pid, places}, copies, nil
}

// release lets go of what is kept: while init holds an end of a pipe, closing the server's own closes nothing.
func (t *table) release(id string, index *int) error {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	known := t.known[id]
	if known == nil {
		return failed(whatExecution, unix.ESRCH)
	}
	if index == nil {
		return failed(whatRequest, unix.EINVAL)
	}
	return known.kept.release(*index)
}
