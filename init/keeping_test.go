package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
)

// The places of what the tests' server keeps.
const (
	keptStdout = iota
	keptStderr
	keptStdin
	keptCount
)

// ends are the server's own ends of a command's pipes.
type ends struct{ stdout, stderr, stdin *os.File }

func (e ends) types(t *testing.T, keys string) {
	t.Helper()
	_, err := e.stdin.WriteString(keys)
	must(t, err)
}

func (e ends) closeAll(t *testing.T) {
	t.Helper()
	for _, one := range []*os.File{e.stdout, e.stderr, e.stdin} {
		must(t, one.Close())
	}
}

type keptCommand struct {
	*running
	ends
}

// keeping starts a command whose pipes init keeps as well.
func (s *server) keeping(request fields) keptCommand {
	s.t.Helper()
	id := request["execution"].(string)
	s.exitOf(id)
	stdinRead, stdinWrite := pipe(s.t)
	stdoutRead, stdoutWrite := pipe(s.t)
	stderrRead, stderrWrite := pipe(s.t)
	request["keep"] = keptCount
	var started startAnswer
	s.ask(request, &started, int(stdinRead.Fd()), int(stdoutWrite.Fd()), int(stderrWrite.Fd()),
		int(stdoutRead.Fd()), int(stderrRead.Fd()), int(stdinWrite.Fd()))
	for _, one := range []*os.File{stdinRead, stdoutWrite, stderrWrite} {
		must(s.t, one.Close())
	}
	own := ends{stdoutRead, stderrRead, stdinWrite}
	return keptCommand{&running{server: s, id: id, pid: started.PID, stdin: stdinWrite, stdout: stdoutRead}, own}
}

// adopt takes the pipes of a command over.
func (s *server) adopt(id string) ends {
	s.t.Helper()
	s.exitOf(id)
	var adopted adoptAnswer
	answered, err := s.try(fields{"op": "adopt", "execution": id}) // whose descriptors are ours to close
	must(s.t, err)
	must(s.t, json.Unmarshal(answered.OK, &adopted))
	if len(adopted.Kept) != len(answered.descriptors) {
		s.t.Fatalf("%v came with %d descriptors", adopted, len(answered.descriptors))
	}
	files := make([]*os.File, keptCount)
	for index, place := range adopted.Kept {
		file := os.NewFile(uintptr(answered.descriptors[index]), "kept")
		s.t.Cleanup(func() { _ = file.Close() })
		files[place] = file
	}
	return ends{files[keptStdout], files[keptStderr], files[keptStdin]}
}

// leave breaks the line, as the end of the server does.
func (s *server) leave() {
	s.t.Helper()
	must(s.t, s.listener.Close())
	must(s.t, s.connection.Close())
	<-s.broken
}

func (s *server) comeBack(fresh bool) {
	s.t.Helper()
	_ = os.Remove(s.socket)
	s.listen()
	s.accept(fresh)
}

func (s *server) roster(after string) (entries []rosterEntry, more bool) {
	s.t.Helper()
	var found struct {
		Executions []rosterEntry `json:"executions"`
		More       bool          `json:"more"`
	}
	s.ask(fields{"op": "executions", "after": after}, &found)
	return found.Executions, found.More
}

func readAll(t *testing.T, from io.Reader) string {
	t.Helper()
	data, err := io.ReadAll(from)
	must(t, err)
	return string(data)
}

func numbers(count int) string {
	var text strings.Builder
	for number := 1; number <= count; number++ {
		fmt.Fprintln(&text, number)
	}
	return text.String()
}

func descriptorsOf(t *testing.T, pid int) []string {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	must(t, err)
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}
