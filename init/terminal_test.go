package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestACommandSitsAtATerminalOfItsOwn(t *testing.T) {
	for name, settings := range map[string][]setting{"as it is": nil, "another user": {asOtherUser}} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, settings...)
			command := s.terminalShell(`test -t 0 -a -t 1 -a -t 2 && echo all three; stty size; tty; ls /proc/$$/fd; echo here >/dev/tty; exit 3`)
			shown := command.all()
			lines := strings.Split(strings.ReplaceAll(shown, "\r\n", "\n"), "\n")
			if len(lines) < 3 || lines[0] != "all three" || lines[1] != "24 80" || !strings.HasPrefix(lines[2], "/dev/pts/") {
				t.Errorf("%q", shown)
			}
			if rest := strings.Join(lines[3:], " "); !strings.HasSuffix(rest, "here ") || strings.Contains(rest, "4") {
				t.Errorf("%q", rest)
			}
			if ended := command.exit(); ended.Code == nil || *ended.Code != 3 {
				t.Errorf("the end was %+v", ended)
			}
		})
	}
}

func TestJobControlWorksAtATerminal(t *testing.T) {
	s := newServer(t)
	request := s.terminalRequest("/bin/bash", "--norc", "--noprofile", "-i")
	request["env"] = byteStrings("PS1=prompt: ", "TERM=dumb")
	shell := watch(s.startAs(request))
	shell.shows("prompt: ")
	shell.types("sleep 100 &\n")
	shell.shows("[1] ")
	shell.types("jobs\n")
	shell.shows("Running")
	shell.types("echo fore''ground; sleep 1000\n")
	shell.shows("foreground")
	s.foregroundOf(shell, "sleep")
	shell.types("\x03")
	shell.shows("prompt: ")
	shell.types("echo after $?\n")
	shell.shows("after 130")
	shell.types("sleep 1001\n")
	s.foregroundOf(shell, "sleep")
	shell.types("\x1a")
	shell.shows("Stopped")
	shell.types("exit\nexit 4\n")
	if ended := shell.exit(); ended.Code == nil || *ended.Code != 4 {
		t.Errorf("the end was %+v", ended)
	}
}

// foregroundOf waits until a program of this name has the terminal: a key that is typed before would go to the shell.
func (s *server) foregroundOf(shell *screen, name string) {
	s.t.Helper()
	eventually(s, func() bool {
		fields := statOf(shell.pid)
		const foreground = 5
		return len(fields) > foreground && nameOf(fields[foreground]) == name
	}, func() { s.t.Fatalf("%s is not in the foreground", name) })
}

// statOf gives what /proc says of a process, after its name.
func statOf(pid int) []string {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
}

func nameOf(pid string) string {
	name, _ := os.ReadFile("/proc/" + pid + "/comm")
	return strings.TrimSpace(string(name))
}

func TestTheForegroundLearnsOfAResize(t *testing.T) {
	s := newServer(t)
	// bash loses a signal that comes while it runs that signal's trap.
	command := s.terminalShell(`trap told=yes WINCH; echo ready; while sleep 0.02; do if [ "$told" ]; then told=; stty size; fi; done`)
	command.shows("ready")
	for _, size := range [][2]int{{50, 132}, {1, 1}, {65535, 65535}} {
		s.ask(fields{"op": "resize", "execution": command.id, "rows": size[0], "columns": size[1]}, nil)
		command.shows(fmt.Sprintf("%d %d\r\n", size[0], size[1]))
	}
	command.kill()
}

func TestSizesAndResizesThatAreRefused(t *testing.T) {
	s := newServer(t)
	before := initDescriptors(t, s)
	for _, size := range []fields{terminalOf(0, 0), terminalOf(0, 80), terminalOf(24, -1), terminalOf(65536, 80), {}} {
		request := s.startRequest("/bin/true")
		request["terminal"] = size
		if answered, _ := s.tryStart(request); answered.Error == nil || *answered.Error != (failure{Errno: "EINVAL", What: whatRequest}) {
			t.Errorf("%v: %v", size, answered.Error)
		}
	}
	sits, stands := s.atTerminal("/bin/cat"), s.start("/bin/cat")
	resize := func(id string, rows, columns int) fields {
		return fields{"op": "resize", "execution": id, "rows": rows, "columns": columns}
	}
	s.refused("EINVAL", whatRequest, resize(sits.id, 0, 80))
	s.refused("EINVAL", whatRequest, resize(sits.id, 24, 65536))
	s.refused("EINVAL", whatRequest, fields{"op": "resize", "execution": sits.id})
	s.refused("ENOTTY", whatTerminal, resize(stands.id, 24, 80))
	s.refused("ESRCH", whatExecution, resize("nobody", 24, 80))
	for _, command := range []*running{sits.running, stands} {
		command.kill()
		command.exit()
	}
	sits.all()
	s.refused("ENOTTY", whatTerminal, resize(sits.id, 24, 80))
	request := s.terminalRequest("/no/such/program")
	if answered, _ := s.tryStart(request); answered.Error == nil || *answered.Error != (failure{Errno: "ENOENT", What: whatProgram}) {
		t.Errorf("%v", answered.Error)
	}
	s.leavesNothing(before)
}

// leavesNothing waits until init has no more descriptors open than it had before.
func (s *server) leavesNothing(before int) {
	s.t.Helper()
	eventually(s, func() bool { return initDescriptors(s.t, s) <= before }, func() {
		s.t.Errorf("%d descriptors were open, %d are", before, initDescriptors(s.t, s))
	})
}
