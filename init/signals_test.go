package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func addressOf(information *[32]int32) uintptr { return uintptr(unsafe.Pointer(information)) }

func TestChildrenInheritNoSignalSettings(t *testing.T) {
	blocked := func(command *execCommand) {
		// env sets what a careless parent of init would leave behind.
		if _, err := exec.LookPath("env"); err == nil {
			command.Args = append([]string{"env", "--ignore-signal=HUP,INT,PIPE,USR1", "--block-signal=USR2,TERM,CHLD"}, command.Args...)
			command.Path = "/usr/bin/env"
		}
	}
	for name, settings := range map[string][]setting{"clean": nil, "blocked and ignored": {blocked}} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, settings...)
			got := s.start("/bin/grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status").output()
			for _, line := range strings.Split(strings.TrimSpace(got), "\n") {
				if strings.Trim(strings.Fields(line)[1], "0") != "" {
					t.Errorf("%s", line)
				}
			}
		})
	}
}

func TestInitSurvivesEverySignal(t *testing.T) {
	s := newServer(t)
	for number := unix.Signal(1); number <= 64; number++ {
		if number == unix.SIGKILL || number == unix.SIGSTOP || number == unix.SIGTERM {
			continue
		}
		must(t, unix.Kill(s.process.Process.Pid, number))
		s.ask(fields{"op": "ping"}, nil)
	}
}

func TestInitSurvivesEverySignalWithAForgedCause(t *testing.T) {
	s := newServer(t)
	for number := 1; number <= 64; number++ {
		request := s.helperRequest("forge", fmt.Sprint(s.process.Process.Pid), fmt.Sprint(number), fmt.Sprint(number))
		if got := s.startAs(request).output(); got != "sent\n" {
			t.Errorf("signal %d: %s", number, got)
		}
		s.ask(fields{"op": "ping"}, nil)
	}
}

func TestProcessOneSurvivesWhatItsCommandsSend(t *testing.T) {
	s := newServer(t, asFirstProcess)
	got := s.start("/bin/bash", "-c", "for n in $(seq 1 64); do kill -$n 1; done; kill -9 1; kill -STOP 1; echo $PPID").output()
	if strings.TrimSpace(got) != "1" {
		t.Errorf("%q", got)
	}
	s.ask(fields{"op": "ping"}, nil)
}

func TestTermEndsInit(t *testing.T) {
	s := newServer(t)
	must(t, s.process.Process.Signal(unix.SIGTERM))
	s.mustEndWith(exitTerminated)
}

func TestTermFromOutsideEndsProcessOne(t *testing.T) {
	s := newServer(t, asFirstProcess)
	must(t, s.process.Process.Signal(unix.SIGTERM))
	s.mustEndWith(exitTerminated)
}

func (s *server) mustEndWith(code int) {
	s.t.Helper()
	select {
	case <-s.ended:
	case <-time.After(enough):
		s.t.Fatal("it goes on")
	}
	if got := s.process.ProcessState.ExitCode(); got != code {
		s.t.Errorf("it ended with %d", got)
	}
}

func TestOthersOfItsUserCannotLookIntoInit(t *testing.T) {
	settings := []setting{withEnvironment("HIDDEN=1", "KUBEBOX_SECRET=2")}
	if os.Getuid() == 0 {
		settings = append(settings, asOtherUser) // root may look everywhere
	}
	s := newServer(t, settings...)
	command := s.shell(`cd /proc/$PPID; for f in environ mem maps fd/0 cwd root exe; do if cat $f >/dev/null 2>&1; then echo $f; fi; done; readlink root exe; ls fd; true`)
	for _, line := range strings.Split(command.output(), "\n") {
		if line != "" && !strings.Contains(line, "ermission denied") {
			t.Errorf("seen: %s", line)
		}
	}
}

// TestAForkBombAtTheProcessLimit is the case that ends a careless program: each new thread is refused.
func TestAForkBombAtTheProcessLimit(t *testing.T) {
	if os.Getuid() != 0 {
		t.Log("not run: as an ordinary user, the limit would count all that this user runs")
		return
	}
	s := newServer(t, asOtherUser, withArguments("--nproc", "150"))
	must(t, os.WriteFile(s.folder+"/file", []byte("content"), 0o644))
	bomb := s.start("/bin/bash", "-c", `echo ready; exec 2>/dev/null; bomb() { bomb | bomb & sleep 0.05; }; while :; do bomb; done`)
	bomb.line()
	refused := 0
	for deadline := time.Now().Add(enough); refused < 20 && time.Now().Before(deadline); {
		s.ask(fields{"op": "ping"}, nil)
		s.ask(s.file("open", "file"), nil)
		s.ask(s.file("stat", "file"), nil)
		read, write := pipe(t)
		list := s.file("list", "")
		list["max_entries"], list["max_ms"] = 10, 5000
		s.ask(list, nil, int(write.Fd()))
		_, _ = read.Close(), write.Close()
		bomb.signal(0, wholeTree, 0)
		if answered, _ := s.tryStart(s.startRequest("/bin/true")); answered.Error != nil {
			if *answered.Error != (failure{Errno: "EAGAIN", What: whatProcess}) {
				t.Fatalf("%v", answered.Error)
			}
			refused++
		}
	}
	if refused == 0 {
		t.Error("the limit was never reached")
	}
	began := time.Now()
	result := bomb.kill()
	t.Logf("%d processes of the bomb gone in %v", result.Signalled, time.Since(began))
	if got := s.shell("echo there").output(); got != "there\n" {
		t.Errorf("output was %q", got)
	}
}
