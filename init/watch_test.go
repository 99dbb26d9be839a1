package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// reading is a watch as the server has it: records come out of a pipe.
type reading struct {
	server *server
	pipe   *os.File
	lines  *bufio.Reader
	seen   []string
}

func (s *server) watchRequest(path string, recursive bool) fields {
	request := s.file("watch", path)
	request["recursive"] = recursive
	return request
}

func (s *server) watch(path string, recursive bool) *reading {
	s.t.Helper()
	ends := make([]int, 2)
	must(s.t, unix.Pipe2(ends, unix.O_CLOEXEC))
	must(s.t, unix.SetNonblock(ends[0], true)) // so that deadlines hold
	pipe := os.NewFile(uintptr(ends[0]), "records")
	s.t.Cleanup(func() { _ = pipe.Close() })
	s.ask(s.watchRequest(path, recursive), nil, ends[1])
	_ = unix.Close(ends[1])
	return &reading{server: s, pipe: pipe, lines: bufio.NewReader(pipe)}
}

// next is the next record, "" at the end.
func (r *reading) next() string {
	r.server.t.Helper()
	must(r.server.t, r.pipe.SetReadDeadline(time.Now().Add(enough)))
	record, err := r.lines.ReadString(0)
	if err != nil && (record != "" || os.IsTimeout(err)) {
		r.server.t.Fatalf("after %q: %v", r.latest(), err)
	}
	record = strings.TrimSuffix(record, "\x00")
	r.seen = append(r.seen, record)
	return record
}

func (r *reading) latest() []string { return r.seen[max(0, len(r.seen)-20):] }

// until reads up to a record, and gives all of them.
func (r *reading) until(last string) []string {
	r.server.t.Helper()
	from := len(r.seen)
	for r.next() != last {
		if r.seen[len(r.seen)-1] == "" {
			r.server.t.Fatalf("it ended without %q, after %q", last, r.latest())
		}
	}
	return r.seen[from:]
}

// all makes a file that is told last, and gives what is told before it.
func (r *reading) all(folder string) []string {
	r.server.t.Helper()
	must(r.server.t, os.WriteFile(filepath.Join(r.server.folder, folder, "last"), nil, 0o644))
	found := r.until("C last")
	return found[:len(found)-1]
}

func (s *server) path(parts ...string) string {
	return filepath.Join(append([]string{s.folder}, parts...)...)
}

// inMemory is for tests that make so many files that a disk would take a minute.
func inMemory(t *testing.T) { t.Setenv("TMPDIR", "/dev/shm") }

func equalRecords(t *testing.T, got []string, wanted ...string) {
	t.Helper()
	if !slices.Equal(got, wanted) {
		t.Fatalf("told of %q, wanted %q", got, wanted)
	}
}

// inotifies counts the folders that an init's instance watches, -1 without one.
func (s *server) inotifies() int {
	s.t.Helper()
	count := -1
	for _, info := range glob(s.t, fmt.Sprintf("/proc/%d/fdinfo/*", s.process.Process.Pid)) {
		text, _ := os.ReadFile(info)
		link, _ := os.Readlink(strings.Replace(info, "fdinfo", "fd", 1))
		if strings.Contains(link, "inotify") {
			count = max(count, 0) + strings.Count(string(text), "inotify wd:")
		}
	}
	return count
}

func (s *server) inotifiesBecome(wanted int) {
	s.t.Helper()
	for deadline := time.Now().Add(enough); s.inotifies() != wanted; time.Sleep(lookAgain) {
		if time.Now().After(deadline) {
			s.t.Fatalf("%d folders are watched, not %d", s.inotifies(), wanted)
		}
	}
}

func TestChangesOfAFolderAreTold(t *testing.T) {
	s := newServer(t)
	must(t, os.WriteFile(s.path("old"), []byte("x"), 0o644))
	must(t, os.Mkdir(s.path("sub"), 0o755))
	told := s.watch("", false)
	must(t, os.WriteFile(s.path("new"), []byte("x"), 0o644))
	equalRecords(t, told.all("")[:1], "C new")
	must(t, os.WriteFile(s.path("old"), []byte("y"), 0o644))
	must(t, os.Chmod(s.path("old"), 0o600))
	equalRecords(t, told.until("M old"), "M old")
	must(t, os.Rename(s.path("old"), s.path("older")))
	equalRecords(t, told.until("R old//older")[:1], "R old//older")
	must(t, os.WriteFile(s.path("sub/inner"), nil, 0o644))
	must(t, os.Rename(s.path("older"), s.path("sub/older")))
	must(t, os.Rename(s.path("sub/inner"), s.path("line\nbreak\xff")))
	must(t, os.Remove(s.path("new")))
	equalRecords(t, told.until("D new"), "D older", "C line\nbreak\xff", "D new")
}

func TestATreeIsToldWhoeverIsQuicker(t *testing.T) {
	s := newServer(t)
	told := s.watch("", true)
	wanted := map[string]bool{}
	for number := range 50 {
		deep := fmt.Sprintf("a%d/b/c/d", number)
		must(t, os.MkdirAll(s.path(deep), 0o755))
		must(t, os.WriteFile(s.path(deep, "file"), []byte("x"), 0o644))
		for path := deep + "/file"; path != "."; path = filepath.Dir(path) {
			wanted["C "+path] = true
		}
	}
	for len(wanted) > 0 {
		record := told.next()
		if record == "" || strings.HasPrefix(record, "O") {
			t.Fatalf("%q, and %d were not told", record, len(wanted))
		}
		delete(wanted, record)
	}
	must(t, os.RemoveAll(s.path("a0")))
	told.until("D a0")
}

func TestFoldersKeepBeingWatchedUnderTheirNewNames(t *testing.T) {
	s := newServer(t)
	must(t, os.MkdirAll(s.path("w/a/b"), 0o755))
	must(t, os.MkdirAll(s.path("outside/x"), 0o755))
	told := s.watch("w", true)
	s.inotifiesBecome(3)
	must(t, os.Mkdir(s.path("w/a/b/quick"), 0o755)) // just before its path is another one
	must(t, os.Rename(s.path("w/a"), s.path("w/c")))
	must(t, os.WriteFile(s.path("w/c/b/quick/file"), nil, 0o644))
	found := told.until("C c/b/quick/file")
	if !slices.Contains(found, "R a//c") {
		t.Errorf("told of %q", found)
	}
	must(t, os.Rename(s.path("w/c/b"), s.path("outside/b")))
	told.until("D c/b")
	s.inotifiesBecome(2)
	must(t, os.WriteFile(s.path("outside/b/unseen"), nil, 0o644))
	must(t, os.WriteFile(s.path("outside/x/file"), nil, 0o644))
	must(t, os.Rename(s.path("outside/x"), s.path("w/x")))
	equalRecords(t, told.until("C x/file"), "C x", "C x/file")
	must(t, os.Rename(s.path("w/x/file"), s.path("w/c/file")))
	equalRecords(t, told.until("R x/file//c/file"), "R x/file//c/file")
}

func TestDraftsAreNotSeen(t *testing.T) {
	s := newServer(t)
	told := s.watch("", true)
	write := func(path string) {
		request := s.file("create", path)
		request["mode"] = 0o644
		var made createAnswer
		s.ask(request, &made)
		s.ask(fields{"op": "commit", "ticket": made.Ticket}, nil)
	}
	write("file")
	equalRecords(t, told.until("C file"), "C file")
	write("file")
	equalRecords(t, told.until("M file"), "M file")
	var left createAnswer
	s.ask(s.file("create", "other"), &left)
	s.ask(fields{"op": "abort", "ticket": left.Ticket}, nil)
	equalRecords(t, told.all(""))
}

func TestSymlinksAreNotFollowed(t *testing.T) {
	s := newServer(t)
	must(t, os.MkdirAll(s.path("w"), 0o755))
	must(t, os.Mkdir(s.path("other"), 0o755))
	told := s.watch("w", true)
	must(t, os.Symlink("../other", s.path("w/link")))
	must(t, os.Symlink("/tmp", s.path("w/tmp")))
	told.until("C tmp")
	must(t, os.WriteFile(s.path("other/file"), nil, 0o644))
	equalRecords(t, told.all("w"))
	s.inotifiesBecome(1)
	must(t, os.WriteFile(s.path("file"), nil, 0o644))
	s.refused("EXDEV", whatPath, s.watchRequest("w/tmp", true), nullEnd(t))
	s.refused("EXDEV", whatPath, s.watchRequest("..", true), nullEnd(t))
	s.refused("ENOENT", whatPath, s.watchRequest("none", true), nullEnd(t))
	s.refused("ENOTDIR", whatPath, s.watchRequest("file", true), nullEnd(t))
	s.refused("EINVAL", whatRequest, s.watchRequest("w", true))
}

func nullEnd(t *testing.T) int {
	_, write := pipe(t)
	return int(write.Fd())
}

func TestAWatchEndsWithItsFolder(t *testing.T) {
	s := newServer(t)
	for name, end := range map[string]func(string) error{
		"removed": os.RemoveAll,
		"moved":   func(path string) error { return os.Rename(path, path+"-away") },
	} {
		must(t, os.MkdirAll(s.path(name, "sub"), 0o755))
		told := s.watch(name, true)
		must(t, end(s.path(name)))
		told.until("E ENOENT")
		equalRecords(t, []string{told.next()}, "")
	}
	s.inotifiesBecome(-1)
}

func TestWatchesShareOneInstanceAndLeaveNothing(t *testing.T) {
	s := newServer(t)
	must(t, os.MkdirAll(s.path("a/b"), 0o755))
	one, other, flat := s.watch("", true), s.watch("a", true), s.watch("a", false)
	s.inotifiesBecome(3)
	must(t, os.WriteFile(s.path("a/b/file"), nil, 0o644))
	one.until("C a/b/file")
	other.until("C b/file")
	_ = one.pipe.Close()
	s.inotifiesBecome(2)
	_ = other.pipe.Close()
	s.inotifiesBecome(1)
	equalRecords(t, flat.all("a"))
	_ = flat.pipe.Close()
	s.inotifiesBecome(-1)
	for range 3 * maxWatches {
		_ = s.watch("", true).pipe.Close()
	}
	s.inotifiesBecome(-1)
}

func TestWatchesEndWithTheLine(t *testing.T) {
	s := newServer(t)
	told := s.watch("", true)
	_ = s.connection.Close()
	equalRecords(t, []string{told.next()}, "")
	s.inotifiesBecome(-1)
	s.accept(false)
	equalRecords(t, s.watch("", true).all(""))
}

func TestWhoDoesNotReadIsToldSoAndHoldsUpNobody(t *testing.T) {
	inMemory(t)
	s := newServer(t)
	slow, quick := s.watch("", true), s.watch("", true)
	written := 0
	for ; written < 20_000; written++ {
		must(t, os.WriteFile(s.path(fmt.Sprintf("file-%d", written)), nil, 0o644))
		if written%100 == 99 {
			quick.until(fmt.Sprintf("C file-%d", written))
		}
	}
	const inPipe = 64 << 10
	if kept := len(strings.Join(slow.until("O "), "\x00")); kept > inPipe+2*maxUnsent {
		t.Errorf("%d bytes were kept", kept)
	}
	equalRecords(t, slow.all(""))
}

func TestAStormBeyondTheKernelsQueueIsTold(t *testing.T) {
	inMemory(t)
	s := newServer(t)
	told := s.watch("", true)
	must(t, s.process.Process.Signal(unix.SIGSTOP))
	queue := 16_384
	if text, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events"); err == nil {
		_, _ = fmt.Sscan(string(text), &queue)
	}
	must(t, os.Mkdir(s.path("early"), 0o755))
	const before = 2000 // that it may have seen before it stopped
	for number := range queue + before {
		must(t, os.WriteFile(s.path(fmt.Sprintf("file-%d", number)), nil, 0o644))
	}
	must(t, os.MkdirAll(s.path("late/deep"), 0o755))
	must(t, os.Rename(s.path("early"), s.path("renamed")))
	must(t, s.process.Process.Signal(unix.SIGCONT))
	told.until("O ")
	for _, folder := range []string{"late/deep", "renamed"} {
		must(t, os.WriteFile(s.path(folder, "seen"), nil, 0o644))
		told.until("C " + folder + "/seen")
	}
	s.inotifiesBecome(4)
}

func TestMoreFoldersThanInitWatchesAreRefused(t *testing.T) {
	inMemory(t)
	s := newServer(t)
	const each = 256
	for number := range maxWatchedFolders {
		if number%each == 0 {
			must(t, os.Mkdir(s.path(fmt.Sprint("outer-", number/each)), 0o755))
		}
		must(t, os.Mkdir(s.path(fmt.Sprint("outer-", number/each), fmt.Sprint(number%each)), 0o755))
	}
	s.refused("ENOSPC", whatWatch, s.watchRequest("", true), nullEnd(t))
	s.inotifiesBecome(-1)
	told := s.watch("outer-0", true)
	must(t, os.Rename(s.path("outer-1"), s.path("outer-0/in-1")))
	told.until("C in-1/255")
	for number := 2; number < maxWatchedFolders/each; number++ {
		must(t, os.Rename(s.path(fmt.Sprint("outer-", number)), s.path("outer-0", fmt.Sprint("in-", number))))
	}
	told.until("E ENOSPC")
}

func TestMoreFoldersThanTheKernelWatchesAreRefused(t *testing.T) {
	s := newServer(t, asFirstProcess, func(command *execCommand) {
		command.Args[2] = "echo 9 > /proc/sys/user/max_inotify_watches && " + command.Args[2]
	})
	must(t, os.MkdirAll(s.path("few/a/b"), 0o755))
	must(t, os.MkdirAll(s.path("many/1/2/3/4/5/6/7/8/9"), 0o755))
	s.refused("ENOSPC", whatWatch, s.watchRequest("many", true), nullEnd(t))
	told := s.watch("few", true)
	must(t, os.Rename(s.path("many"), s.path("few/many")))
	told.until("E ENOSPC")
	equalRecords(t, s.watch("few/a", true).all("few/a"))
}

func TestTooManyWatchesAreRefused(t *testing.T) {
	s := newServer(t)
	for range maxWatches {
		s.watch("", false)
	}
	s.refused("EMFILE", whatWatch, s.watchRequest("", false), nullEnd(t))
}
