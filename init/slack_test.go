package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestOnlyFewThreadsAreLazy(t *testing.T) {
	s := newServer(t)
	if got := s.start("/bin/cat", "/proc/self/timerslack_ns").output(); got != fmt.Sprintln(usualSlack) {
		t.Errorf("a command's slack is %q", got)
	}
	if os.Getuid() != 0 {
		t.Log("init's own threads were not looked at: only root may")
		return
	}
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", s.process.Process.Pid))
	must(t, err)
	lazy := 0
	for _, thread := range threads {
		slack, err := os.ReadFile(filepath.Join("/proc", filepath.Base(thread), "timerslack_ns"))
		must(t, err)
		if strings.TrimSpace(string(slack)) == fmt.Sprint(lazySlack) {
			lazy++
		}
	}
	// Some that the runtime has made before the monitor's may have something to do while the others are reset.
	if lazy == 0 || lazy > len(threads)/2 {
		t.Errorf("%d of %d threads are lazy", lazy, len(threads))
	}
}

func TestInitStillEndsWithItsStarter(t *testing.T) {
	for range 20 {
		started := make(chan *server)
		go func() {
			runtime.LockOSThread() // the thread ends with this goroutine, and is what the kernel takes for the parent
			started <- newServer(t, func(command *execCommand) {
				command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
			})
		}()
		s := <-started
		select {
		case <-s.ended:
		case <-time.After(enough):
			t.Fatal("it lives on")
		}
	}
}

func TestCommandsDoNotSeeThatInitWasStartedAnew(t *testing.T) {
	s := newServer(t)
	if got := s.start("/usr/bin/env").output(); strings.Contains(got, anewVariable) {
		t.Errorf("%q", got)
	}
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", s.process.Process.Pid))
	must(t, err)
	if strings.TrimSpace(string(name)) != filepath.Base(builtInit) {
		t.Errorf("init is called %q", name)
	}
}
