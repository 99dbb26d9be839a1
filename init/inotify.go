package main

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// watchedEvents are what the kernel tells of a folder: of the names in it, and that it goes. Neither reading nor closing is a change; what is
// written to an open file that has no name any more is nobody's.
const watchedEvents = unix.IN_CREATE | unix.IN_DELETE | unix.IN_MODIFY | unix.IN_ATTRIB | unix.IN_MOVED_FROM | unix.IN_MOVED_TO |
	unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR | unix.IN_EXCL_UNLINK

// inotify is an instance of the kernel's, and the folders that it watches. It is used with the mutex of the watches held, but for its queue.
type inotify struct {
	queue   *pollable
	folders map[int32]*node // by the kernel's number; those at several places are chained
	places  int
}

func newInotify() (*inotify, error) {
	descriptor, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, err
	}
	queue := newPollable(descriptor, make(lane, 1))
	if !queue.canWait() {
		queue.close()
		return nil, unix.ENOSPC
	}
	return &inotify{queue: queue, folders: map[int32]*node{}}, nil
}

// close ends all that is watched; nothing of it is told any more.
func (i *inotify) close() {
	for _, one := range i.folders {
		for ; one != nil; one = one.twin {
			one.watch.top, one.watch = nil, nil
		}
	}
	i.queue.close()
}

// add gives the number of an open folder, the same each time. The kernel takes a path alone, and that of a descriptor is followed to nothing else.
func (i *inotify) add(folder int) (int32, error) {
	number := -1
	err := i.queue.control(func(descriptor int) (err error) {
		number, err = unix.InotifyAddWatch(descriptor, "/proc/self/fd/"+strconv.Itoa(folder), watchedEvents)
		return err
	})
	return int32(number), err
}

func (i *inotify) put(one *node) {
	one.twin = i.folders[one.number]
	i.folders[one.number] = one
	i.places++
}

func (i *inotify) take(one *node) {
	if i.folders[one.number] == one {
		i.folders[one.number] = one.twin
	} else {
		for before := i.folders[one.number]; before != nil; before = before.twin {
			if before.twin == one {
				before.twin = one.twin
				break
			}
		}
	}
	i.places--
	i.removeUnused(one.number)
}

// removeUnused has the kernel watch a folder no more, unless it is at another place too. It may have done so by itself.
func (i *inotify) removeUnused(number int32) {
	if i.folders[number] != nil {
		return
	}
	delete(i.folders, number)
	_ = i.queue.control(func(descriptor int) error {
		_, err := unix.InotifyRmWatch(descriptor, uint32(number))
		return err
	})
}
