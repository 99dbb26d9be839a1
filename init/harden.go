package main

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// activeProcessors is how many threads run Go code at a time: two, and three that are soon back from where they wait in the kernel and
	// keep their places meanwhile (the reader, the confined one, the reaper). It is fixed, so that the number of threads that init can ever
	// need is known: the same on one core and on a hundred.
	activeProcessors = 5

	// fileWorkers is how many file operations may be inside a system call at a time.
	fileWorkers = 6

	// startWorkers is how many working folders may be looked up at a time. A slow file operation delays no start.
	startWorkers = 2

	// threadsNeeded covers the file, start, relay, archive, dial and watch workers, the thread that spawns, one scan of /proc, the reaper, the line's reader and its
	// sender, the network poller, the runtime's own three (monitor, signals, template), and slack. Go ends a program that cannot start a
	// thread, which is what happens at the process limit; a thread that is there already needs no new one.
	threadsNeeded = fileWorkers + startWorkers + relayWorkers + archiveWorkers + dialWorkers + watchWorkers + activeProcessors + 16

	// usualMask is what files and folders of the workspace are made with, whatever started init.
	usualMask = 0o022
)

// hiddenPrefixes name what the platform puts into every environment and commands have no business with.
var hiddenPrefixes = []string{"KUBERNETES_", "KUBEBOX_"}

// makeUndumpable keeps other processes of the same user out of init's memory, environment and descriptors.
func makeUndumpable() error {
	return unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
}

// takeEnvironment gives init's environment as its children shall see it, and empties init's own.
func takeEnvironment() []string {
	var kept []string
	for _, variable := range os.Environ() {
		if !hasAnyPrefix(variable, hiddenPrefixes) {
			kept = append(kept, variable)
		}
	}
	os.Clearenv()
	return kept
}

func hasAnyPrefix(text string, prefixes []string) bool {
	for _, prefix := range prefixes {
		if strings.HasPrefix(text, prefix) {
			return true
		}
	}
	return false
}

func prepareProcess(chosen options) error {
	runtime.GOMAXPROCS(activeProcessors)
	unix.Umask(usualMask)
	if err := closeInheritedOnExec(); err != nil {
		return fmt.Errorf("cannot keep inherited descriptors from commands: %w", err)
	}
	if os.Getpid() != 1 {
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
			return fmt.Errorf("cannot become the reaper of orphans: %w", err)
		}
	}
	if err := limit(unix.RLIMIT_CORE, 0); err != nil {
		return fmt.Errorf("cannot switch core dumps off: %w", err)
	}
	if chosen.openFiles > 0 {
		if err := limit(unix.RLIMIT_NOFILE, openFilesAllowed(chosen.openFiles)); err != nil {
			return fmt.Errorf("cannot limit open files: %w", err)
		}
	}
	if chosen.processes > 0 {
		if err := limit(unix.RLIMIT_NPROC, chosen.processes); err != nil {
			return fmt.Errorf("cannot limit processes: %w", err)
		}
	}
	return nil
}

// openFilesAllowed is less than half of what this process may have, and no more than wanted: the server's container has the same
// limit, and what commands open can come to lie with the server.
func openFilesAllowed(wanted uint64) uint64 {
	var current syscall.Rlimit
	if err := syscall.Getrlimit(unix.RLIMIT_NOFILE, &current); err != nil {
		return wanted
	}
	return min(wanted, current.Max/2-1)
}

// limit sets a limit of this process, soft and hard, which its children inherit. It goes through the syscall package,
// since that would otherwise give children back the number of open files that Go found at its start.
func limit(resource int, most uint64) error {
	return syscall.Setrlimit(resource, &syscall.Rlimit{Cur: most, Max: most})
}

// closeInheritedOnExec marks descriptors that whatever started init may have left open.
func closeInheritedOnExec() error {
	const first = 3
	err := unix.CloseRange(first, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC)
	if err == nil {
		return nil
	}
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, entry := range open {
		var descriptor int
		if _, err := fmt.Sscanf(entry.Name(), "%d", &descriptor); err == nil && descriptor >= first {
			unix.CloseOnExec(descriptor)
		}
	}
	return nil
}

// startThreads makes the operating system's threads while they can be had. The runtime never ends an idle thread.
func startThreads(count int) {
	var started sync.WaitGroup
	started.Add(count)
	release := make(chan struct{})
	for range count {
		go func() {
			resetSlack()
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			started.Done()
			<-release
		}()
	}
	started.Wait()
	close(release)
}
