package main

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func init() { helpers["lease"] = holdLease }

// holdLease keeps everybody else from opening the file of its argument, for as long as the kernel lets it.
func holdLease() {
	signal.Ignore(unix.SIGIO) // by which the kernel asks for it back
	file, err := unix.Open(os.Args[1], unix.O_WRONLY, 0)
	if err == nil {
		_, err = unix.FcntlInt(uintptr(file), unix.F_SETLEASE, unix.F_WRLCK)
	}
	fmt.Println(err)
	time.Sleep(time.Hour)
}

func TestAProgramThatCannotBeOpenedHoldsUpNoOtherRequest(t *testing.T) {
	s := newServer(t)
	script := filepath.Join(s.folder, "script")
	must(t, os.WriteFile(script, []byte("#!/bin/sh\nexit 3\n"), 0o755))
	holder := s.startAs(s.helperRequest("lease", script))
	if got := holder.line(); got != "<nil>" {
		t.Skip("no lease: ", got)
	}
	request := s.startRequest(script)
	read, write := pipe(t)
	waits := s.send(request, int(read.Fd()), int(write.Fd()), int(write.Fd()))
	for range 4000 { // enough for the runtime to want to collect its garbage
		s.ask(fields{"op": "ping"}, nil)
		s.ask(s.file("stat", "script"), nil)
	}
	select {
	case answered := <-waits:
		t.Fatalf("it was started: %v", answered.Error)
	default:
	}
	holder.kill()
	if answered := <-waits; answered.Error != nil {
		t.Errorf("%v", answered.Error)
	}
}

func TestInitStaysSmall(t *testing.T) {
	s := newServer(t)
	for round := range 20_000 {
		s.ask(fields{"op": "ping"}, nil)
		if round%100 == 0 {
			command := s.start("/bin/true")
			command.exit()
			s.ask(fields{"op": "forget", "execution": command.id}, nil)
		}
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.process.Process.Pid))
	must(t, err)
	var resident int
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	_, err = fmt.Sscan(after, &resident)
	must(t, err)
	t.Logf("%d KiB are resident", resident)
	if resident > 32<<10 {
		t.Errorf("%d KiB are resident", resident)
	}
}
