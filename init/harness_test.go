package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// enough is how long a test waits for what should come at once, before it fails.
const enough = 20 * time.Second

var builtInit string

// TestMain builds init as it is shipped: tests talk to that program over its line, as the server does.
func TestMain(m *testing.M) {
	if helper := helpers[os.Getenv(helperVariable)]; helper != nil {
		helper()
		os.Exit(0)
	}
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	folder, err := os.MkdirTemp("", "init-test-")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(folder) }()
	if err := os.Chmod(folder, 0o755); err != nil {
		panic(err)
	}
	builtInit = filepath.Join(folder, "init")
	build := exec.Command("go", "build", "-o", builtInit, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		panic(err)
	}
	return m.Run()
}

// server stands on the trusted side of a line to an init of its own.
type server struct {
	t          *testing.T
	folder     string // what the tests use as root; the line's socket is beside it
	socket     string
	listener   *net.UnixListener
	process    *exec.Cmd
	ended      chan struct{} // closed when init has ended
	connection *net.UnixConn

	mutex   sync.Mutex
	lastID  int64
	waiting map[int64]chan reply
	exits   map[string]chan exit
	broken  chan struct{}
}

type reply struct {
	ID          int64           `json:"id"`
	OK          json.RawMessage `json:"ok"`
	Error       *failure        `json:"error"`
	descriptors []int
}

type fields map[string]any

type execCommand = exec.Cmd

type setting func(*execCommand)

func withArguments(arguments ...string) setting {
	return func(command *exec.Cmd) { command.Args = append(command.Args, arguments...) }
}

func withEnvironment(variables ...string) setting {
	return func(command *exec.Cmd) { command.Env = append(command.Env, variables...) }
}

const (
	testSecret   = "the secret of this test"
	otherUser    = 61397 // a number that no account has, so that limits count these tests alone
	usualPATH    = "PATH=/usr/local/bin:/usr/bin:/bin"
	wholeTree    = "tree"
	firstOfTree  = "leader"
	othersOfTree = "others"
)

func asOtherUser(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: otherUser, Gid: otherUser}}
}

// asFirstProcess gives init namespaces of its own, in which it is process 1.
func asFirstProcess(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWPID | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	// /proc has to be that of the new namespace, and only a process in it can mount it.
	command.Args = append([]string{"sh", "-c", `mount -t proc proc /proc && exec "$0" "$@"`}, command.Args...)
	command.Path = "/bin/sh"
}

func newServer(t *testing.T, settings ...setting) *server {
	t.Helper()
	outer, err := os.MkdirTemp("", "line-")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(outer) })
	must(t, os.Chmod(outer, 0o755))
	s := &server{t: t, folder: filepath.Join(outer, "root"), socket: filepath.Join(outer, "line.sock")}
	must(t, os.Mkdir(s.folder, 0o777))
	must(t, os.Chmod(s.folder, 0o777))
	s.listen()
	s.process = exec.Command(builtInit, "--socket", s.socket)
	s.process.Env = []string{usualPATH}
	s.process.Stderr = os.Stderr
	for _, apply := range settings {
		apply(s.process)
	}
	must(t, s.process.Start())
	s.ended = make(chan struct{})
	go func() {
		_ = s.process.Wait()
		close(s.ended)
	}()
	t.Cleanup(s.stop)
	s.accept(true)
	return s
}

func (s *server) listen() {
	listener, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: s.socket, Net: "unixpacket"})
	must(s.t, err)
	must(s.t, os.Chmod(s.socket, 0o777))
	s.listener = listener
}

// accept takes init's next connection and its hello, and welcomes it.
func (s *server) accept(fresh bool) hello {
	s.t.Helper()
	must(s.t, s.listener.SetDeadline(time.Now().Add(enough)))
	connection, err := s.listener.AcceptUnix()
	must(s.t, err)
	must(s.t, connection.SetReadDeadline(time.Now().Add(enough)))
	received, err := receive(connection, make([]byte, maxPacket))
	must(s.t, err)
	var first hello
	must(s.t, json.Unmarshal(received.bytes, &first))
	must(s.t, connection.SetReadDeadline(time.Time{}))
	_, err = connection.Write(encode(fields{"welcome": testSecret, "fresh": fresh}))
	must(s.t, err)
	s.connection = connection
	s.waiting = map[int64]chan reply{}
	s.exits = map[string]chan exit{}
	s.broken = make(chan struct{})
	go s.receiveAll(connection, s.broken)
	return first
}

func (s *server) receiveAll(connection *net.UnixConn, broken chan struct{}) {
	defer close(broken)
	buffer := make([]byte, maxPacket)
	for {
		received, err := receive(connection, buffer)
		if err != nil {
			return
		}
		var event exit
		if json.Unmarshal(received.bytes, &event) == nil && event.Event == "exited" {
			s.exitOf(event.Execution) <- event
			continue
		}
		var answered reply
		if err := json.Unmarshal(received.bytes, &answered); err != nil {
			panic(err)
		}
		answered.descriptors = received.descriptors
		s.mutex.Lock()
		waiter := s.waiting[answered.ID]
		delete(s.waiting, answered.ID)
		s.mutex.Unlock()
		waiter <- answered
	}
}

func (s *server) exitOf(execution string) chan exit {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.exits[execution] == nil {
		s.exits[execution] = make(chan exit, 8)
	}
	return s.exits[execution]
}

func (s *server) stop() {
	for _, id := range s.running() {
		_, _ = s.try(fields{"op": "signal", "execution": id, "signal": 9, "scope": wholeTree, "patience_ms": 5000})
	}
	_ = s.process.Process.Kill()
	<-s.ended
	_ = s.listener.Close()
	_ = s.connection.Close()
}

// running lists the executions that were asked for on this connection; ended ones answer all the same.
func (s *server) running() []string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var ids []string
	for id := range s.exits {
		ids = append(ids, id)
	}
	return ids
}

func (s *server) send(request fields, descriptors ...int) chan reply {
	s.mutex.Lock()
	s.lastID++
	request["id"] = s.lastID
	waiter := make(chan reply, 1)
	s.waiting[s.lastID] = waiter
	s.mutex.Unlock()
	_, _, err := s.connection.WriteMsgUnix(encode(request), unix.UnixRights(descriptors...), nil)
	if err != nil {
		s.t.Logf("sending: %v", err)
	}
	return waiter
}

func (s *server) try(request fields, descriptors ...int) (reply, error) {
	select {
	case answered := <-s.send(request, descriptors...):
		return answered, nil
	case <-s.broken:
		return reply{}, io.EOF
	case <-time.After(enough):
		return reply{}, fmt.Errorf("no answer to %v", request["op"])
	}
}

// call wants an answer, whatever it says.
func (s *server) call(request fields, descriptors ...int) reply {
	s.t.Helper()
	answered, err := s.try(request, descriptors...)
	must(s.t, err)
	s.t.Cleanup(func() { closeAll(answered.descriptors) })
	return answered
}

// ask wants the request to be carried out.
func (s *server) ask(request fields, into any, descriptors ...int) reply {
	s.t.Helper()
	answered := s.call(request, descriptors...)
	if answered.Error != nil {
		s.t.Fatalf("%v: %v", request, answered.Error)
	}
	if into != nil {
		must(s.t, json.Unmarshal(answered.OK, into))
	}
	return answered
}

// refused wants the request to fail in this way.
func (s *server) refused(errno, what string, request fields, descriptors ...int) {
	s.t.Helper()
	answered := s.call(request, descriptors...)
	if answered.Error == nil || answered.Error.Errno != errno || answered.Error.What != what {
		s.t.Fatalf("%v was answered by %s, %v; wanted %s of the %s", request, answered.OK, answered.Error, errno, what)
	}
}

// file makes a request about a path beneath the test's folder.
func (s *server) file(operation, path string) fields {
	return fields{"op": operation, "root": []byte(s.folder), "folder": []byte(""), "path": []byte(path)}
}

// command is a running execution with its streams' ends.
type running struct {
	server *server
	id     string
	pid    int
	stdin  *os.File
	stdout *os.File
}

var executionNumber struct {
	sync.Mutex
	last int
}

func newExecutionName() string {
	executionNumber.Lock()
	defer executionNumber.Unlock()
	executionNumber.last++
	return fmt.Sprintf("execution-%d", executionNumber.last)
}

func byteStrings(texts ...string) [][]byte {
	converted := [][]byte{}
	for _, text := range texts {
		converted = append(converted, []byte(text))
	}
	return converted
}

func (s *server) startRequest(arguments ...string) fields {
	return fields{
		"op": "start", "execution": newExecutionName(), "programs": byteStrings(arguments[0]), "argv": byteStrings(arguments...),
		"env": byteStrings(), "root": []byte(s.folder), "folder": []byte(""), "path": []byte(""),
	}
}

func (s *server) start(arguments ...string) *running {
	s.t.Helper()
	return s.startAs(s.startRequest(arguments...))
}

func (s *server) shell(script string) *running {
	s.t.Helper()
	return s.start("/bin/sh", "-c", script)
}

func (s *server) startAs(request fields) *running {
	s.t.Helper()
	answered, started := s.tryStart(request)
	if answered.Error != nil {
		s.t.Fatalf("start: %v", answered.Error)
	}
	return started
}

func (s *server) tryStart(request fields) (reply, *running) {
	s.t.Helper()
	id := request["execution"].(string)
	s.exitOf(id)
	stdinRead, stdinWrite := pipe(s.t)
	stdoutRead, stdoutWrite := pipe(s.t)
	answered := s.call(request, int(stdinRead.Fd()), int(stdoutWrite.Fd()), int(stdoutWrite.Fd()))
	_ = stdinRead.Close()
	_ = stdoutWrite.Close()
	var started startAnswer
	if answered.Error == nil {
		must(s.t, json.Unmarshal(answered.OK, &started))
	}
	return answered, &running{server: s, id: id, pid: started.PID, stdin: stdinWrite, stdout: stdoutRead}
}

// pipe gives both ends; Fd leaves them blocking, which is what commands get.
func pipe(t *testing.T) (*os.File, *os.File) {
	t.Helper()
	ends := make([]int, 2)
	must(t, unix.Pipe2(ends, unix.O_CLOEXEC))
	read, write := os.NewFile(uintptr(ends[0]), "read"), os.NewFile(uintptr(ends[1]), "write")
	t.Cleanup(func() { _ = read.Close(); _ = write.Close() })
	return read, write
}

func (r *running) exit() exit {
	r.server.t.Helper()
	select {
	case event := <-r.server.exitOf(r.id):
		return event
	case <-time.After(enough):
		r.server.t.Fatalf("%s has not ended", r.id)
	}
	return exit{}
}

// output is all that comes until nobody holds the other end.
func (r *running) output() string {
	r.server.t.Helper()
	data, err := io.ReadAll(r.stdout)
	must(r.server.t, err)
	return string(data)
}

// line is the next line of output: the way in which a command tells that it has come so far.
func (r *running) line() string {
	r.server.t.Helper()
	var text strings.Builder
	one := make([]byte, 1)
	for {
		count, err := r.stdout.Read(one)
		if count == 0 || err != nil {
			r.server.t.Fatalf("output ended after %q: %v", text.String(), err)
		}
		if one[0] == '\n' {
			return text.String()
		}
		text.WriteByte(one[0])
	}
}

func (r *running) signal(number int, scope string, patience time.Duration) signalAnswer {
	r.server.t.Helper()
	var result signalAnswer
	r.server.ask(fields{
		"op": "signal", "execution": r.id, "signal": number, "scope": scope, "patience_ms": patience.Milliseconds(),
	}, &result)
	return result
}

// kill ends the whole tree and proves that nothing survives.
func (r *running) kill() signalAnswer {
	r.server.t.Helper()
	result := r.signal(9, wholeTree, enough/2)
	if result.Survivors != 0 {
		r.server.t.Fatalf("%d processes survived", result.Survivors)
	}
	return result
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// helpers are programs that tests start in the workspace: this test's own binary, told by a variable what to be.
var helpers = map[string]func(){}

const helperVariable = "INIT_TEST_HELPER"

func (s *server) helperRequest(name string, arguments ...string) fields {
	s.t.Helper()
	copied := filepath.Join(filepath.Dir(s.socket), "helper")
	if _, err := os.Stat(copied); err != nil {
		program, err := os.ReadFile("/proc/self/exe")
		must(s.t, err)
		must(s.t, os.WriteFile(copied, program, 0o755))
	}
	request := s.startRequest(append([]string{copied}, arguments...)...)
	request["env"] = byteStrings(helperVariable + "=" + name)
	return request
}

// sendLarge sends a request in a memfd, as it has to be when it is larger than a packet.
func (s *server) sendLarge(request fields, descriptors ...int) reply {
	s.t.Helper()
	s.mutex.Lock()
	s.lastID++
	request["id"] = s.lastID
	waiter := make(chan reply, 1)
	s.waiting[s.lastID] = waiter
	s.mutex.Unlock()
	content := encode(request)
	memfd, err := unix.MemfdCreate("request", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	must(s.t, err)
	defer func() { _ = unix.Close(memfd) }()
	_, err = unix.Write(memfd, content)
	must(s.t, err)
	_, err = unix.FcntlInt(uintptr(memfd), unix.F_ADD_SEALS, unix.F_SEAL_WRITE|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW)
	must(s.t, err)
	rights := unix.UnixRights(append([]int{memfd}, descriptors...)...)
	_, _, err = s.connection.WriteMsgUnix(encode(fields{"memfd": len(content)}), rights, nil)
	must(s.t, err)
	select {
	case answered := <-waiter:
		return answered
	case <-time.After(enough):
		s.t.Fatal("no answer to a large request")
	}
	return reply{}
}
