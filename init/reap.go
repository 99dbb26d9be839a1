package main

import "golang.org/x/sys/unix"

// reap collects every child that ends, whether a command or an orphan of one. It waits in the kernel: the way of a signal through the
// runtime is longer. Only who has children can wait there, so each spawn rings.
func (t *table) reap(spawned bell) {
	for {
		// The child is left as it is: it must not be reaped without the table's mutex.
		if err := unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil && err != unix.EINTR {
			spawned.wait()
		}
		t.reapAll()
	}
}

func (t *table) reapAll() {
	for t.reapOne() {
	}
}

// reapOne tells whether there may be more.
func (t *table) reapOne() bool {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	var how ending
	pid, err := unix.Wait4(-1, &how.status, unix.WNOHANG, &how.usage)
	if err == unix.EINTR {
		return true
	}
	if err != nil || pid <= 0 {
		return false
	}
	if ended := t.living[pid]; ended != nil {
		t.end(ended, how)
	} else if t.spawning {
		t.strangers[pid] = how
	}
	return true
}

func newExit(id string, how ending) *exit {
	const microsecondsPerSecond = 1_000_000
	ended := &exit{
		Event:     "exited",
		Execution: id,
		UserUS:    how.usage.Utime.Sec*microsecondsPerSecond + how.usage.Utime.Usec,
		SystemUS:  how.usage.Stime.Sec*microsecondsPerSecond + how.usage.Stime.Usec,
		MaxRSSKiB: how.usage.Maxrss,
	}
	if how.status.Signaled() {
		number := int(how.status.Signal())
		ended.Signal = &number
	} else {
		code := how.status.ExitStatus()
		ended.Code = &code
	}
	return ended
}
