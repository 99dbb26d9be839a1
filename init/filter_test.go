package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func init() {
	helpers["attempts"] = attempts
	helpers["traces"] = traces
}

// attempts tries what commands may not do, and its harmless neighbours, and prints how each ended. Its argument is init's PID.
func attempts() {
	const (
		high     = uintptr(1) << 32 // what is above the 32 bits that the kernel looks at
		nothing  = ^uintptr(0)      // no descriptor, no key
		keyProbe = 0                // KEYCTL_GET_KEYRING_ID
	)
	var parent int
	_, _ = fmt.Sscan(os.Args[1], &parent)
	var now, fewer, unchanged unix.Rlimit
	_ = unix.Prlimit(0, unix.RLIMIT_RTTIME, nil, &now)
	lower := unix.Rlimit{Cur: now.Max - 1, Max: now.Max - 1}
	_ = unix.Prlimit(0, unix.RLIMIT_NOFILE, nil, &fewer)
	_ = unix.Prlimit(parent, unix.RLIMIT_NOFILE, nil, &unchanged)
	fewer.Max--
	fewer.Cur = fewer.Max
	at := func(limit *unix.Rlimit) uintptr { return uintptr(unsafe.Pointer(limit)) }
	for _, one := range []struct {
		name      string
		number    uintptr
		arguments [4]uintptr
	}{
		{"own mark, setrlimit", unix.SYS_SETRLIMIT, [4]uintptr{unix.RLIMIT_RTTIME, at(&lower)}},
		{"own mark, setrlimit, high bits", unix.SYS_SETRLIMIT, [4]uintptr{high | unix.RLIMIT_RTTIME, at(&lower)}},
		{"own mark, prlimit", unix.SYS_PRLIMIT64, [4]uintptr{0, unix.RLIMIT_RTTIME, at(&lower)}},
		{"own mark, prlimit, high bits", unix.SYS_PRLIMIT64, [4]uintptr{high, high | unix.RLIMIT_RTTIME, at(&lower)}},
		{"own mark, read", unix.SYS_PRLIMIT64, [4]uintptr{0, unix.RLIMIT_RTTIME, 0, at(&now)}},
		{"init's mark", unix.SYS_PRLIMIT64, [4]uintptr{uintptr(parent), unix.RLIMIT_RTTIME, at(&lower)}},
		{"init's files", unix.SYS_PRLIMIT64, [4]uintptr{uintptr(parent), unix.RLIMIT_NOFILE, at(&unchanged)}},
		{"own files, setrlimit", unix.SYS_SETRLIMIT, [4]uintptr{unix.RLIMIT_NOFILE, at(&fewer)}},
		{"own files, prlimit", unix.SYS_PRLIMIT64, [4]uintptr{0, unix.RLIMIT_NOFILE, at(&fewer)}},
		{"keyctl", unix.SYS_KEYCTL, [4]uintptr{keyProbe, nothing}},
		{"add_key", unix.SYS_ADD_KEY, [4]uintptr{}},
		{"request_key", unix.SYS_REQUEST_KEY, [4]uintptr{}},
		{"io_uring_setup", unix.SYS_IO_URING_SETUP, [4]uintptr{1}},
		{"io_uring_enter", unix.SYS_IO_URING_ENTER, [4]uintptr{nothing}},
		{"io_uring_register", unix.SYS_IO_URING_REGISTER, [4]uintptr{nothing}},
		{"bpf", unix.SYS_BPF, [4]uintptr{nothing}},
		{"perf_event_open", unix.SYS_PERF_EVENT_OPEN, [4]uintptr{}},
		{"userfaultfd", unix.SYS_USERFAULTFD, [4]uintptr{nothing}},
		{"TIOCSTI", unix.SYS_IOCTL, [4]uintptr{0, unix.TIOCSTI}},
		{"TIOCSTI, high bits", unix.SYS_IOCTL, [4]uintptr{0, high | unix.TIOCSTI}},
		{"TIOCLINUX", unix.SYS_IOCTL, [4]uintptr{0, unix.TIOCLINUX}},
		{"another ioctl", unix.SYS_IOCTL, [4]uintptr{0, unix.TIOCGWINSZ}},
		{"another numbering", unix.SYS_GETPID | secondNumbering, [4]uintptr{}},
	} {
		_, _, err := syscall.Syscall6(one.number, one.arguments[0], one.arguments[1], one.arguments[2], one.arguments[3], 0, 0)
		fmt.Printf("%s: %s\n", one.name, unix.ErrnoName(err))
	}
}

func TestCommandsCannotTouchMarksOrInitOrKeys(t *testing.T) {
	s := newServer(t)
	output := s.startAs(s.helperRequest("attempts", fmt.Sprint(s.process.Process.Pid))).output()
	outcomes := map[string]string{
		"own mark, read": "", "own files, setrlimit": "", "own files, prlimit": "",
		"another ioctl": "ENOTTY", "another numbering": "ENOSYS",
	}
	for _, line := range strings.Split(strings.TrimSpace(output), "\n") {
		name, got, _ := strings.Cut(line, ": ")
		wanted, exempt := outcomes[name]
		if !exempt {
			wanted = "EPERM"
		}
		if got != wanted {
			t.Errorf("%s: %q, wanted %q", name, got, wanted)
		}
	}
	if got := s.shell("echo there").output(); got != "there\n" {
		t.Errorf("output was %q", got)
	}
}

// interruptCaller is a program that asks for its PID by the numbers of 32-bit programs and exits with the errno that it is told.
var interruptCaller = []byte{
	0xb8, 20, 0, 0, 0, // mov eax, getpid
	0xcd, 0x80, // int 0x80
	0x89, 0xc7, // mov edi, eax
	0xf7, 0xdf, // neg edi
	0xb8, 231, 0, 0, 0, // mov eax, exit_group
	0x0f, 0x05, // syscall
}

// smallProgram makes an ELF file for amd64 of machine code.
func smallProgram(code []byte) []byte {
	const (
		base             = 0x400000 // where it lies in memory
		fileHeaderSize   = 64
		programSize      = 56
		headers          = fileHeaderSize + programSize
		executable, x86  = 2, 62
		loaded, readExec = 1, 5
		page             = 0x1000
	)
	size := uint64(headers + len(code))
	var file bytes.Buffer
	file.WriteString("\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 9))
	for _, value := range []any{
		uint16(executable), uint16(x86), uint32(1), uint64(base + headers), uint64(fileHeaderSize), uint64(0), uint32(0),
		uint16(fileHeaderSize), uint16(programSize), uint16(1), uint16(0), uint16(0), uint16(0),
		uint32(loaded), uint32(readExec), uint64(0), uint64(base), uint64(base), size, size, uint64(page),
	} {
		_ = binary.Write(&file, binary.LittleEndian, value)
	}
	return append(file.Bytes(), code...)
}

func TestTheNumbersOf32BitProgramsAreNoWayAround(t *testing.T) {
	if unix.AUDIT_ARCH_X86_64 != nativeArchitecture {
		t.Skip("int 0x80 is x86's")
	}
	s := newServer(t)
	path := filepath.Join(s.folder, "caller")
	must(t, os.WriteFile(path, smallProgram(interruptCaller), 0o755))
	ended := s.start(path).exit()
	if ended.Signal != nil {
		t.Skip("this kernel runs no 32-bit programs")
	}
	if *ended.Code != int(unix.ENOSYS) {
		t.Errorf("it ended as %+v", ended)
	}
}

func TestATreeEndsWithWhatWouldShedItsMark(t *testing.T) {
	s := newServer(t)
	const evader = `(setsid bash -c 'ulimit -R 4000000000000000000; echo ready; exec sleep 1000' 2>/dev/null &); read never`
	command := s.start("/bin/bash", "-c", evader)
	command.line()
	if result := command.kill(); result.Signalled != 2 {
		t.Errorf("%d were signalled", result.Signalled)
	}
	command.exit()
	if left := living(t, s.process.Process.Pid); left != 0 {
		t.Errorf("%d are left", left)
	}
}

func TestOnlyTheSpawningThreadIsConfined(t *testing.T) {
	s := newServer(t)
	for range 20 {
		s.shell("true").exit()
	}
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", s.process.Process.Pid))
	must(t, err)
	filters := map[string]int{}
	for _, thread := range threads {
		status, err := os.ReadFile(thread)
		must(t, err)
		_, after, _ := strings.Cut(string(status), "Seccomp_filters:")
		filters[strings.Fields(after)[0]]++
	}
	if len(filters) != 2 || len(threads) < threadsNeeded {
		t.Fatalf("threads by their number of filters: %v", filters)
	}
	for number, count := range filters {
		if count != 1 && count != len(threads)-1 {
			t.Errorf("%d threads have %s filters", count, number)
		}
	}
}

func TestAStartWithoutAMarkIsRefused(t *testing.T) {
	s := newServer(t)
	used := unix.Rlimit{Cur: lowestMark, Max: lowestMark}
	must(t, unix.Prlimit(s.process.Process.Pid, unix.RLIMIT_RTTIME, &used, nil))
	answered, _ := s.tryStart(s.startRequest("/bin/true"))
	if answered.Error == nil || *answered.Error != (failure{Errno: "EAGAIN", What: whatProcess}) {
		t.Errorf("%v", answered.Error)
	}
	s.ask(fields{"op": "ping"}, nil)
}

func TestAnInitThatCannotMarkDoesNotStart(t *testing.T) {
	s := newServer(t)
	command := s.shell(builtInit + " --socket none 2>&1; echo $?")
	output := command.output()
	if !strings.Contains(output, "cannot mark commands") || !strings.HasSuffix(output, "\n1\n") {
		t.Errorf("output was %q", output)
	}
}

// traces runs a child under ptrace, as debuggers do.
func traces() {
	attributes := &syscall.SysProcAttr{Ptrace: true}
	child := exec.Command("/bin/true")
	child.SysProcAttr = attributes
	if err := child.Start(); err != nil {
		fmt.Println(err)
		return
	}
	var status unix.WaitStatus
	_, _ = unix.Wait4(child.Process.Pid, &status, 0, nil)
	fmt.Println(status.StopSignal(), unix.PtraceDetach(child.Process.Pid), child.Wait())
}

func TestUsualThingsWorkBehindTheFilter(t *testing.T) {
	s := newServer(t)
	python, err := exec.LookPath("python3")
	if err == nil {
		const lowers = "import resource as r; r.setrlimit(r.RLIMIT_NOFILE, (50, 60)); print(r.getrlimit(r.RLIMIT_NOFILE))"
		if got := s.start(python, "-c", lowers).output(); got != "(50, 60)\n" {
			t.Errorf("resource.setrlimit: %q", got)
		}
	}
	scripts := map[string]string{
		"ulimit -n 99; ulimit -u 999; ulimit -n; ulimit -u":                            "99\n999\n",
		"set -m; sleep 1000 & kill -STOP %1; kill %1; kill -CONT %1; wait %1; echo $?": "143\n",
	}
	for script, wanted := range scripts {
		if got := s.start("/bin/bash", "-c", "exec 2>/dev/null; "+script).output(); got != wanted {
			t.Errorf("%s: %q", script, got)
		}
	}
	if got := s.startAs(s.helperRequest("traces")).output(); got != "trace/breakpoint trap <nil> <nil>\n" {
		t.Errorf("ptrace: %q", got)
	}
}

// TestTheFilterCostsLittle prints what a system call costs with and without the filter, and fails only where something is badly wrong.
func TestTheFilterCostsLittle(t *testing.T) {
	const calls = 1_000_000
	measure := func() time.Duration {
		began := time.Now()
		for range calls {
			_, _, _ = unix.RawSyscall(unix.SYS_GETPPID, 0, 0, 0)
		}
		return time.Since(began) / calls
	}
	bare := measure()
	confined, err := newConfinedThread()
	must(t, err)
	var filtered time.Duration
	confined.do(func() { filtered = measure() })
	t.Logf("a system call takes %v, behind the filter %v", bare, filtered)
	if filtered > 10*bare+time.Microsecond {
		t.Errorf("a system call takes %v, behind the filter %v", bare, filtered)
	}
}
