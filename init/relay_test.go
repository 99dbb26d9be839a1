package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestTheEndOfTheInputIsTheTerminalsEndOfFile(t *testing.T) {
	s := newServer(t)
	for setting, reader := range map[string]string{"": "cat", "stty eof ^X; ": "cat", "stty eof undef -icanon min 1; ": "head -c 7"} {
		command := s.terminalShell("stty -echo;" + setting + "echo ready; exec " + reader)
		command.shows("ready\r\n")
		command.types("typed\n")
		must(t, command.stdin.Close())
		// Where the terminal has no such character, a program that reads keys gets the usual one.
		if shown := strings.TrimSuffix(command.all(), "\x04"); shown != "typed\r\n" {
			t.Errorf("%q shows %q", setting, shown)
		}
		if ended := command.exit(); ended.Code == nil || *ended.Code != 0 {
			t.Errorf("%q: the end was %+v", setting, ended)
		}
	}
}

func TestTheLastOutputOfATerminalComesBeforeItsEnd(t *testing.T) {
	s := newServer(t)
	for round := range 100 {
		script := fmt.Sprintf("seq 1 2000; printf last%d", round)
		if round%2 == 1 { // a leftover keeps the terminal open
			script = "trap '' HUP; sleep 1000 & " + script
		}
		command := s.startAs(s.terminalRequest("/bin/bash", "-c", script))
		command.exit()
		must(t, unix.SetNonblock(int(command.stdout.Fd()), true))
		buffer := make([]byte, 1<<17)
		count, err := unix.Read(int(command.stdout.Fd()), buffer)
		must(t, err)
		if got := string(buffer[:count]); !strings.HasSuffix(got, fmt.Sprintf("2000\r\nlast%d", round)) {
			t.Fatalf("at the end, the pipe held %q", got)
		}
		command.kill()
	}
}

func TestLeftoversGoOnAtTheirTerminal(t *testing.T) {
	s := newServer(t)
	command := s.terminalShell(`trap '' HUP; exec 5<&0; (read line <&5; echo got $line) & echo early`)
	command.shows("early")
	command.exit()
	command.types("more\n")
	command.shows("got more")
	command.all()
}

func TestAnEndIsToldThoughALeftoverNeverStopsWriting(t *testing.T) {
	s := newServer(t)
	for name, reads := range map[string]bool{"read": true, "not read": false} {
		command := s.startAs(s.terminalRequest("/bin/bash", "-c", `trap '' HUP; yes & sleep 0.1`))
		if reads {
			watch(command)
		}
		if ended := command.exit(); ended.Code == nil || *ended.Code != 0 {
			t.Errorf("%s: the end was %+v", name, ended)
		}
		command.kill()
	}
}

// TestATerminalIsHeldBackWhileNobodyReads counts what the command could write: no more than the pipe and the kernel's own places hold.
func TestATerminalIsHeldBackWhileNobodyReads(t *testing.T) {
	s := newServer(t)
	const lines = 300_000
	command := s.startAs(s.terminalRequest("/bin/sh", "-c", fmt.Sprintf("exec seq 1 %d", lines)))
	written := func() int { return wroteOf(t, command.pid) }
	for last := -1; written() != last || last == 0; { // it stops by itself
		last = written()
		time.Sleep(50 * time.Millisecond)
	}
	if got := written(); got == 0 || got > 1<<20 {
		t.Errorf("%d bytes were written that nobody had read", got)
	}
	shown := watch(command)
	got := strings.Fields(shown.all())
	if len(got) != lines || got[lines-1] != strconv.Itoa(lines) {
		t.Errorf("%d lines came", len(got))
	}
	command.exit()
}

func wroteOf(t *testing.T, pid int) int {
	t.Helper()
	accounted, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	must(t, err)
	var read, wrote int
	_, err = fmt.Sscanf(string(accounted), "rchar: %d\nwchar: %d\n", &read, &wrote)
	must(t, err)
	return wrote
}

func TestAMegabyteIsPastedWhole(t *testing.T) {
	s := newServer(t)
	command := s.terminalShell("stty raw -echo; echo ready; exec cat")
	command.shows("ready\n")
	pasted := make([]byte, 1<<20)
	_, _ = rand.Read(pasted)
	command.types(string(pasted))
	eventually(s, func() bool { return len(command.text()) >= len(pasted) }, func() {
		t.Errorf("%d bytes came back", len(command.text()))
	})
	if command.text() != string(pasted) {
		t.Error("other bytes came back")
	}
	command.kill()
}

func TestAServerThatClosesItsEndHangsUp(t *testing.T) {
	s := newServer(t)
	before := initDescriptors(t, s)
	command := s.startAs(s.terminalRequest("/bin/bash", "-c", `trap 'exit 7' HUP; while :; do echo more; sleep 0.01; done`))
	command.line()
	must(t, command.stdout.Close())
	if ended := command.exit(); ended.Code == nil || *ended.Code != 7 {
		t.Errorf("the end was %+v", ended)
	}
	s.leavesNothing(before)
}

func TestATerminalGoesOnAcrossABrokenLine(t *testing.T) {
	s := newServer(t)
	command := s.keeping(s.terminalRequest("/bin/bash", "-c", "while read line; do echo got $line; done"))
	s.leave()
	command.types(t, "one\n")
	command.closeAll(t)
	s.comeBack(false)
	again := s.adopt(command.id)
	shown := watch(&running{server: s, id: command.id, pid: command.pid, stdin: again.stdin, stdout: again.stdout})
	shown.shows("got one\r\n")
	shown.types("two\n")
	shown.shows("got two\r\n")
	s.ask(fields{"op": "resize", "execution": command.id, "rows": 10, "columns": 20}, nil)
	s.ask(fields{"op": "release", "execution": command.id, "index": keptStdin}, nil)
	must(t, again.stdin.Close())
	shown.all()
	shown.exit()
}

func TestATerminalThatIsForgottenIsHungUp(t *testing.T) {
	s := newServer(t)
	before := initDescriptors(t, s)
	command := s.terminalShell(`trap '' HUP; exec 5<&0; (read line <&5; touch hung) & echo there`)
	command.shows("there")
	command.exit()
	s.ask(fields{"op": "forget", "execution": command.id}, nil)
	command.all()
	hung := func() bool { return len(glob(t, s.folder+"/hung")) == 1 }
	eventually(s, hung, func() { t.Error("what was left at the terminal goes on") })
	s.leavesNothing(before)
}

func TestAServerThatKnowsNothingFindsNoTerminals(t *testing.T) {
	s := newServer(t)
	before := initDescriptors(t, s)
	for range 10 {
		s.keeping(s.terminalRequest("/bin/bash", "-c", "(trap '' HUP; exec sleep 1000) & exec cat"))
	}
	s.leave()
	s.comeBack(true)
	s.leavesNothing(before)
	if got := s.atTerminal("/bin/echo", "there").all(); got != "there\r\n" {
		t.Errorf("%q", got)
	}
}

func TestManyTerminalsLeaveNothing(t *testing.T) {
	s := newServer(t)
	before := initDescriptors(t, s)
	threads := len(glob(t, fmt.Sprintf("/proc/%d/task/*", s.process.Process.Pid)))
	var commands []*screen
	for range 100 {
		commands = append(commands, s.terminalShell("read line; seq 1 3000; exit 5"))
	}
	for _, command := range commands {
		command.types("\n")
	}
	for _, command := range commands {
		if got := command.all(); !strings.HasSuffix(got, "\r\n3000\r\n") {
			t.Errorf("it shows %q", got[max(0, len(got)-100):])
		}
		command.exit()
		s.ask(fields{"op": "forget", "execution": command.id}, nil)
	}
	s.leavesNothing(before)
	if now := len(glob(t, fmt.Sprintf("/proc/%d/task/*", s.process.Process.Pid))); now > threads {
		t.Errorf("%d threads were there, %d are", threads, now)
	}
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	must(t, err)
	return found
}

// TestAClosedTerminalLeavesNoGoroutine looks at relays from inside, in this process.
func TestAClosedTerminalLeavesNoGoroutine(t *testing.T) {
	count := func() (int, int) { return runtime.NumGoroutine(), len(glob(t, "/proc/self/fd/*")) }
	goroutines, descriptors := count()
	for range 10 {
		openClosedTerminal(t)
	}
	for deadline := time.Now().Add(enough); ; time.Sleep(lookAgain) {
		nowGoroutines, nowDescriptors := count()
		if nowGoroutines <= goroutines && nowDescriptors <= descriptors {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines and %d descriptors were there, %d and %d are", goroutines, descriptors, nowGoroutines, nowDescriptors)
		}
	}
}

// openClosedTerminal closes a terminal while both relays wait: one for input, one for room in the pipe.
func openClosedTerminal(t *testing.T) {
	t.Helper()
	in, out := make([]int, 2), make([]int, 2)
	must(t, unix.Pipe2(in, unix.O_CLOEXEC))
	must(t, unix.Pipe2(out, unix.O_CLOEXEC))
	opened, err := newTerminal(windowSize{24, 80}, in[0], out[1], make(lane, relayWorkers))
	must(t, err)
	opened.begin()
	must(t, unix.SetNonblock(int(opened.slave.Fd()), true))
	filler := make([]byte, 1<<10)
	for full := 0; full < 20; time.Sleep(lookAgain) {
		if _, err := unix.Write(int(opened.slave.Fd()), filler); err == unix.EAGAIN {
			full++
		}
	}
	opened.close()
	closeAll([]int{in[1], out[0]})
}
