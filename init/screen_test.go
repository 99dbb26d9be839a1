package main

import (
	"bytes"
	"os"
	"strings"
	"sync"
	"time"
)

// lookAgain is the pause between two looks at something that takes its time.
const lookAgain = time.Millisecond

// screen is somebody in front of a terminal: types, and reads all the time.
type screen struct {
	*running
	mutex  sync.Mutex
	seen   bytes.Buffer
	closed chan struct{} // when nobody can write any more
}

func terminalOf(rows, columns int) fields { return fields{"rows": rows, "columns": columns} }

func (s *server) terminalRequest(arguments ...string) fields {
	request := s.startRequest(arguments...)
	request["terminal"] = terminalOf(24, 80)
	return request
}

func (s *server) atTerminal(arguments ...string) *screen {
	s.t.Helper()
	return watch(s.startAs(s.terminalRequest(arguments...)))
}

func (s *server) terminalShell(script string) *screen {
	s.t.Helper()
	return s.atTerminal("/bin/bash", "-c", script)
}

func watch(command *running) *screen {
	shown := &screen{running: command, closed: make(chan struct{})}
	go shown.read(command.stdout)
	return shown
}

func (s *screen) read(from *os.File) {
	defer close(s.closed)
	buffer := make([]byte, 1<<16)
	for {
		count, err := from.Read(buffer)
		s.mutex.Lock()
		s.seen.Write(buffer[:count])
		s.mutex.Unlock()
		if err != nil {
			return
		}
	}
}

func (s *screen) text() string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.seen.String()
}

func (s *screen) types(keys string) {
	s.server.t.Helper()
	_, err := s.stdin.WriteString(keys)
	must(s.server.t, err)
}

// shows waits for a text, and gives what follows a clean screen from there on.
func (s *screen) shows(wanted string) {
	s.server.t.Helper()
	eventually(s.server, func() bool { return strings.Contains(s.text(), wanted) }, func() {
		s.server.t.Fatalf("the screen shows %q, not %q", s.text(), wanted)
	})
	s.mutex.Lock()
	defer s.mutex.Unlock()
	_, after, _ := strings.Cut(s.seen.String(), wanted)
	s.seen.Reset()
	s.seen.WriteString(after)
}

// all is what is left to see when the terminal is closed.
func (s *screen) all() string {
	s.server.t.Helper()
	select {
	case <-s.closed:
	case <-time.After(enough):
		s.server.t.Fatalf("the terminal stays open after %q", s.text())
	}
	return s.text()
}

// eventually looks until something holds, and complains if it takes too long.
func eventually(s *server, holds func() bool, complain func()) {
	s.t.Helper()
	for deadline := time.Now().Add(enough); !holds(); time.Sleep(lookAgain) {
		if time.Now().After(deadline) {
			complain()
			return
		}
	}
}
