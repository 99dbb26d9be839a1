package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// bothWays runs a test with the kernel's resolver and with init's own.
func bothWays(t *testing.T, test func(*testing.T, *server)) {
	t.Run("openat2", func(t *testing.T) { test(t, newServer(t)) })
	t.Run("walk", func(t *testing.T) { test(t, newServer(t, withArguments("--walk"))) })
}

func readDescriptor(t *testing.T, descriptor int) string {
	t.Helper()
	buffer := make([]byte, 1<<16)
	count, err := unix.Pread(descriptor, buffer, 0)
	must(t, err)
	return string(buffer[:count])
}

// populate plants the usual tree as the folder "root" of the server's folder, with the secret beside it.
func populate(t *testing.T, s *server) {
	t.Helper()
	plant(t, s.folder)
}

// within makes a request about a path beneath "root".
func (s *server) within(operation, path string) fields {
	request := s.file(operation, path)
	request["folder"] = []byte("root")
	return request
}

func TestFilesAreOpenedBeneathTheFolder(t *testing.T) {
	bothWays(t, func(t *testing.T, s *server) {
		populate(t, s)
		for _, path := range []string{"file", "a/b/../file", "infile", "in/side/file", "a/b/top/file", "./././file", "chain19"} {
			answered := s.ask(s.within("open", path), nil)
			if len(answered.descriptors) != 1 || readDescriptor(t, answered.descriptors[0]) != "inside" {
				t.Errorf("%s: %d descriptors", path, len(answered.descriptors))
			}
		}
		listener, err := net.Listen("unix", filepath.Join(s.folder, "root/socket"))
		must(t, err)
		defer func() { _ = listener.Close() }()
		for path, errno := range map[string]string{
			"out/secret/file": "EXDEV", "outfile": "EXDEV", "a/out/file": "EXDEV", "absolute/file": "EXDEV", "home/file": "EXDEV",
			"..": "EXDEV", "../secret/file": "EXDEV", "a/../../secret/file": "EXDEV", "/etc/passwd": "EXDEV", "self/etc/passwd": "EXDEV",
			"loop": "ELOOP", "ping": "ELOOP", "chain40": "ELOOP", "dangling": "ENOENT", "none": "ENOENT", "file/x": "ENOTDIR",
			"file/": "ENOTDIR", "a": "EISDIR", "": "EISDIR", ".": "EISDIR", "fifo": "ENOTREG", "socket": "ENOTREG", "a\x00b": "EINVAL",
			strings.Repeat("x/", 2100): "ENAMETOOLONG",
		} {
			s.refused(errno, whatPath, s.within("open", path))
		}
		if os.Getuid() == 0 {
			must(t, unix.Mknod(filepath.Join(s.folder, "root/device"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 5))))
			s.refused("ENOTREG", whatPath, s.within("open", "device"))
		}
		request := s.file("open", "file")
		request["folder"] = []byte("../..")
		s.refused("EXDEV", whatFolder, request)
		request["root"] = []byte("relative")
		s.refused("EINVAL", whatRoot, request)
		request["root"] = []byte("/no/such/root")
		s.refused("ENOENT", whatRoot, request)
	})
}

func TestStatFollowsLinksWithinTheFolder(t *testing.T) {
	bothWays(t, func(t *testing.T, s *server) {
		populate(t, s)
		moment := time.Unix(1_700_000_000, 123_456_789)
		must(t, os.Chmod(filepath.Join(s.folder, "root/a/file"), 0o640))
		must(t, os.Chtimes(filepath.Join(s.folder, "root/a/file"), moment, moment))
		var got statAnswer
		s.ask(s.within("stat", "infile"), &got)
		var seen unix.Stat_t
		must(t, unix.Stat(filepath.Join(s.folder, "root/a/file"), &seen))
		if got != (statAnswer{"f", 6, 0o640, moment.UnixNano(), version(&seen)}) {
			t.Errorf("%+v", got)
		}
		for path, kind := range map[string]string{"": "d", "a": "d", "in": "d", "fifo": "o"} {
			s.ask(s.within("stat", path), &got)
			if got.Type != kind {
				t.Errorf("%q is %q", path, got.Type)
			}
		}
		s.refused("ENOENT", whatPath, s.within("stat", "dangling"))
		s.refused("EXDEV", whatPath, s.within("stat", "outfile"))
	})
}

// write creates and commits, as the server does.
func (s *server) write(request fields, content string) *failure {
	s.t.Helper()
	answered := s.call(request)
	if answered.Error != nil {
		return answered.Error
	}
	var made createAnswer
	must(s.t, jsonInto(answered.OK, &made))
	if len(answered.descriptors) != 1 {
		s.t.Fatalf("%d descriptors", len(answered.descriptors))
	}
	_, err := unix.Write(answered.descriptors[0], []byte(content))
	must(s.t, err)
	return s.call(fields{"op": "commit", "ticket": made.Ticket}).Error
}

func (s *server) writeRequest(path string) fields {
	request := s.within("create", path)
	request["mode"] = 0o644
	return request
}

func TestAFileIsReplacedInOneStep(t *testing.T) {
	bothWays(t, func(t *testing.T, s *server) {
		populate(t, s)
		root := filepath.Join(s.folder, "root")
		must(t, os.Chmod(root+"/a/file", 0o4751))
		before, err := os.Open(root + "/a/file")
		must(t, err)
		defer func() { _ = before.Close() }()
		must(t, os.Link(root+"/a/file", root+"/hard"))
		for path, written := range map[string]string{"new": "new", "infile": "a/file", "dangling": "a/none", "a/up/in/fresh": "a/fresh"} {
			if failure := s.write(s.writeRequest(path), "written"); failure != nil {
				t.Errorf("%s: %v", path, failure)
			}
			content, err := os.ReadFile(filepath.Join(root, written))
			if err != nil || string(content) != "written" {
				t.Errorf("%s: %q, %v", path, content, err)
			}
		}
		for path, mode := range map[string]os.FileMode{"new": 0o644, "a/file": 0o751} {
			about, err := os.Lstat(filepath.Join(root, path))
			must(t, err)
			if about.Mode() != mode {
				t.Errorf("%s has the mode %v", path, about.Mode())
			}
		}
		for _, reader := range []func() ([]byte, error){
			func() ([]byte, error) { return io.ReadAll(before) },
			func() ([]byte, error) { return os.ReadFile(root + "/hard") },
		} {
			if content, _ := reader(); string(content) != "inside" {
				t.Errorf("who had the old file reads %q", content)
			}
		}
		for path, errno := range map[string]string{
			"outfile": "EXDEV", "out/new": "EXDEV", "absolute": "EXDEV", "absolute/new": "EXDEV", "self": "EXDEV", "../new": "EXDEV",
			"loop": "ELOOP", "a": "EISDIR", "in": "EISDIR", "": "EISDIR", "new/": "EISDIR", "..": "EISDIR", "fifo": "ENOTREG",
			"none/file": "ENOENT", "file/x": "ENOTDIR", strings.Repeat("n", 256): "ENAMETOOLONG",
		} {
			s.refused(errno, whatPath, s.writeRequest(path))
		}
		request := s.writeRequest("x/y/z/file")
		request["make_dirs"] = true
		if failure := s.write(request, "deep"); failure != nil {
			t.Errorf("%v", failure)
		}
		request = s.writeRequest("out/x/y")
		request["make_dirs"] = true
		s.refused("EXDEV", whatPath, request)
		wantNoDrafts(t, s.folder)
		if content, _ := os.ReadFile(s.folder + "/secret/file"); string(content) != "outside" {
			t.Errorf("outside is %q", content)
		}
	})
}

func wantNoDrafts(t *testing.T, folder string) {
	t.Helper()
	must(t, filepath.WalkDir(folder, func(path string, _ os.DirEntry, _ error) error {
		if strings.HasPrefix(filepath.Base(path), draftPrefix) {
			t.Errorf("left behind: %s", path)
		}
		return nil
	}))
}

func TestAnAbortedFileLeavesNothing(t *testing.T) {
	s := newServer(t)
	populate(t, s)
	var made createAnswer
	s.ask(s.writeRequest("file"), &made)
	s.ask(fields{"op": "abort", "ticket": made.Ticket}, nil)
	s.refused("ENOENT", whatTicket, fields{"op": "abort", "ticket": made.Ticket})
	s.refused("ENOENT", whatTicket, fields{"op": "commit", "ticket": made.Ticket})
	wantNoDrafts(t, s.folder)
	for range maxTickets {
		answered := s.ask(s.writeRequest("file"), nil)
		closeAll(answered.descriptors)
	}
	s.refused("EMFILE", whatTicket, s.writeRequest("file"))
	must(t, s.connection.Close())
	s.accept(false)
	// A new ticket proves that the old ones are gone.
	s.ask(s.writeRequest("file"), &made)
	s.ask(fields{"op": "abort", "ticket": made.Ticket}, nil)
	wantNoDrafts(t, s.folder)
}

func TestFoldersAreMadeWithTheirParents(t *testing.T) {
	bothWays(t, func(t *testing.T, s *server) {
		populate(t, s)
		request := func(path string) fields {
			made := s.within("make_dirs", path)
			made["mode"] = 0o755
			return made
		}
		for _, path := range []string{"x/y/z", "x/y/z", "x/y/z/", "in/new", "a/../d/new", "", "."} {
			s.ask(request(path), nil)
		}
		for _, path := range []string{"x/y/z", "a/new", "d/new"} {
			if about, err := os.Stat(filepath.Join(s.folder, "root", path)); err != nil || !about.IsDir() {
				t.Errorf("%s: %v", path, err)
			}
		}
		for path, errno := range map[string]string{
			"file": "ENOTDIR", "file/x": "ENOTDIR", "out/x": "EXDEV", "../x": "EXDEV", "dangling": "EEXIST", "absolute/x": "EXDEV",
		} {
			s.refused(errno, whatPath, request(path))
		}
	})
}

func TestRemovingNeverFollowsTheLastName(t *testing.T) {
	bothWays(t, func(t *testing.T, s *server) {
		populate(t, s)
		root := filepath.Join(s.folder, "root")
		request := func(path string, recursive bool) fields {
			removal := s.within("remove", path)
			removal["recursive"] = recursive
			return removal
		}
		must(t, os.MkdirAll(root+"/tree/inner", 0o755))
		must(t, os.Symlink("../../secret", root+"/tree/inner/out"))
		must(t, os.WriteFile(root+"/tree/inner/file", nil, 0o644))
		s.refused("EISDIR", whatPath, request("tree", false))
		for _, path := range []string{"out", "absolute", "fifo", "in", "loop"} {
			s.ask(request(path, false), nil)
			if _, err := os.Lstat(filepath.Join(root, path)); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s is still there", path)
			}
		}
		s.ask(request("tree/", true), nil)
		s.ask(request("a/side/file", false), nil)
		s.ask(request("a/b/../b", true), nil)
		for _, path := range []string{"tree", "d/file", "a/b"} {
			if _, err := os.Lstat(filepath.Join(root, path)); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s is still there", path)
			}
		}
		for path, errno := range map[string]string{
			"": "EINVAL", ".": "EINVAL", "..": "EINVAL", "a/..": "EINVAL", "a/.": "EINVAL", "none": "ENOENT", "file/x": "ENOTDIR",
			"a/out/file": "EXDEV", "../secret": "EXDEV", "backforth/x": "EXDEV",
		} {
			s.refused(errno, whatPath, request(path, true))
		}
		if content, err := os.ReadFile(s.folder + "/secret/file"); err != nil || string(content) != "outside" {
			t.Errorf("outside is %q, %v", content, err)
		}
	})
}

// deepTree makes a path that no system call takes as one.
func deepTree(t *testing.T, root string, depth int) {
	t.Helper()
	folder, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY, 0)
	must(t, err)
	name := strings.Repeat("d", 20)
	for range depth {
		must(t, unix.Mkdirat(folder, name, 0o755))
		inner, err := unix.Openat(folder, name, unix.O_PATH|unix.O_DIRECTORY, 0)
		must(t, err)
		_ = unix.Close(folder)
		folder = inner
	}
	_ = unix.Close(folder)
}

func TestATreeDeeperThanAnyPathIsListedInPartAndRemoved(t *testing.T) {
	s := newServer(t)
	const depth = 1000
	deepTree(t, s.folder, depth)
	records, listed := s.list("", 1_000_000, 20_000)
	if listed.Partial != partialError || len(records) != maxListDepth+1 {
		t.Errorf("%d records, %+v", len(records), listed)
	}
	removal := s.file("remove", strings.Repeat("d", 20))
	removal["recursive"] = true
	s.ask(removal, nil)
	if entries, _ := os.ReadDir(s.folder); len(entries) > 0 {
		t.Errorf("left are %v", entries)
	}
}

// list reads a listing as the server does.
func (s *server) list(path string, maxEntries, maxMS int) ([]string, listAnswer) {
	s.t.Helper()
	read, write := pipe(s.t)
	request := s.file("list", path)
	request["max_entries"], request["max_ms"] = maxEntries, maxMS
	waiter := s.send(request, int(write.Fd()))
	_ = write.Close()
	data, err := io.ReadAll(read)
	must(s.t, err)
	answered := <-waiter
	if answered.Error != nil {
		s.t.Fatalf("%v", answered.Error)
	}
	var listed listAnswer
	must(s.t, jsonInto(answered.OK, &listed))
	if len(data) == 0 {
		return nil, listed
	}
	return strings.Split(strings.TrimSuffix(string(data), "\x00"), "\x00"), listed
}

func TestAListingTellsWhatIsThere(t *testing.T) {
	bothWays(t, func(t *testing.T, s *server) {
		must(t, os.MkdirAll(s.folder+"/b/inner", 0o750))
		must(t, os.WriteFile(s.folder+"/b/inner/file", []byte("12345"), 0o600))
		must(t, os.WriteFile(s.folder+"/b/with\nline and space", nil, 0o644))
		must(t, os.WriteFile(s.folder+"/b/\xff\xfe", nil, 0o644))
		must(t, os.Symlink("/etc", s.folder+"/a"))
		must(t, unix.Mkfifo(s.folder+"/c", 0o644))
		moment := time.Unix(1_700_000_000, 5)
		for _, path := range []string{"b/inner/file", "b/with\nline and space", "b/\xff\xfe", "c", "b/inner", "b"} {
			must(t, os.Chtimes(filepath.Join(s.folder, path), moment, moment))
		}
		records, listed := s.list("", 100, 10_000)
		if listed != (listAnswer{7, ""}) {
			t.Errorf("%+v", listed)
		}
		for index, record := range records {
			parts := strings.SplitN(record, " ", 5)
			if parts[0] != "f" {
				parts[2] = "-" // what a folder's or link's size means is the file system's business
			}
			if parts[0] == "l" {
				parts[1], parts[3] = "-", "-"
			}
			records[index] = strings.Join(parts, " ")
		}
		wanted := []string{
			"l - - - a",
			"d 750 - 1700000000000000005 b",
			"d 750 - 1700000000000000005 b/inner",
			"f 600 5 1700000000000000005 b/inner/file",
			"f 644 0 1700000000000000005 b/with\nline and space",
			"f 644 0 1700000000000000005 b/\xff\xfe",
			"o 644 - 1700000000000000005 c",
		}
		if !slices.Equal(records, wanted) {
			t.Errorf("%q", records)
		}
		if records, listed := s.list("b/inner", 100, 10_000); len(records) != 1 || !strings.HasSuffix(records[0], " file") {
			t.Errorf("%q, %+v", records, listed)
		}
		if records, listed := s.list("", 3, 10_000); len(records) != 3 || listed != (listAnswer{3, partialEntries}) {
			t.Errorf("%q, %+v", records, listed)
		}
		if records, listed := s.list("", 100, 0); len(records) != 0 || listed != (listAnswer{0, partialTime}) {
			t.Errorf("%q, %+v", records, listed)
		}
		read, write := pipe(t)
		request := s.file("list", "a")
		request["max_entries"], request["max_ms"] = 10, 1000
		s.refused("EXDEV", whatPath, request, int(write.Fd()))
		must(t, read.Close())
		request = s.file("list", "")
		request["max_entries"], request["max_ms"] = 10, 1000
		s.refused("EPIPE", whatDescriptors, request, int(write.Fd()))
	})
}

func TestAListingDoesNotWaitForAReaderForEver(t *testing.T) {
	s := newServer(t)
	for index := range 2000 {
		must(t, os.WriteFile(fmt.Sprintf("%s/%s%d", s.folder, strings.Repeat("n", 200), index), nil, 0o644))
	}
	_, write := pipe(t)
	request := s.file("list", "")
	request["max_entries"], request["max_ms"] = 100_000, 100
	began := time.Now()
	s.refused("ETIMEDOUT", whatDescriptors, request, int(write.Fd()))
	if took := time.Since(began); took > slowReader+2*time.Second {
		t.Errorf("it took %v", took)
	}
}

// swapping has a folder `swap` and a link `other` change places, again and again, until it is stopped.
func swapping(root string) (stop func()) {
	done := make(chan struct{})
	var swapper sync.WaitGroup
	swapper.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				_ = unix.Renameat2(unix.AT_FDCWD, root+"/swap", unix.AT_FDCWD, root+"/other", unix.RENAME_EXCHANGE)
			}
		}
	})
	return func() {
		close(done)
		swapper.Wait()
	}
}

// mountTmpfs mounts an empty file system at a new folder, where the machine lets it.
func mountTmpfs(t *testing.T, s *server, folder, options string) {
	t.Helper()
	mount := s.shell("mkdir -p " + folder + " && mount -t tmpfs " + options + " none " + folder + " && echo mounted")
	if got := mount.output(); got != "mounted\n" {
		t.Skipf("no tmpfs here: %q", got)
	}
}

// TestSwappingFoldersAndLinksNeverLeadsOut runs all operations while a folder and a link to the outside change places.
func TestSwappingFoldersAndLinksNeverLeadsOut(t *testing.T) {
	bothWays(t, func(t *testing.T, s *server) {
		root := filepath.Join(s.folder, "root")
		outside := filepath.Join(s.folder, "secret")
		for _, folder := range []string{root + "/swap/inner", outside + "/inner"} {
			must(t, os.MkdirAll(folder, 0o755))
		}
		must(t, os.WriteFile(root+"/swap/inner/file", []byte("inside"), 0o644))
		must(t, os.WriteFile(outside+"/inner/file", []byte("outside"), 0o644))
		must(t, os.Symlink("../secret", root+"/other"))
		stop := swapping(root)
		outcomes := map[string]int{}
		const lasting = 1500 * time.Millisecond
		for until := time.Now().Add(lasting); time.Now().Before(until); {
			answered := s.call(s.within("open", "swap/inner/file"))
			if answered.Error == nil {
				if content := readDescriptor(t, answered.descriptors[0]); content == "outside" {
					t.Fatal("read from outside")
				}
				closeAll(answered.descriptors)
			}
			count(outcomes, "open", answered.Error)
			count(outcomes, "write", s.write(s.writeRequest("swap/inner/new"), "new"))
			make := s.within("make_dirs", "swap/inner/x/y")
			make["mode"] = 0o755
			count(outcomes, "make_dirs", s.call(make).Error)
			remove := s.within("remove", "swap/inner/x")
			remove["recursive"] = true
			count(outcomes, "remove", s.call(remove).Error)
			read, write := pipe(t)
			list := s.within("list", "")
			list["max_entries"], list["max_ms"] = 100, 1000
			count(outcomes, "list", s.call(list, int(write.Fd())).Error)
			_ = write.Close()
			listed, err := io.ReadAll(read)
			must(t, err)
			_ = read.Close()
			if bytes.Contains(listed, []byte("only outside")) {
				t.Fatal("listed the outside")
			}
		}
		stop()
		t.Logf("%v", outcomes)
		entries, err := os.ReadDir(outside + "/inner")
		must(t, err)
		if len(entries) != 1 || entries[0].Name() != "file" {
			t.Errorf("outside are %v", entries)
		}
		content, err := os.ReadFile(outside + "/inner/file")
		if err != nil || string(content) != "outside" {
			t.Errorf("outside is %q, %v", content, err)
		}
	})
}

func count(outcomes map[string]int, operation string, failed *failure) {
	if failed != nil {
		operation += " " + failed.Errno
	}
	outcomes[operation]++
}
