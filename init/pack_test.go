package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pack reads a stream as the server does.
func (s *server) pack(path string) ([]byte, packAnswer) {
	s.t.Helper()
	read, write := pipe(s.t)
	waiter := s.send(s.within("pack", path), int(write.Fd()))
	_ = write.Close()
	stream, err := io.ReadAll(read)
	must(s.t, err)
	answered := <-waiter
	if answered.Error != nil {
		s.t.Fatalf("%v", answered.Error)
	}
	var found packAnswer
	must(s.t, jsonInto(answered.OK, &found))
	return stream, found
}

// readArchive tells of each entry, a line each.
func readArchive(t *testing.T, stream io.Reader) []string {
	t.Helper()
	lines := []string{}
	reader := tar.NewReader(stream)
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return lines
		}
		must(t, err)
		if header.PAXRecords["comment"] != "" { // its last word
			continue
		}
		content, err := io.ReadAll(reader)
		must(t, err)
		if header.Uid != 0 || header.Gid != 0 || header.Uname != "" || header.Gname != "" {
			t.Errorf("%s is of %d:%d", header.Name, header.Uid, header.Gid)
		}
		line := fmt.Sprintf("%c %o %s", header.Typeflag, header.Mode, header.Name)
		if header.Typeflag == tar.TypeSymlink {
			line = fmt.Sprintf("2 %s -> %s", header.Name, header.Linkname)
		} else if header.Typeflag == tar.TypeReg {
			line += fmt.Sprintf(" %q", content)
		}
		lines = append(lines, line)
	}
}

// lastWord is what a stream says of itself at its end.
func lastWord(t *testing.T, stream []byte) (said packAnswer) {
	t.Helper()
	var last *tar.Header
	for reader := tar.NewReader(bytes.NewReader(stream)); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		must(t, err)
		last = header
	}
	must(t, jsonInto([]byte(last.PAXRecords["comment"]), &said))
	return said
}

func TestAFolderIsPacked(t *testing.T) {
	everyWay(t, func(t *testing.T, s *server) {
		root := newTarget(t, s)
		must(t, os.MkdirAll(root+"/b/inner", 0o755))
		must(t, os.Chmod(root+"/b", 0o755|os.ModeSetgid))
		must(t, os.WriteFile(root+"/b/run", []byte("#!"), 0o755))
		must(t, os.Chmod(root+"/b/run", 0o755|os.ModeSetuid))
		must(t, os.Link(root+"/b/run", root+"/b/same"))
		must(t, os.WriteFile(root+"/b/with\nline", []byte("1"), 0o644))
		must(t, os.WriteFile(root+"/b/\xff\xfe", []byte("2"), 0o600))
		must(t, os.Chown(root+"/b/\xff\xfe", otherUser, otherUser))
		must(t, os.WriteFile(root+"/b/ümlaut "+strings.Repeat("n", 200), nil, 0o644))
		must(t, os.Symlink("../../secret", root+"/a"))
		must(t, os.Symlink("/etc/"+strings.Repeat("x", 300), root+"/b/far"))
		must(t, unix.Mkfifo(root+"/fifo", 0o644))
		listener, err := net.Listen("unix", root+"/b/socket")
		must(t, err)
		defer func() { _ = listener.Close() }()
		moment := time.Unix(1_500_000_000, 700_000_000)
		must(t, os.Chtimes(root+"/b/run", moment, moment))
		stream, found := s.pack("")
		wanted := []string{
			"5 777 ./", "2 a -> ../../secret", "5 755 b/", "2 b/far -> /etc/" + strings.Repeat("x", 300), "5 755 b/inner/", `0 755 b/run "#!"`, `0 755 b/same "#!"`,
			"0 644 b/with\nline \"1\"", "0 644 b/ümlaut " + strings.Repeat("n", 200) + ` ""`, "0 600 b/\xff\xfe \"2\"",
		}
		if got := readArchive(t, bytes.NewReader(stream)); !slices.Equal(got, wanted) {
			t.Errorf("%q", got)
		}
		if found != (packAnswer{Entries: 10, Bytes: 6, Skipped: 2}) {
			t.Errorf("%+v", found)
		}
		if said := lastWord(t, stream); said != found {
			t.Errorf("%+v", said)
		}
		stream, found = s.pack("b/run")
		if got := readArchive(t, bytes.NewReader(stream)); !slices.Equal(got, []string{`0 755 run "#!"`}) || found != (packAnswer{Entries: 1, Bytes: 2}) {
			t.Errorf("%q, %+v", got, found)
		}
		header, err := tar.NewReader(bytes.NewReader(stream)).Next()
		must(t, err)
		if header.ModTime.Unix() != 1_500_000_000 {
			t.Errorf("it is of %v", header.ModTime)
		}
		for path, errno := range map[string]string{"a": "EXDEV", "fifo": "ENOTREG", "b/socket": "ENOTREG", "none": "ENOENT", "b/run/": "ENOTDIR", "..": "EXDEV"} {
			read, write := pipe(t)
			s.refused(errno, whatPath, s.within("pack", path), int(write.Fd()))
			_ = write.Close()
			if rest, err := io.ReadAll(read); err != nil || len(rest) > 0 {
				t.Errorf("%s: %q, %v", path, rest, err)
			}
		}
		s.refused("EINVAL", whatRequest, s.within("pack", ""))
	})
}

func TestWhatIsPackedUnpacks(t *testing.T) {
	everyWay(t, func(t *testing.T, s *server) {
		root := newTarget(t, s)
		s.unpacked("one", folder("a", 0o555), file("a/file", strings.Repeat("content", 50_000)), file("a/\xff\n", "odd"), symlink("a/link", "../b"),
			folder("b", 0o700), file("b/"+strings.Repeat("long", 40)+"/"+strings.Repeat("name", 40), "long"), folder("empty", 0o750))
		stream, found := s.pack("one")
		s.unpackedStream("two", stream)
		if one, two := tree(t, root+"/one"), tree(t, root+"/two"); !slices.Equal(one, two) {
			t.Errorf("%q became %q", one, two)
		}
		if found.Errors != 0 || found.Entries != 9 {
			t.Errorf("%+v", found)
		}
	})
}

func TestWhatCannotBeReadIsCounted(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can run init as another user")
	}
	s := newServer(t, asOtherUser)
	root := newTarget(t, s)
	must(t, os.WriteFile(root+"/closed", []byte("x"), 0o600))
	must(t, os.Mkdir(root+"/folder", 0o700))
	must(t, os.WriteFile(root+"/folder/inner", nil, 0o644))
	must(t, os.WriteFile(root+"/open", []byte("y"), 0o644))
	stream, found := s.pack("")
	if got := readArchive(t, bytes.NewReader(stream)); !slices.Equal(got, []string{"5 777 ./", "5 700 folder/", `0 644 open "y"`}) {
		t.Errorf("%q", got)
	}
	if found != (packAnswer{Entries: 3, Bytes: 1, Errors: 2}) {
		t.Errorf("%+v", found)
	}
}

func TestATreeThatIsTooDeepIsPackedInPart(t *testing.T) {
	s := newServer(t)
	root := newTarget(t, s)
	const depth = 1000
	deepTree(t, root, depth)
	stream, found := s.pack("")
	entries := readArchive(t, bytes.NewReader(stream))
	// A path of more than 4,095 bytes is one that no system call takes.
	if most := maxPath/21 + 1; len(entries) != most || found.Errors != 1 || found.Entries != int64(most) {
		t.Errorf("%d entries, %+v", len(entries), found)
	}
	s.unpackedStream("again", stream)
	must(t, os.RemoveAll(root+"/again"))
	must(t, os.MkdirAll(root+"/d/"+strings.Repeat("d/", depth), 0o755))
	stream, found = s.pack("d")
	if entries := readArchive(t, bytes.NewReader(stream)); len(entries) != maxListDepth+2 || found.Errors != 1 {
		t.Errorf("%d entries, %+v", len(entries), found)
	}
	s.unpackedStream("again", stream)
	removal := s.within("remove", strings.Repeat("d", 20))
	removal["recursive"] = true
	s.ask(removal, nil)
}

// TestFilesThatChangeWhileTheyAreRead uses a pipe's bound to stop the packing in the middle of a file.
func TestFilesThatChangeWhileTheyAreRead(t *testing.T) {
	s := newServer(t)
	root := newTarget(t, s)
	const size = 4 << 20
	for _, name := range []string{"1", "2", "3", "4"} {
		must(t, os.WriteFile(filepath.Join(root, name), bytes.Repeat([]byte("x"), size), 0o644))
	}
	read, write := pipe(t)
	waiter := s.send(s.within("pack", ""), int(write.Fd()))
	_ = write.Close()
	reader := tar.NewReader(read)
	seen := []string{}
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		must(t, err)
		path := filepath.Join(root, header.Name)
		switch header.Name {
		case "1":
			must(t, os.Truncate(path, size/2))
		case "2":
			grown, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			must(t, err)
			_, err = grown.WriteString("more")
			must(t, err)
			must(t, grown.Close())
			must(t, os.Remove(root+"/4"))
		}
		content, err := io.ReadAll(reader)
		must(t, err)
		if header.Typeflag == tar.TypeReg {
			seen = append(seen, fmt.Sprint(header.Name, len(content), len(bytes.Trim(content, "\x00"))))
		}
	}
	wanted := []string{fmt.Sprint("1", size, size/2), fmt.Sprint("2", size, size), fmt.Sprint("3", size, size)}
	if !slices.Equal(seen, wanted) {
		t.Errorf("%q", seen)
	}
	answered := <-waiter
	var found packAnswer
	must(t, jsonInto(answered.OK, &found))
	if found != (packAnswer{Entries: 4, Bytes: 3 * size, Changed: 2}) {
		t.Errorf("%+v", found)
	}
}

func TestReadersThatStopHoldNothingUp(t *testing.T) {
	s := newServer(t)
	root := newTarget(t, s)
	must(t, os.WriteFile(root+"/large", make([]byte, 1<<20), 0o644))
	before := initDescriptors(t, s)
	var readers []*os.File
	var waiters []chan reply
	for range 3 * archiveWorkers {
		read, write := pipe(t)
		waiters = append(waiters, s.send(s.within("pack", ""), int(write.Fd())))
		_ = write.Close()
		readers = append(readers, read)
	}
	one := make([]byte, 1)
	for _, read := range readers[:archiveWorkers] {
		_, err := read.Read(one)
		must(t, err)
	}
	threads := len(glob(t, fmt.Sprintf("/proc/%d/task/*", s.process.Process.Pid)))
	for range 3 * fileWorkers {
		s.ask(s.file("stat", ""), nil)
		s.start("/bin/true").exit()
	}
	for _, read := range readers {
		must(t, read.Close())
	}
	for _, waiter := range waiters {
		if answered := <-waiter; answered.Error == nil || *answered.Error != (failure{Errno: "EPIPE", What: whatDescriptors}) {
			t.Errorf("%+v", answered.Error)
		}
	}
	if now := len(glob(t, fmt.Sprintf("/proc/%d/task/*", s.process.Process.Pid))); now > threads {
		t.Errorf("%d threads were there, %d are", threads, now)
	}
	if now := initDescriptors(t, s); now > before+3*fileWorkers {
		t.Errorf("%d descriptors were open, %d are", before, now)
	}
}

func TestAnArchiveTakesAPipe(t *testing.T) {
	s := newServer(t)
	newTarget(t, s)
	regular, err := os.Create(s.folder + "/regular")
	must(t, err)
	defer func() { _ = regular.Close() }()
	s.refused("EINVAL", whatDescriptors, s.within("pack", ""), int(regular.Fd()))
	s.refused("EINVAL", whatDescriptors, s.unpackRequest(""), int(regular.Fd()))
	s.refused("EINVAL", whatRequest, s.unpackRequest(""))
}
