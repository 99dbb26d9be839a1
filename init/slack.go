package main

import (
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// lazySlack is by how many nanoseconds the runtime's monitor may oversleep. Otherwise it wakes each fifty microseconds or so while a
	// command starts and ends, and takes a processor from it, to find nothing. What it is there for bears a few milliseconds: another
	// thread goes on where one hangs in a system call, unless there is a place for it anyway.
	lazySlack = 4_000_000

	// usualSlack is what the kernel gives all others.
	usualSlack = 50_000
)

// anewVariable says that init has been started anew. Its prefix keeps it from commands.
const anewVariable = "KUBEBOX_INIT_ANEW"

// The program begins on its first thread and stays there until it has started itself anew: what its starter has set for the first thread alone,
// such as the signal that it gets when its parent ends, would be lost if another thread did it.
func init() { runtime.LockOSThread() }

// makeMonitorLazy starts init anew, since the monitor's thread has been there before any code of ours and only inherits.
func makeMonitorLazy() {
	defer runtime.UnlockOSThread()
	defer resetSlack()
	if os.Getenv(anewVariable) != "" || unix.Prctl(unix.PR_SET_TIMERSLACK, lazySlack, 0, 0, 0) != nil {
		return
	}
	if program, err := os.Executable(); err == nil { // /proc/self/exe would leave its own name in lists of processes
		_ = syscall.Exec(program, os.Args, append(os.Environ(), anewVariable+"=1"))
	}
}

// resetSlack gives the calling thread, and what it starts, what is usual.
func resetSlack() { _ = unix.Prctl(unix.PR_SET_TIMERSLACK, usualSlack, 0, 0, 0) }
