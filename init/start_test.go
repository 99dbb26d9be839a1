package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestACommandRunsAndItsEndIsReported(t *testing.T) {
	s := newServer(t)
	command := s.shell("read line; echo got $line; exit 7")
	_, err := command.stdin.WriteString("hello\n")
	must(t, err)
	if output := command.output(); output != "got hello\n" {
		t.Errorf("output was %q", output)
	}
	ended := command.exit()
	if ended.Code == nil || *ended.Code != 7 || ended.Signal != nil || ended.MaxRSSKiB == 0 {
		t.Errorf("the end was %+v", ended)
	}
}

func TestADeathBySignalIsReportedAsSuch(t *testing.T) {
	s := newServer(t)
	ended := s.shell("kill -9 $$").exit()
	if ended.Code != nil || ended.Signal == nil || *ended.Signal != 9 {
		t.Errorf("the end was %+v", ended)
	}
}

func TestTheTimeThatACommandUsedIsReported(t *testing.T) {
	s := newServer(t)
	ended := s.shell("i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done").exit()
	if ended.UserUS+ended.SystemUS < 10_000 {
		t.Errorf("only %d + %d us", ended.UserUS, ended.SystemUS)
	}
}

func TestAnEndIsNeverReportedBeforeTheStart(t *testing.T) {
	s := newServer(t)
	for range 300 {
		// exits[...] is filled by the reader of the line, in the order of packets.
		request := s.startRequest("/bin/true")
		answered, command := s.tryStart(request)
		if answered.Error != nil {
			t.Fatal(answered.Error)
		}
		if ended := command.exit(); ended.Code == nil || *ended.Code != 0 {
			t.Fatalf("the end was %+v", ended)
		}
	}
}

func TestAChildHasTheWorkspacesEnvironmentAndNothingOfThePlatform(t *testing.T) {
	s := newServer(t, withEnvironment("KUBERNETES_PORT=1", "KUBEBOX_SECRET=2", "IMAGE=3", "CHANGED=4"))
	request := s.startRequest("/usr/bin/env")
	request["env"] = byteStrings("CHANGED=5", "OWN=6", "OWN=7")
	got := strings.Fields(s.startAs(request).output())
	slices.Sort(got)
	wanted := []string{"CHANGED=5", "IMAGE=3", "OWN=7", usualPATH}
	if !slices.Equal(got, wanted) {
		t.Errorf("the environment is %q", got)
	}
}

func TestAChildHasThreeDescriptors(t *testing.T) {
	left, err := os.Open("/etc/passwd")
	must(t, err)
	defer func() { _ = left.Close() }()
	inherits := func(command *execCommand) { command.ExtraFiles = []*os.File{left} }
	s := newServer(t, inherits)
	// Some files are open while the command starts.
	must(t, os.WriteFile(filepath.Join(s.folder, "file"), nil, 0o644))
	for range 5 {
		s.ask(s.file("create", "new"), nil)
	}
	command := s.start("/bin/cat")
	_, err = command.stdin.WriteString("there\n")
	must(t, err)
	command.line() // its libraries are loaded and their files closed
	if names := descriptorsOf(t, command.pid); !slices.Equal(names, []string{"0", "1", "2"}) {
		t.Errorf("open are %v", names)
	}
}

func TestAChildLeadsASessionAndIsTheFirstToGoWhereMemoryIsShort(t *testing.T) {
	s := newServer(t)
	command := s.start("/bin/cat")
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", command.pid))
	must(t, err)
	after := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if session := after[3]; session != fmt.Sprint(command.pid) {
		t.Errorf("its session is %s", session)
	}
	adjusted, err := os.ReadFile(fmt.Sprintf("/proc/%d/oom_score_adj", command.pid))
	must(t, err)
	if strings.TrimSpace(string(adjusted)) != "1000" {
		t.Errorf("oom_score_adj is %s", adjusted)
	}
}

func TestLimitsReachChildren(t *testing.T) {
	s := newServer(t, withArguments("--nofile", "1234"))
	got := s.shell("ulimit -Sn; ulimit -Hn; ulimit -c; umask").output()
	if got != "1234\n1234\n0\n0022\n" {
		t.Errorf("limits are %q", got)
	}
}

func TestWithoutALimitChildrenGetWhatInitWasStartedWith(t *testing.T) {
	s := newServer(t, func(command *execCommand) {
		command.Args = append([]string{"sh", "-c", `ulimit -Sn 300; ulimit -Hn 5000; exec "$0" "$@"`}, command.Args...)
		command.Path = "/bin/sh"
	})
	if got := s.shell("ulimit -Sn; ulimit -Hn").output(); got != "300\n5000\n" {
		t.Errorf("limits are %q", got)
	}
}

func TestACommandRunsInItsFolder(t *testing.T) {
	s := newServer(t)
	must(t, os.MkdirAll(filepath.Join(s.folder, "session/inner"), 0o755))
	must(t, os.Symlink("inner", filepath.Join(s.folder, "session/link")))
	must(t, os.Symlink("/etc", filepath.Join(s.folder, "session/out")))
	request := s.startRequest("/bin/pwd", "-P")
	request["folder"], request["path"] = []byte("session"), []byte("link")
	if got := s.startAs(request).output(); got != s.folder+"/session/inner\n" {
		t.Errorf("it ran in %q", got)
	}
	for path, errno := range map[string]string{"out": "EXDEV", "..": "EXDEV", "/etc": "EXDEV", "none": "ENOENT", "a\x00": "EINVAL"} {
		request := s.startRequest("/bin/pwd")
		request["folder"], request["path"] = []byte("session"), []byte(path)
		answered, _ := s.tryStart(request)
		if answered.Error == nil || *answered.Error != (failure{Errno: errno, What: whatPath}) {
			t.Errorf("%q: %v", path, answered.Error)
		}
	}
	request = s.startRequest("/bin/pwd")
	request["folder"] = []byte("none")
	answered, _ := s.tryStart(request)
	if answered.Error == nil || *answered.Error != (failure{Errno: "ENOENT", What: whatFolder}) {
		t.Errorf("a missing folder: %v", answered.Error)
	}
	if target, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", s.process.Process.Pid)); err == nil && target != "/" {
		t.Errorf("init itself stayed in %q", target)
	}
}

func TestProgramsAreSoughtAsExecvpDoes(t *testing.T) {
	s := newServer(t)
	bin := filepath.Join(s.folder, "bin")
	must(t, os.Mkdir(bin, 0o755))
	must(t, os.WriteFile(filepath.Join(bin, "tool"), []byte("#!/bin/sh\necho tool $0\n"), 0o755))
	must(t, os.WriteFile(filepath.Join(bin, "locked"), []byte("#!/bin/sh\n"), 0o644))
	must(t, os.WriteFile(filepath.Join(bin, "broken"), []byte("#!/no/such/interpreter\n"), 0o755))
	must(t, os.WriteFile(filepath.Join(s.folder, "file"), nil, 0o755))
	path := "PATH=/nowhere:" + s.folder + "/file:" + bin + ":/bin"
	cases := []struct {
		programs []string
		variable string
		output   string
		errno    string
	}{
		{[]string{"tool"}, path, "tool " + bin + "/tool\n", ""},
		{[]string{"tool"}, "PATH=bin", "tool bin/tool\n", ""},
		{[]string{"bin/tool"}, path, "tool bin/tool\n", ""},
		{[]string{"nothing", "/no/bash", "tool"}, path, "tool " + bin + "/tool\n", ""},
		{[]string{"broken", "tool"}, path, "tool " + bin + "/tool\n", ""},
		{[]string{"nothing"}, path, "", "ENOENT"},
		{[]string{""}, path, "", "ENOENT"},
		{[]string{"locked", "tool"}, path, "", "EACCES"},
		{[]string{bin}, path, "", "EACCES"},
		{[]string{"file/tool"}, path, "", "ENOTDIR"},
		{[]string{s.folder + "/file"}, path, "", "ENOEXEC"},
	}
	for _, one := range cases {
		request := s.startRequest("name")
		request["programs"] = byteStrings(one.programs...)
		request["env"] = byteStrings(one.variable)
		answered, command := s.tryStart(request)
		switch {
		case one.errno == "" && answered.Error != nil:
			t.Errorf("%q: %v", one.programs, answered.Error)
		case one.errno == "":
			if got := command.output(); got != one.output {
				t.Errorf("%q: %q", one.programs, got)
			}
		case answered.Error == nil || *answered.Error != (failure{Errno: one.errno, What: whatProgram}):
			t.Errorf("%q: %v, wanted %s", one.programs, answered.Error, one.errno)
		}
	}
}

func TestAnEmptyFirstArgumentIsTheProgramsName(t *testing.T) {
	s := newServer(t)
	for program, wanted := range map[string]string{"sh": "sh", "/bin/sh": "sh"} {
		request := s.startRequest(program)
		request["programs"] = byteStrings("/no/such/shell", program)
		request["argv"] = byteStrings("", "-c", "tr '\\0' ' ' </proc/$$/cmdline")
		if got, _, _ := strings.Cut(s.startAs(request).output(), " "); got != wanted {
			t.Errorf("%s is called %q", program, got)
		}
	}
}

func TestArgumentsThatAreTooLongAreRefusedByName(t *testing.T) {
	s := newServer(t)
	request := s.startRequest("/bin/true", strings.Repeat("a", 200<<10))
	request["id"] = int64(1 << 40)
	read, write := pipe(t)
	answered := s.sendLarge(request, int(read.Fd()), int(write.Fd()), int(write.Fd()))
	if answered.Error == nil || *answered.Error != (failure{Errno: "E2BIG", What: whatProgram}) {
		t.Errorf("%v", answered.Error)
	}
}

func TestTheSameExecutionStartsOnce(t *testing.T) {
	s := newServer(t)
	request := s.startRequest("/bin/cat")
	command := s.startAs(request)
	answered, _ := s.tryStart(request)
	if answered.Error == nil || *answered.Error != (failure{Errno: "EEXIST", What: whatExecution}) {
		t.Errorf("%v", answered.Error)
	}
	s.refused("EBUSY", whatExecution, fields{"op": "forget", "execution": command.id})
	command.kill()
	command.exit()
	s.ask(fields{"op": "forget", "execution": command.id}, nil)
	s.refused("ESRCH", whatExecution, fields{"op": "forget", "execution": command.id})
	s.startAs(request)
}

func TestAStartWantsExactlyTheDescriptorsThatItNames(t *testing.T) {
	s := newServer(t)
	s.refused("EINVAL", whatRequest, s.startRequest("/bin/true"))
	read, write := pipe(t)
	in, out := int(read.Fd()), int(write.Fd())
	before := initDescriptors(t, s)
	cases := []struct{ extra, keep, given int }{
		{0, 0, 2}, {0, 0, 4}, {1, 0, 3}, {1, 1, 4}, {0, 5, 3}, {2, 5, 9}, {2, 5, 11}, {-1, 1, 3}, {1, -1, 3}, {3, 0, 6}, {0, 6, 9},
	}
	for _, one := range cases {
		request := s.startRequest("/bin/true")
		request["extra"], request["keep"] = one.extra, one.keep
		s.refused("EINVAL", whatRequest, request, slices.Repeat([]int{in}, one.given)...)
	}
	tooMany := slices.Repeat([]int{in}, maxDescriptors+2) // the kernel rounds the room up to an even number
	s.refused("EMFILE", whatDescriptors, s.startRequest("/bin/true"), tooMany...)
	s.leavesNothing(before)
	request := s.startRequest("/bin/true")
	request["extra"], request["keep"] = maxExtra, maxKept
	s.ask(request, nil, append([]int{in, out, out}, slices.Repeat([]int{out}, maxExtra+maxKept)...)...)
}

func TestAnExecutionsNameIsBounded(t *testing.T) {
	s := newServer(t)
	for length, errno := range map[int]string{maxExecutionName: "", maxExecutionName + 1: "EINVAL", 0: "EINVAL"} {
		request := s.startRequest("/bin/true")
		request["execution"] = strings.Repeat("x", length)
		answered, _ := s.tryStart(request)
		if got := answered.Error; errno == "" && got != nil || errno != "" && (got == nil || *got != failure{Errno: errno, What: whatRequest}) {
			t.Errorf("%d bytes: %v", length, got)
		}
	}
}

func TestExtraDescriptorsComeAfterTheStreams(t *testing.T) {
	s := newServer(t)
	for name, terminal := range map[string]any{"pipes": nil, "terminal": terminalOf(24, 80)} {
		t.Run(name, func(t *testing.T) {
			request := s.startRequest("/bin/bash", "-c", `read line <&3; echo got $line >&4; ls /proc/$$/fd >&4`)
			request["extra"] = 2
			if terminal != nil {
				request["terminal"] = terminal
			}
			stdin, _ := pipe(t)
			_, stdout := pipe(t)
			toCommand, fromServer := pipe(t)
			toServer, fromCommand := pipe(t)
			s.exitOf(request["execution"].(string))
			s.ask(request, nil, int(stdin.Fd()), int(stdout.Fd()), int(stdout.Fd()), int(toCommand.Fd()), int(fromCommand.Fd()))
			must(t, fromCommand.Close())
			_, err := fromServer.WriteString("this\n")
			must(t, err)
			// bash has 255 for its script.
			if got := strings.Fields(readAll(t, toServer)); !slices.Equal(got[:7], []string{"got", "this", "0", "1", "2", "3", "4"}) {
				t.Errorf("%q", got)
			}
		})
	}
}

// TestSpawnsAreFast prints the figure that the design states; it fails only where something is badly wrong.
func TestSpawnsAreFast(t *testing.T) {
	s := newServer(t)
	read, write := pipe(t)
	in, out := int(read.Fd()), int(write.Fd())
	var took []time.Duration
	for range 300 {
		request := s.startRequest("/bin/true")
		s.exitOf(request["execution"].(string))
		began := time.Now()
		s.ask(request, nil, in, out, out)
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	t.Logf("from request to answer: p50 %v, p99 %v", took[len(took)/2], took[len(took)*99/100])
	if took[len(took)/2] > 50*time.Millisecond {
		t.Errorf("a spawn takes %v", took[len(took)/2])
	}
}

func TestTwoInitsShareNoMarks(t *testing.T) {
	one, other := newServer(t), newServer(t)
	first, second := one.start("/bin/cat"), other.start("/bin/cat")
	if result := first.kill(); result.Signalled != 1 {
		t.Errorf("%d were signalled", result.Signalled)
	}
	if result := second.signal(0, wholeTree, 0); result.Survivors != 1 {
		t.Errorf("%d live", result.Survivors)
	}
}
