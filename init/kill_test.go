package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func init() {
	helpers["family"] = family
	helpers["headless"] = headless
	helpers["forge"] = forgeSignals
}

// living counts the processes that carry the marks of this server's init: whatever descends from it.
func living(t *testing.T, above int) int {
	t.Helper()
	processes, err := openProcessFolder()
	must(t, err)
	defer func() { _ = unix.Close(processes.descriptor) }()
	seen, err := processes.scan(func(int, uint64) {})
	must(t, err)
	count := 0
	for _, one := range descend(seen, nil, map[int]bool{above: true}) {
		if !one.gone && one.pid != above {
			count++
		}
	}
	return count
}

func TestATreeEndsWithWhatLeftIt(t *testing.T) {
	ways := map[string]string{
		"child":         "sleep 1000 & echo ready; wait",
		"nohup":         "nohup sleep 1000 >/dev/null 2>&1 & echo ready; wait",
		"session":       "setsid sleep 1000 & echo ready; wait",
		"double fork":   "(setsid sh -c 'setsid sleep 1000 & exit' &) ; echo ready; read never",
		"environment":   "(env -i setsid sleep 1000 &) ; echo ready; read never",
		"ignores TERM":  "trap '' TERM HUP INT; (sleep 1000; sleep 1000) & echo ready; wait",
		"stopped":       "sleep 1000 & kill -STOP $!; echo ready; wait",
		"stops itself":  "echo ready; kill -STOP $$",
		"lowered limit": "(ulimit -R 4000000000000000000; sleep 1000) 2>/dev/null & echo ready; wait",
	}
	for name, script := range ways {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			command := s.start("/bin/bash", "-c", script)
			command.line()
			command.kill()
			if ended := command.exit(); ended.Signal == nil || *ended.Signal != 9 {
				t.Errorf("the end was %+v", ended)
			}
			if left := living(t, s.process.Process.Pid); left != 0 {
				t.Errorf("%d are left", left)
			}
		})
	}
}

func TestLeftoversOfAnEndedCommandCanBeEnded(t *testing.T) {
	s := newServer(t)
	command := s.shell("setsid sleep 1000 >/dev/null 2>&1 & echo $!")
	command.line()
	command.exit()
	if result := command.signal(0, wholeTree, 0); result.Signalled != 1 || result.Survivors != 1 {
		t.Errorf("found %+v", result)
	}
	if result := command.signal(15, firstOfTree, 0); result.Signalled != 0 {
		t.Errorf("the first process is reaped and was signalled all the same")
	}
	command.kill()
	if left := living(t, s.process.Process.Pid); left != 0 {
		t.Errorf("%d are left", left)
	}
}

func TestOneTreeEndsAndTheOthersLive(t *testing.T) {
	s := newServer(t)
	first, second := s.shell("sleep 1000 & echo ready; wait"), s.shell("sleep 1000 & echo ready; wait")
	first.line()
	second.line()
	if result := first.kill(); result.Signalled != 2 {
		t.Errorf("%d were signalled", result.Signalled)
	}
	if result := second.signal(0, wholeTree, 0); result.Survivors != 2 {
		t.Errorf("%d of the other tree live", result.Survivors)
	}
}

func TestASignalThatIsNotKillGoesOnceToAll(t *testing.T) {
	s := newServer(t)
	// The child says that it is ready: a signal between its fork and its exec would meet the trap of its parent.
	command := s.shell("trap 'echo got; exit 3' TERM; sh -c 'echo ready; exec sleep 1000' & wait")
	command.line()
	if result := command.signal(15, wholeTree, enough); result.Signalled != 2 || result.Survivors != 0 {
		t.Errorf("%+v", result)
	}
	if got := command.output(); got != "got\n" {
		t.Errorf("output was %q", got)
	}
	if ended := command.exit(); ended.Code == nil || *ended.Code != 3 {
		t.Errorf("the end was %+v", ended)
	}
}

func TestTheFirstProcessAloneCanBeSignalled(t *testing.T) {
	s := newServer(t)
	command := s.shell("sleep 1000 & echo ready; wait")
	command.line()
	if result := command.signal(9, firstOfTree, 0); result.Signalled != 1 {
		t.Errorf("%+v", result)
	}
	command.exit()
	if result := command.signal(0, wholeTree, 0); result.Survivors != 1 {
		t.Errorf("%d live", result.Survivors)
	}
}

func TestAllButTheFirstProcessCanBeEnded(t *testing.T) {
	ways := map[string]string{
		"child":       "sleep 1000 & echo ready",
		"session":     "setsid sleep 1000 & echo ready",
		"double fork": "(setsid sh -c 'setsid sleep 1000 & exit' &) ; echo ready",
		"stubborn":    "(trap '' TERM HUP INT; sleep 1000; sleep 1000) & echo ready",
		"forks":       "(while :; do sleep 0.001; done) & echo ready",
	}
	for name, script := range ways {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			shell := s.start("/bin/bash", "-c", `exec 2>/dev/null; while read -r line; do eval "$line"; done; exit 6`)
			for range 3 {
				_, err := shell.stdin.WriteString(script + "\n")
				must(t, err)
				shell.line()
				if result := shell.signal(9, othersOfTree, enough/2); result.Survivors != 0 || result.Signalled == 0 {
					t.Errorf("%+v", result)
				}
				if left := living(t, s.process.Process.Pid); left != 1 {
					t.Errorf("%d are left", left)
				}
			}
			must(t, shell.stdin.Close())
			if ended := shell.exit(); ended.Code == nil || *ended.Code != 6 {
				t.Errorf("the end was %+v", ended)
			}
		})
	}
}

func TestOthersAreAllOnceTheFirstProcessHasEnded(t *testing.T) {
	s := newServer(t)
	command := s.shell("sleep 1000 >/dev/null 2>&1 & sleep 1000 >/dev/null 2>&1 & echo ready")
	command.line()
	command.exit()
	if result := command.signal(0, othersOfTree, 0); result.Signalled != 2 || result.Survivors != 2 {
		t.Errorf("%+v", result)
	}
	if result := command.signal(15, othersOfTree, enough); result.Signalled != 2 || result.Survivors != 0 {
		t.Errorf("%+v", result)
	}
}

func TestASignalToTheOthersIsNotTheFirstProcesss(t *testing.T) {
	s := newServer(t)
	command := s.start("/bin/bash", "-c", "exec 2>/dev/null; trap 'echo first' TERM; (trap 'echo other; exit' TERM; echo ready; while :; do sleep 0.01; done) & wait; wait; echo over; read never")
	command.line()
	if result := command.signal(15, othersOfTree, 0); result.Signalled == 0 {
		t.Errorf("%+v", result)
	}
	if first, second := command.line(), command.line(); first != "other" || second != "over" {
		t.Errorf("%q, %q", first, second)
	}
}

func TestPatienceEnds(t *testing.T) {
	s := newServer(t)
	command := s.shell("trap '' TERM; echo ready; read never")
	command.line()
	if result := command.signal(15, wholeTree, 30*time.Millisecond); result.Survivors != 1 {
		t.Errorf("%+v", result)
	}
}

// family makes as many sleeping children as it is told, half of them in sessions of their own.
func family() {
	count := 0
	_, _ = fmt.Sscan(os.Args[1], &count)
	for index := range count {
		child := exec.Command("/bin/sleep", "1000")
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: index%2 == 0}
		if err := child.Start(); err != nil {
			panic(err)
		}
	}
	fmt.Println("ready")
	time.Sleep(time.Hour) // the runtime would end a program whose goroutines all wait for each other
}

func TestATreeOf200IsGoneIn100Milliseconds(t *testing.T) {
	s := newServer(t)
	for round := range 5 {
		command := s.startAs(s.helperRequest("family", "200"))
		command.line()
		began := time.Now()
		result := command.kill()
		took := time.Since(began)
		t.Logf("round %d: %d processes in %v", round, result.Signalled, took)
		if result.Signalled < 201 || took > 100*time.Millisecond {
			t.Errorf("%d processes in %v", result.Signalled, took)
		}
		command.exit()
	}
}

func TestAThousandSleepersDoNotSlowASpawn(t *testing.T) {
	s := newServer(t)
	command := s.startAs(s.helperRequest("family", "1000"))
	command.line()
	if got := s.shell("echo there").output(); got != "there\n" {
		t.Errorf("output was %q", got)
	}
	began := time.Now()
	command.kill()
	t.Logf("1,001 processes in %v", time.Since(began))
	command.exit()
	if got := s.shell("echo there").output(); got != "there\n" {
		t.Errorf("output was %q", got)
	}
}

// headless ends its first thread, so that the process looks like a zombie, and goes on in another.
func headless() {
	fmt.Println("ready")
	go func() { select {} }()
	time.AfterFunc(time.Hour, func() {})
	_, _, _ = syscall.RawSyscall(syscall.SYS_EXIT, 0, 0, 0)
}

func TestAProcessWhoseFirstThreadEndedIsNotTakenForDead(t *testing.T) {
	s := newServer(t)
	command := s.startAs(s.helperRequest("headless"))
	command.line()
	if result := command.signal(0, wholeTree, 0); result.Survivors != 1 {
		t.Errorf("%d live", result.Survivors)
	}
	command.kill()
	command.exit()
}

// TestATreeThatForksWhileItIsKilledEnds runs trees that never stay: each process makes others, in sessions of their own, and goes. The limit
// of processes keeps a failure of this test to itself.
func TestATreeThatForksWhileItIsKilledEnds(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("an ordinary user's limit of processes would count all that this user runs")
	}
	hops := map[string]string{
		"one hops":   `exec 2>/dev/null; setsid sh -c "$1" sh "$1" & exit`,
		"many hop":   `exec 2>/dev/null; for i in 1 2 3; do setsid sh -c "$1" sh "$1" & done; exit`,
		"many leave": `exec 2>/dev/null; for i in 1 2 3; do (setsid sh -c "$1" sh "$1" &) ; done; sleep 0.1`,
	}
	for name, hop := range hops {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, asOtherUser, withArguments("--nproc", "200"))
			var longest time.Duration
			for range 20 {
				command := s.start("/bin/sh", "-c", `echo ready; sh -c "$1" sh "$1" & read never`, "sh", hop)
				command.line()
				began := time.Now()
				command.kill()
				longest = max(longest, time.Since(began))
				command.exit()
				if left := command.signal(0, wholeTree, 0).Survivors; left != 0 {
					t.Fatalf("%d are left", left)
				}
				if left := living(t, s.process.Process.Pid); left != 0 {
					t.Fatalf("%d are left", left)
				}
			}
			t.Logf("20 trees, the longest kill took %v", longest)
		})
	}
}

func TestThousandsOfOrphansLeaveNoZombies(t *testing.T) {
	s := newServer(t)
	command := s.shell(`i=0; while [ $i -lt 3000 ]; do (true &) ; i=$((i+1)); done; exit 5`)
	if ended := command.exit(); ended.Code == nil || *ended.Code != 5 {
		t.Errorf("the end was %+v", ended)
	}
	// Ends are reaped in order of their arrival; a last one after all orphans proves that init is done with them.
	s.shell("true").exit()
	deadline := time.Now().Add(enough)
	for zombies(t, s.process.Process.Pid) > 0 {
		if time.Now().After(deadline) {
			t.Fatalf("%d zombies", zombies(t, s.process.Process.Pid))
		}
	}
}

func zombies(t *testing.T, parent int) int {
	t.Helper()
	processes, err := openProcessFolder()
	must(t, err)
	defer func() { _ = unix.Close(processes.descriptor) }()
	seen, err := processes.scan(func(int, uint64) {})
	must(t, err)
	count := 0
	for _, one := range seen {
		if one.parent == parent && one.gone {
			count++
		}
	}
	return count
}

func TestExitCodesAreNeverMixedUp(t *testing.T) {
	s := newServer(t)
	commands := map[int]*running{}
	for code := range 60 {
		commands[code] = s.shell(fmt.Sprintf("(true &); (false &); exit %d", code))
	}
	for code, command := range commands {
		if ended := command.exit(); ended.Code == nil || *ended.Code != code {
			t.Errorf("%d ended as %+v", code, ended)
		}
	}
}

func TestKillAllEndsEverything(t *testing.T) {
	for name, settings := range map[string][]setting{"subreaper": nil, "process 1": {asFirstProcess}} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, settings...)
			first := s.shell("setsid sleep 1000 & echo ready; wait")
			second := s.shell("(setsid sleep 1000 >/dev/null 2>&1 &); echo ready")
			first.line()
			second.line()
			second.exit()
			var result killAllAnswer
			s.ask(fields{"op": "kill_all", "signal": 9, "patience_ms": 5000}, &result)
			if result.Survivors != 0 {
				t.Errorf("%d survive", result.Survivors)
			}
			first.exit()
			if left := living(t, s.process.Process.Pid); left != 0 {
				t.Errorf("%d are left", left)
			}
			if got := s.shell("echo there").output(); got != "there\n" {
				t.Errorf("output was %q", got)
			}
		})
	}
}

// forgeSignals sends the process of its argument every signal that it is told, with a cause that looks like a fault.
func forgeSignals() {
	target, first, last := 0, 0, 0
	_, _ = fmt.Sscan(strings.Join(os.Args[1:], " "), &target, &first, &last)
	for number := first; number <= last; number++ {
		if number == int(unix.SIGKILL) || number == int(unix.SIGSTOP) || number == int(unix.SIGTERM) {
			continue
		}
		information := [32]int32{int32(number), 0, -1} // struct siginfo of 128 bytes; the cause is SI_QUEUE
		if _, _, err := syscall.RawSyscall(syscall.SYS_RT_SIGQUEUEINFO, uintptr(target), uintptr(number), addressOf(&information)); err != 0 {
			fmt.Println(number, err)
		}
	}
	fmt.Println("sent")
}
