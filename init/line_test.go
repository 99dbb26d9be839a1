package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func jsonInto(raw json.RawMessage, into any) error { return json.Unmarshal(raw, into) }

func TestInitIntroducesItself(t *testing.T) {
	s := newServer(t)
	must(t, s.connection.Close())
	if first := s.accept(false); first != (hello{"hello", protocolVersion, testSecret, s.process.Process.Pid, os.Getuid(), os.Getgid()}) {
		t.Errorf("%+v", first)
	}
}

func TestProcessesOutliveABrokenLine(t *testing.T) {
	s := newServer(t)
	lives, ends := s.start("/bin/cat"), s.shell("read line; exit 4")
	must(t, s.listener.Close())
	must(t, s.connection.Close())
	<-s.broken
	must(t, ends.stdin.Close()) // it ends while there is no server
	ends.output()
	_ = os.Remove(s.socket)
	s.listen()
	s.accept(false)
	if ended := ends.exit(); ended.Code == nil || *ended.Code != 4 {
		t.Errorf("the end was %+v", ended)
	}
	if result := lives.signal(0, wholeTree, 0); result.Survivors != 1 {
		t.Errorf("%d live", result.Survivors)
	}
	lives.kill()
}

func TestAServerThatKnowsNothingFindsNothing(t *testing.T) {
	s := newServer(t)
	command := s.shell("setsid sleep 1000 & echo ready; wait")
	command.line()
	must(t, s.connection.Close())
	s.accept(true)
	s.refused("ESRCH", whatExecution, fields{"op": "signal", "execution": command.id, "signal": 9, "scope": wholeTree})
	if left := living(t, s.process.Process.Pid); left != 0 {
		t.Errorf("%d are left", left)
	}
}

func TestMalformedPacketsAreAnsweredWhereTheyCanBe(t *testing.T) {
	s := newServer(t)
	read, _ := pipe(t)
	for _, packet := range []string{"{", "[]", "null", "7", `{"op":"ping"}`, `{"id":"x","op":"ping"}`, "\x00\xff", `{"memfd":10}`, strings.Repeat("[", 60000)} {
		_, _, err := s.connection.WriteMsgUnix([]byte(packet), unix.UnixRights(int(read.Fd())), nil)
		must(t, err)
	}
	s.refused("EINVAL", whatRequest, fields{"op": 7})
	s.refused("EINVAL", whatRequest, fields{"op": "open", "path": "not base64!"})
	s.refused("EINVAL", whatRequest, fields{"op": "signal", "signal": "9"})
	s.refused("ENOSYS", whatRequest, fields{"op": "dance"})
	s.refused("ESRCH", whatExecution, fields{"op": "signal", "execution": "x", "signal": 9})
	before := initDescriptors(t, s)
	for range 20 {
		s.refused("ENOSYS", whatRequest, fields{"op": "dance"}, int(read.Fd()), int(read.Fd()))
		s.refused("ENOENT", whatPath, s.file("open", "none"), int(read.Fd()))
		s.refused("EMFILE", whatDescriptors, fields{"op": "ping"}, make([]int, maxDescriptors+2)...)
	}
	if after := initDescriptors(t, s); after != before {
		t.Errorf("%d descriptors were open, %d are", before, after)
	}
}

// initDescriptors counts what init has open; only root may look into an undumpable process.
func initDescriptors(t *testing.T, s *server) int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.process.Process.Pid))
	if err != nil {
		t.Log("descriptors not counted: ", err)
		return 0
	}
	return len(entries)
}

func TestALargeRequestComesInAMemfd(t *testing.T) {
	s := newServer(t)
	long := strings.Repeat("a", 100_000)
	request := s.startRequest("/bin/sh", "-c", `echo ${#1}; exit 6`, "sh", long)
	s.exitOf(request["execution"].(string))
	stdin, _ := pipe(t)
	stdout, write := pipe(t)
	answered := s.sendLarge(request, int(stdin.Fd()), int(write.Fd()), int(write.Fd()))
	if answered.Error != nil {
		t.Fatal(answered.Error)
	}
	_ = write.Close()
	command := &running{server: s, id: request["execution"].(string), stdout: stdout}
	if got := command.output(); got != "100000\n" {
		t.Errorf("%q", got)
	}
	command.exit()
}

// TestAServerThatStopsReadingStopsNothing: what is asked for is done, and answered when the answers are read.
func TestAServerThatStopsReadingStopsNothing(t *testing.T) {
	s := newServer(t)
	s.mutex.Lock() // the reader stops at its next answer
	const asked = 2000
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for id := range asked {
			if _, err := s.connection.Write(encode(fields{"id": -1 - id, "op": "ping"})); err != nil {
				return
			}
		}
	}()
	for id := range asked {
		s.waiting[int64(-1-id)] = make(chan reply, 1)
	}
	waiting := s.waiting
	last := waiting[-asked]
	s.mutex.Unlock()
	select {
	case <-last:
	case <-time.After(enough):
		t.Fatal("an answer was lost")
	}
	<-sent
	s.ask(fields{"op": "ping"}, nil)
}
