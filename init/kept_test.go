package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestARestartOfTheServerLosesNothing: commands end, go on and are held back while there is no server, and each byte is there for the next.
func TestARestartOfTheServerLosesNothing(t *testing.T) {
	s := newServer(t)
	const write = `read line; echo got $line; seq 1 %d; echo wrong >&2; exit %d`
	ends := s.keeping(s.startRequest("/bin/sh", "-c", fmt.Sprintf(write, 5000, 3)))      // fits the pipe
	heldBack := s.keeping(s.startRequest("/bin/sh", "-c", fmt.Sprintf(write, 50000, 4))) // doesn't
	lives := s.keeping(s.startRequest("/bin/cat"))
	s.leave()
	for _, command := range []keptCommand{ends, heldBack, lives} {
		command.types(t, "meanwhile\n")
		command.closeAll(t)
	}
	eventually(s, func() bool { return len(statOf(ends.pid)) == 0 }, func() { t.Error("it has not ended") })
	s.comeBack(false)

	if ended := ends.exit(); ended.Code == nil || *ended.Code != 3 {
		t.Errorf("the end was %+v", ended)
	}
	entries, more := s.roster("")
	wanted := []rosterEntry{{ends.id, ends.pid, true, 2}, {heldBack.id, heldBack.pid, false, 3}, {lives.id, lives.pid, false, 3}}
	slices.SortFunc(wanted, func(one, other rosterEntry) int { return strings.Compare(one.Execution, other.Execution) })
	if more || !slices.Equal(entries, wanted) {
		t.Errorf("known are %+v, %v", entries, more)
	}
	for count, id := range map[int]string{5000: ends.id, 50000: heldBack.id} {
		again := s.adopt(id)
		if got := readAll(t, again.stdout); got != "got meanwhile\n"+numbers(count) {
			t.Errorf("%d bytes came, which end in %q", len(got), got[max(0, len(got)-50):])
		}
		if got := readAll(t, again.stderr); got != "wrong\n" {
			t.Errorf("stderr was %q", got)
		}
	}
	if ended := heldBack.exit(); ended.Code == nil || *ended.Code != 4 {
		t.Errorf("the end was %+v", ended)
	}
	again := s.adopt(lives.id)
	again.types(t, "and now\n")
	must(t, again.stdin.Close())
	s.ask(fields{"op": "release", "execution": lives.id, "index": keptStdin}, nil)
	if got := readAll(t, again.stdout); got != "meanwhile\nand now\n" {
		t.Errorf("it wrote %q", got)
	}
	lives.exit()
}

func TestWhatIsKeptCanBeAdoptedAgainAndAgain(t *testing.T) {
	s := newServer(t)
	command := s.keeping(s.startRequest("/bin/cat"))
	for range 3 {
		again := s.adopt(command.id)
		again.types(t, "line\n")
		one := make([]byte, len("line\n"))
		_, err := io.ReadFull(again.stdout, one)
		must(t, err)
		again.closeAll(t)
		must(t, s.connection.Close())
		s.accept(false)
	}
	command.kill()
}

func TestReleasingLetsACommandSeeTheEnd(t *testing.T) {
	s := newServer(t)
	command := s.keeping(s.startRequest("/bin/sh", "-c", "cat; echo unread; echo unread >&2"))
	must(t, command.ends.stdin.Close())
	if result := command.signal(0, wholeTree, 0); result.Survivors == 0 {
		t.Error("it ended though init holds its input open")
	}
	release := fields{"op": "release", "execution": command.id, "index": keptStdin}
	s.ask(release, nil)
	s.ask(release, nil) // once more changes nothing
	if ended := command.exit(); ended.Code == nil || *ended.Code != 0 {
		t.Errorf("the end was %+v", ended)
	}
	entries, _ := s.roster("")
	if len(entries) != 1 || entries[0].Kept != 2 {
		t.Errorf("%+v", entries)
	}
	again := s.adopt(command.id)
	if again.stdin != nil || again.stdout == nil || again.stderr == nil {
		t.Errorf("adopted were %+v", again)
	}
}

func TestReleasingAllBreaksThePipe(t *testing.T) {
	s := newServer(t)
	command := s.keeping(s.startRequest("/usr/bin/yes"))
	command.line()
	must(t, command.ends.stdout.Close())
	s.ask(fields{"op": "release", "execution": command.id, "index": allKept}, nil)
	if ended := command.exit(); ended.Signal == nil || *ended.Signal != int(unix.SIGPIPE) {
		t.Errorf("the end was %+v", ended)
	}
}

func TestWhatCannotBeAdoptedOrReleased(t *testing.T) {
	s := newServer(t)
	bare, command := s.start("/bin/cat"), s.keeping(s.startRequest("/bin/cat"))
	s.refused("ESRCH", whatExecution, fields{"op": "adopt", "execution": "nobody"})
	s.refused("ESRCH", whatExecution, fields{"op": "release", "execution": "nobody", "index": 0})
	s.refused("EINVAL", whatRequest, fields{"op": "release", "execution": command.id})
	s.refused("EINVAL", whatRequest, fields{"op": "release", "execution": command.id, "index": keptCount})
	s.refused("EINVAL", whatRequest, fields{"op": "release", "execution": command.id, "index": -2})
	var adopted adoptAnswer
	if answered := s.ask(fields{"op": "adopt", "execution": bare.id}, &adopted); adopted.PID != bare.pid || len(answered.descriptors) != 0 {
		t.Errorf("%+v with %d descriptors", adopted, len(answered.descriptors))
	}
	s.ask(fields{"op": "release", "execution": bare.id, "index": allKept}, nil)
}

func TestWhatIsKeptGoesWithTheExecution(t *testing.T) {
	s := newServer(t)
	before := initDescriptors(t, s)
	request := s.startRequest("/bin/true")
	for range 10 {
		command := s.keeping(request)
		command.exit()
		request["keep"] = 0
		if answered, _ := s.tryStart(request); answered.Error == nil || answered.Error.Errno != "EEXIST" {
			t.Errorf("%v", answered.Error)
		}
		s.ask(fields{"op": "forget", "execution": command.id}, nil)
		s.refused("ESRCH", whatExecution, fields{"op": "adopt", "execution": command.id})
	}
	s.leavesNothing(before)
	for range 10 {
		s.keeping(s.startRequest("/bin/cat"))
	}
	s.leave()
	s.comeBack(true)
	s.leavesNothing(before)
}

// TestWhatNobodyCouldGetAnythingFromIsNotKept: thousands of ended commands must not hold thousands of pipes.
func TestWhatNobodyCouldGetAnythingFromIsNotKept(t *testing.T) {
	s := newServer(t)
	before := initDescriptors(t, s)
	for range 50 {
		command := s.keeping(s.startRequest("/bin/sh", "-c", "echo output"))
		if got := readAll(t, command.ends.stdout); got != "output\n" {
			t.Errorf("it wrote %q", got)
		}
		command.exit()
		command.closeAll(t)
	}
	holding := s.keeping(s.startRequest("/bin/echo", "unread"))
	holding.exit()
	// The last ones may have ended before the server had closed the commands' ends; they would be looked at with the next end.
	const few = 10
	eventually(s, func() bool { return initDescriptors(t, s) <= before+few }, func() {
		t.Errorf("%d descriptors, %d before", initDescriptors(t, s), before)
	})
	if got := readAll(t, s.adopt(holding.id).stdout); got != "unread\n" {
		t.Errorf("what nobody had read was %q", got)
	}
}

// TestWhatTheServerDoesNotKnowCanBeForgotten is for a server that lost its record of an execution, but not the secret.
func TestWhatTheServerDoesNotKnowCanBeForgotten(t *testing.T) {
	s := newServer(t)
	s.keeping(s.startRequest("/bin/true")).exit()
	s.keeping(s.startRequest("/bin/cat"))
	s.leave()
	s.comeBack(false)
	entries, _ := s.roster("")
	for _, entry := range entries {
		if !entry.Ended {
			s.ask(fields{"op": "signal", "execution": entry.Execution, "signal": 9, "patience_ms": 5000}, nil)
		}
		s.ask(fields{"op": "forget", "execution": entry.Execution}, nil)
	}
	if left, _ := s.roster(""); len(entries) != 2 || len(left) != 0 {
		t.Errorf("known were %+v, are %+v", entries, left)
	}
}

func TestWhatHasBeenKilledCanBeForgottenAtOnce(t *testing.T) {
	s := newServer(t)
	before := initDescriptors(t, s)
	for range 30 {
		for _, request := range []fields{s.startRequest("/bin/cat"), s.terminalRequest("/bin/cat")} {
			command := s.keeping(request)
			command.kill()
			s.ask(fields{"op": "forget", "execution": command.id}, nil)
		}
	}
	s.leavesNothing(before)
}

func TestKeptDescriptorsAreNotTheCommands(t *testing.T) {
	s := newServer(t)
	kept := s.keeping(s.startRequest("/bin/cat"))
	for _, command := range []*running{kept.running, s.start("/bin/cat")} {
		// What answers has its libraries loaded and their files closed.
		_, err := command.stdin.WriteString("there\n")
		must(t, err)
		command.line()
		if got := descriptorsOf(t, command.pid); !slices.Equal(got, []string{"0", "1", "2"}) {
			t.Errorf("open are %v", got)
		}
	}
}
