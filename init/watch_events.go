package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// eventBuffer is how many bytes of events are taken at a time, some thousand: what one round may cost.
	eventBuffer = 64 << 10

	// roundPause is how long events gather before the next round: the kernel joins those that are alike, and a storm costs no processor. Its
	// queue of 16,384 takes longer to fill.
	roundPause = 10 * time.Millisecond

	// otherHalf is how long the second half of a rename may take after the first: the kernel queues them one right after the other.
	otherHalf = 5 * time.Millisecond

	// stormPause is how long a storm may last that was too much for the kernel's queue, before all is looked at anew.
	stormPause = 100 * time.Millisecond
)

// happening is an event of the kernel's.
type happening struct {
	number int32
	mask   uint32
	cookie uint32 // the same for both halves of a rename
	name   string
}

func (h *happening) is(mask uint32) bool { return h.mask&mask != 0 }

// attend takes what the kernel tells, until nothing is watched any more.
func (w *watches) attend(kernel *inotify) {
	buffer := make([]byte, eventBuffer)
	var waiting []happening // from a half rename on
	for kernel != nil {
		count, err := kernel.next(buffer, len(waiting) > 0)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		w.count()
		settled := len(waiting)
		waiting = parseHappenings(waiting, buffer[:count])
		done, isLost := w.takeAll(kernel, waiting, settled)
		if isLost {
			time.Sleep(stormPause)
			kernel, waiting = w.renew(kernel), nil
			continue
		}
		waiting = append([]happening(nil), waiting[done:]...)
		time.Sleep(roundPause)
	}
}

// next waits for events, though not for long where the other half of a rename is due.
func (i *inotify) next(buffer []byte, isDue bool) (int, error) {
	var deadline time.Time
	if isDue {
		deadline = time.Now().Add(otherHalf)
	}
	_ = i.queue.file.SetReadDeadline(deadline)
	return i.queue.read(buffer, func() {})
}

func parseHappenings(before []happening, data []byte) []happening {
	for len(data) >= unix.SizeofInotifyEvent {
		length := int(binary.NativeEndian.Uint32(data[12:]))
		name, _, _ := bytes.Cut(data[unix.SizeofInotifyEvent:unix.SizeofInotifyEvent+length], []byte{0})
		before = append(before, happening{
			number: int32(binary.NativeEndian.Uint32(data)),
			mask:   binary.NativeEndian.Uint32(data[4:]),
			cookie: binary.NativeEndian.Uint32(data[8:]),
			name:   string(name),
		})
		data = data[unix.SizeofInotifyEvent+length:]
	}
	return before
}

// takeAll goes through what has happened, in its order, up to a half rename whose other half may still come: those before settled have waited
// for theirs. It tells how far it came, and whether the kernel's queue was full.
func (w *watches) takeAll(kernel *inotify, all []happening, settled int) (done int, isLost bool) {
	paired := map[int]bool{}
	for index := range all {
		one := &all[index]
		switch {
		case one.is(unix.IN_Q_OVERFLOW):
			return index, true
		case paired[index]:
		case one.is(unix.IN_MOVED_FROM):
			other := otherHalfOf(all, index)
			if other < 0 && index >= settled {
				return index, false
			}
			if other < 0 {
				w.take(kernel, one)
				break
			}
			paired[other] = true
			w.takeRename(kernel, one, &all[other])
		default:
			w.take(kernel, one)
		}
	}
	return len(all), false
}

func otherHalfOf(all []happening, first int) int {
	for index := first + 1; index < len(all); index++ {
		if all[index].is(unix.IN_MOVED_TO) && all[index].cookie == all[first].cookie {
			return index
		}
	}
	return -1
}

// arrival is a folder that is to be covered.
type arrival struct {
	folder *node
	name   string
}

// take tells of an event at each place of its folder, and covers what has come.
func (w *watches) take(kernel *inotify, one *happening) {
	w.mutex.Lock()
	var arrivals []arrival
	if w.kernel == kernel {
		for here := kernel.folders[one.number]; here != nil; {
			next := here.twin // before anything is dropped
			if w.takeAt(here, one) {
				arrivals = append(arrivals, arrival{here, one.name})
			}
			here = next
		}
	}
	w.mutex.Unlock()
	for _, one := range arrivals {
		w.visit(one.folder, one.name)
	}
}

// takeAt tells whether a folder has come. Events of a folder itself have no name.
func (w *watches) takeAt(here *node, one *happening) (hasCome bool) {
	switch {
	case here.watch == nil:
	case one.is(unix.IN_DELETE_SELF|unix.IN_MOVE_SELF|unix.IN_UNMOUNT) && here.parent == nil:
		w.finish(here.watch, unix.ErrnoName(unix.ENOENT))
	case one.is(unix.IN_IGNORED):
		w.drop(here)
	case one.name == "" || isDraft(one.name):
	case one.is(unix.IN_CREATE | unix.IN_MOVED_TO):
		here.watch.tell(recordCreated, here.path(one.name))
		return one.is(unix.IN_ISDIR)
	case one.is(unix.IN_DELETE | unix.IN_MOVED_FROM):
		w.drop(here.children[one.name])
		here.watch.tell(recordDeleted, here.path(one.name))
	case one.is(unix.IN_MODIFY | unix.IN_ATTRIB):
		here.watch.tell(recordModified, here.path(one.name))
	}
	return false
}

// takeRename tells of both halves as one wherever one watch sees both.
func (w *watches) takeRename(kernel *inotify, from, to *happening) {
	w.mutex.Lock()
	var arrivals []arrival
	if w.kernel == kernel {
		into := map[*folderWatch]*node{}
		for there := kernel.folders[to.number]; there != nil; there = there.twin {
			into[there.watch] = there
		}
		for here := kernel.folders[from.number]; here != nil; {
			next := here.twin
			if there := into[here.watch]; there != nil {
				delete(into, here.watch)
				w.move(here, from.name, there, to.name)
				if to.is(unix.IN_ISDIR) && !isDraft(to.name) {
					arrivals = append(arrivals, arrival{there, to.name})
				}
			} else {
				w.takeAt(here, from)
			}
			here = next
		}
		for _, there := range into {
			if w.takeAt(there, to) {
				arrivals = append(arrivals, arrival{there, to.name})
			}
		}
	}
	w.mutex.Unlock()
	for _, one := range arrivals {
		w.visit(one.folder, one.name) // also where it was watched: what was made in it under its old name may have been missed
	}
}

// move is a rename within a watch. A draft that gets its name is what everybody sees as a file that is written.
func (w *watches) move(from *node, old string, into *node, name string) {
	moved := from.children[old]
	delete(from.children, old)
	w.drop(into.children[name]) // an empty folder, which was replaced
	switch {
	case isDraft(old) && isDraft(name):
	case isDraft(old) && replaces(old):
		into.watch.tell(recordModified, into.path(name))
	case isDraft(old):
		into.watch.tell(recordCreated, into.path(name))
	case isDraft(name):
		from.watch.tell(recordDeleted, from.path(old))
	default:
		into.watch.tell(recordRenamed, from.path(old), into.path(name))
	}
	if moved == nil {
		return
	}
	if isDraft(name) {
		w.drop(moved)
		return
	}
	into.adopt(name, moved)
}

// renew begins anew after the kernel's queue was full: which folders have come, gone or got other names is not known. Only then is that told, so
// that who looks again misses nothing.
func (w *watches) renew(lost *inotify) *inotify {
	w.mutex.Lock()
	if w.kernel != lost {
		w.mutex.Unlock()
		return nil
	}
	lost.close()
	made, err := newInotify()
	w.kernel = made
	watched := make([]*folderWatch, 0, len(w.all))
	for one := range w.all {
		watched = append(watched, one)
	}
	w.mutex.Unlock()
	for _, one := range watched {
		if err == nil {
			w.coverAgain(one)
			continue
		}
		w.mutex.Lock()
		w.finish(one, errnoOf(err))
		w.mutex.Unlock()
	}
	return made
}

func (w *watches) coverAgain(one *folderWatch) {
	err := w.cover(one)
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if err != nil {
		w.finish(one, errnoOf(err))
	}
	one.overflow()
}
