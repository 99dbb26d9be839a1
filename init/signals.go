package main

import (
	"os"
	"os/signal"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// faultSignals end a Go program when they come with a forged cause (rt_sigqueueinfo), caught or not: the runtime takes them for
// faults of its own. Ignored, they are dropped by the kernel, and a real fault still ends the program. Go resets them
// in children, since it knows that it had caught them.
var faultSignals = []syscall.Signal{
	unix.SIGILL, unix.SIGTRAP, unix.SIGBUS, unix.SIGFPE, unix.SIGSEGV, unix.SIGSTKFLT, unix.SIGSYS,
}

// librarySignals are those that Go leaves to C libraries, and so to their default, which is to end the program. Its own handler
// does the same when it gets them, so they have one that does nothing.
var librarySignals = []syscall.Signal{32, 34}

// dropHandler is the address of a signal handler that returns at once.
func dropHandler() uintptr

// terminateHandler is the address of a signal handler that ends init if the signal came from outside its PID namespace. Go tells nobody
// who sent a signal, and commands can send TERM to PID 1 as well.
func terminateHandler() uintptr

const (
	ignoreSignal  = 1 // SIG_IGN
	signalSetSize = 8 // bytes of the kernel's sigset_t on 64-bit machines
)

// kernelSigaction is struct sigaction as the kernel has it on amd64 and arm64.
type kernelSigaction struct {
	handler  uintptr
	flags    uint64
	restorer uintptr
	mask     uint64
}

// catchSignals drops every signal but TERM, and as PID 1 a TERM from inside its namespace too. They are caught and not ignored,
// since programs inherit what is ignored; CHLD is left to its default, with which the kernel drops it and keeps zombies all the same.
func catchSignals() (terminated <-chan os.Signal) {
	clearSignalMask()
	// One place is enough: a signal that finds it taken is told by the one before.
	terms := make(chan os.Signal, 1)
	dropped := make(chan os.Signal, 1)
	signal.Notify(dropped, signalsBut(unix.SIGCHLD)...)
	signal.Notify(terms, unix.SIGTERM)
	go func() {
		for range dropped {
		}
	}()

	var caught kernelSigaction
	sigaction(unix.SIGUSR1, nil, &caught)
	caught.handler = dropHandler()
	for _, number := range librarySignals {
		sigaction(number, &caught, nil)
	}
	if os.Getpid() == 1 {
		caught.handler = terminateHandler()
		sigaction(unix.SIGTERM, &caught, nil)
	}
	ignored := kernelSigaction{handler: ignoreSignal}
	for _, number := range faultSignals {
		sigaction(number, &ignored, nil)
	}
	sigaction(unix.SIGCHLD, &kernelSigaction{}, nil)
	return terms
}

// signalsBut gives every signal but one. That one comes with each command, and need not wake anybody who has no use for it.
func signalsBut(one syscall.Signal) []os.Signal {
	const last = 64
	var all []os.Signal
	for number := syscall.Signal(1); number <= last; number++ {
		if number != one {
			all = append(all, number)
		}
	}
	return all
}

// sigaction cannot fail for valid numbers, and its callers use no others.
func sigaction(number syscall.Signal, wanted, old *kernelSigaction) {
	_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(number), uintptr(unsafe.Pointer(wanted)),
		uintptr(unsafe.Pointer(old)), signalSetSize, 0, 0)
}

// clearSignalMask starts init anew where it was started with signals blocked: the runtime keeps the mask that it found
// and hands it to children.
func clearSignalMask() {
	var blocked, none unix.Sigset_t
	if unix.PthreadSigmask(unix.SIG_SETMASK, &none, &blocked) != nil || blocked == none {
		return
	}
	_ = syscall.Exec("/proc/self/exe", os.Args, os.Environ())
}
