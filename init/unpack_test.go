package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// entry is one of an archive that a test writes.
type entry struct {
	tar.Header
	content string
}

func file(name, content string) entry {
	return entry{tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(content))}, content}
}

func folder(name string, mode int64) entry {
	return entry{tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: mode}, ""}
}

func symlink(name, target string) entry {
	return entry{tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: target, Mode: 0o777}, ""}
}

func hardLink(name, target string) entry {
	return entry{tar.Header{Name: name, Typeflag: tar.TypeLink, Linkname: target, Mode: 0o644}, ""}
}

func archive(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var out bytes.Buffer
	writer := tar.NewWriter(&out)
	for _, one := range entries {
		must(t, writer.WriteHeader(&one.Header))
		_, err := io.WriteString(writer, one.content)
		must(t, err)
	}
	must(t, writer.Close())
	return out.Bytes()
}

func (s *server) unpackRequest(path string) fields {
	request := s.within("unpack", path)
	request["max_entries"], request["max_bytes"] = 100_000, 1<<30
	return request
}

// unpack sends a stream as the server does, and closes its end.
func (s *server) unpack(request fields, stream io.Reader) reply {
	s.t.Helper()
	read, write := pipe(s.t)
	waiter := s.send(request, int(read.Fd()))
	_ = read.Close()
	_, _ = io.Copy(write, stream)
	_ = write.Close()
	select {
	case answered := <-waiter:
		return answered
	case <-time.After(enough):
		s.t.Fatal("no answer to an archive")
	}
	return reply{}
}

func (s *server) unpacked(path string, entries ...entry) unpackAnswer {
	s.t.Helper()
	return s.unpackedStream(path, archive(s.t, entries...))
}

func (s *server) unpackedStream(path string, stream []byte) unpackAnswer {
	s.t.Helper()
	answered := s.unpack(s.unpackRequest(path), bytes.NewReader(stream))
	if answered.Error != nil {
		s.t.Fatalf("%+v", answered.Error)
	}
	var found unpackAnswer
	must(s.t, jsonInto(answered.OK, &found))
	return found
}

// tree tells all that is beneath a folder, a line each.
func tree(t *testing.T, root string) []string {
	t.Helper()
	lines := []string{}
	must(t, filepath.Walk(root, func(path string, about os.FileInfo, err error) error {
		if err != nil || path == root {
			return err
		}
		name, _ := filepath.Rel(root, path)
		line := fmt.Sprintf("%v %s", about.Mode(), name)
		switch {
		case about.Mode().IsRegular():
			content, err := os.ReadFile(path)
			must(t, err)
			line += fmt.Sprintf(" %q", content)
		case about.Mode()&os.ModeSymlink != 0:
			target, err := os.Readlink(path)
			must(t, err)
			line = fmt.Sprintf("%s -> %s", name, target)
		}
		lines = append(lines, line)
		return nil
	}))
	return lines
}

func wantTree(t *testing.T, root string, wanted ...string) {
	t.Helper()
	if got := tree(t, root); !slices.Equal(got, wanted) {
		t.Errorf("there are\n%s\nwanted\n%s", strings.Join(got, "\n"), strings.Join(wanted, "\n"))
	}
}

// newTarget makes the folder "root" with the secret beside it.
func newTarget(t *testing.T, s *server) string {
	t.Helper()
	root := filepath.Join(s.folder, "root")
	must(t, os.MkdirAll(root, 0o777))
	must(t, os.Chmod(root, 0o777))
	must(t, os.MkdirAll(s.folder+"/secret", 0o777))
	must(t, os.Chmod(s.folder+"/secret", 0o777))
	must(t, os.WriteFile(s.folder+"/secret/file", []byte("outside"), 0o666))
	return root
}

func wantNothingOutside(t *testing.T, s *server) {
	t.Helper()
	wantTree(t, s.folder+"/secret", `-rw-r--r-- file "outside"`)
	entries, err := os.ReadDir(s.folder)
	must(t, err)
	if len(entries) != 2 {
		t.Errorf("beside the target are %v", entries)
	}
	wantNoDrafts(t, s.folder)
}

// everyWay runs a test with both resolvers, and as a user who may not do everything.
func everyWay(t *testing.T, test func(*testing.T, *server)) {
	bothWays(t, test)
	if os.Getuid() == 0 {
		t.Run("another user", func(t *testing.T) { test(t, newServer(t, asOtherUser)) })
	}
}

func TestAnArchiveIsUnpacked(t *testing.T) {
	everyWay(t, func(t *testing.T, s *server) {
		root := newTarget(t, s)
		moment := time.Unix(1_600_000_000, 0)
		entries := []entry{
			folder("./", 0o700), folder("closed/", 0o555), folder("closed/inner", 0), file("closed/inner/deep", "deep"),
			file("closed/file", "one"), file("implied/by/name", ""), symlink("link", "closed/file"), symlink("implied/by/up", "../../closed"),
			symlink("dangling", "none/at/all"), hardLink("implied/hard", "closed/file"), file("odd\nname", "1"), file("\xff\xfe", "2"),
			file(strings.Repeat("l", 255), "3"), file("./dotted//twice", "4"), folder("wide", 0o2777), file("run", "#!"),
		}
		for index := range entries {
			entries[index].ModTime = moment
		}
		entries[len(entries)-1].Mode = 0o6755
		found := s.unpacked("new/folder", entries...)
		if found != (unpackAnswer{int64(len(entries)), 13}) {
			t.Errorf("%+v", found)
		}
		wanted := []string{
			`dr-xr-xr-x closed`, `-rw-r--r-- closed/file "one"`, `d--------- closed/inner`, `-rw-r--r-- closed/inner/deep "deep"`,
			`dangling -> none/at/all`, `drwxr-xr-x dotted`, `-rw-r--r-- dotted/twice "4"`, `drwxr-xr-x implied`, `drwxr-xr-x implied/by`,
			`-rw-r--r-- implied/by/name ""`, `implied/by/up -> ../../closed`, `-rw-r--r-- implied/hard "one"`, `link -> closed/file`,
			`-rw-r--r-- ` + strings.Repeat("l", 255) + ` "3"`, "-rw-r--r-- odd\nname \"1\"", `-rwxr-xr-x run "#!"`, `drwxrwxrwx wide`,
			"-rw-r--r-- \xff\xfe \"2\"",
		}
		slices.SortFunc(wanted, func(one, other string) int {
			name := func(line string) string { _, after, _ := strings.Cut(line, " "); return after }
			return strings.Compare(name(one), name(other))
		})
		got := tree(t, root+"/new/folder")
		for _, line := range wanted {
			if !slices.Contains(got, line) {
				t.Errorf("missing: %s", line)
			}
		}
		if len(got) != len(wanted) {
			t.Errorf("%q", got)
		}
		for _, path := range []string{"closed", "closed/inner", "closed/file", "run", "wide"} {
			about, err := os.Stat(root + "/new/folder/" + path)
			must(t, err)
			if !about.ModTime().Equal(moment) {
				t.Errorf("%s is of %v", path, about.ModTime())
			}
		}
		about, err := os.Stat(root + "/new/folder")
		must(t, err)
		if about.Mode() != os.ModeDir|0o700 {
			t.Errorf("the top is %v", about.Mode())
		}
		wantNothingOutside(t, s)
	})
}

func TestWhatIsThereAlready(t *testing.T) {
	everyWay(t, func(t *testing.T, s *server) {
		root := newTarget(t, s)
		s.unpacked("", file("file", "old"), folder("folder", 0o755), file("folder/kept", "kept"), symlink("link", "folder"))
		before, err := os.Open(root + "/file")
		must(t, err)
		defer func() { _ = before.Close() }()
		s.unpacked("", folder(".", 0o700), file("file", "new"), folder("folder", 0o750), file("link/through", "it"), file("twice", "1"), file("twice", "2"),
			hardLink("file", "file"), hardLink("twice", "file"), symlink("link", "twice"), symlink("link", "file"))
		wantTree(t, root, `-rw-r--r-- file "new"`, `drwxr-x--- folder`, `-rw-r--r-- folder/kept "kept"`, `-rw-r--r-- folder/through "it"`,
			`link -> file`, `-rw-r--r-- twice "new"`)
		if content, _ := io.ReadAll(before); string(content) != "old" {
			t.Errorf("who had the old file reads %q", content)
		}
		if about, _ := os.Stat(root); about.Mode() != os.ModeDir|0o777 {
			t.Errorf("the top has become %v", about.Mode())
		}
		for errno, one := range map[string]entry{
			"EISDIR": file("folder", ""), "ENOTDIR": folder("file", 0o755),
		} {
			s.refusesArchive(errno, whatEntry, 1, archive(t, one))
		}
		s.refusesArchive("EISDIR", whatEntry, 1, archive(t, symlink("folder", "file")))
		s.refusesArchive("EISDIR", whatEntry, 1, archive(t, hardLink("folder", "file")))
		s.refusesArchive("ENOTDIR", whatEntry, 1, archive(t, folder("link", 0o755)))
		s.refusesArchive("ENOTDIR", whatEntry, 1, archive(t, file("file/below", "")))
		wantNothingOutside(t, s)
	})
}

func (s *server) refusesArchive(errno, what string, at int64, stream []byte) {
	s.t.Helper()
	answered := s.unpack(s.unpackRequest(""), bytes.NewReader(stream))
	if answered.Error == nil || *answered.Error != (failure{errno, what, at}) {
		s.t.Errorf("the archive was answered by %s, %+v; wanted %s of the %s %d", answered.OK, answered.Error, errno, what, at)
	}
}

// overridden gives an entry another name by an extended header, which says what its own would not.
func overridden(key, value string, one entry) entry {
	one.PAXRecords = map[string]string{key: value}
	one.Format = tar.FormatPAX
	if key == "path" {
		one.Name = value
	} else {
		one.Linkname = value
	}
	return one
}

func TestHostileArchivesEndWhereTheyBreakARule(t *testing.T) {
	everyWay(t, func(t *testing.T, s *server) {
		root := newTarget(t, s)
		must(t, os.Symlink("../secret", root+"/planted"))
		must(t, os.Symlink(".", root+"/same"))
		must(t, os.Symlink("deep/er/folder", root+"/short"))
		must(t, os.MkdirAll(root+"/deep/er/folder", 0o777))
		must(t, os.Chmod(root+"/deep/er/folder", 0o777))
		must(t, os.Symlink("file", s.folder+"/secret/link"))
		defer func() { must(t, os.Remove(s.folder+"/secret/link")); wantNothingOutside(t, s) }()
		device := func(kind byte) entry {
			return entry{tar.Header{Name: "device", Typeflag: kind, Devmajor: 1, Devminor: 5}, ""}
		}
		for name, attempt := range map[string]struct {
			errno string
			last  entry
		}{
			"up": {"EINVAL", file("../secret/new", "x")}, "up in the middle": {"EINVAL", file("a/../../secret/new", "x")},
			"up at the end": {"EINVAL", folder("a/..", 0o755)}, "absolute": {"EINVAL", file(s.folder+"/secret/new", "x")},
			"up inside": {"EINVAL", file("a/../b", "x")}, "too long": {"EINVAL", file(strings.Repeat("n", 256), "x")},
			"too deep": {"EINVAL", file(strings.Repeat("n/", maxListDepth+1)+"x", "x")}, "a path too long": {"EINVAL", file(strings.Repeat(strings.Repeat("n", 200)+"/", 21)+"x", "")},
			"the top as a link": {"EINVAL", symlink(".", "x")}, "a link that asks for a folder": {"EINVAL", symlink("l/", "x")},
			"by a planted link": {"EXDEV", file("planted/file", "x")}, "a folder by it": {"EXDEV", folder("planted/new/", 0o755)},
			"over a planted link": {"ENOTDIR", folder("planted", 0o777)},
			"a link out":          {"EXDEV", symlink("l", "../secret")}, "an absolute one": {"EXDEV", symlink("l", root)},
			"out by way of itself": {"EXDEV", symlink("a/l", "../../root/a")}, "out from a folder that is the top": {"EXDEV", symlink("same/same/l", "../secret")},
			"out by a link in its middle": {"EXDEV", symlink("l", "same/../secret")}, "by what is not there yet": {"EXDEV", symlink("l", "none/../x")},
			"a hard link out": {"EINVAL", hardLink("h", "../secret/file")}, "an absolute hard link": {"EINVAL", hardLink("h", s.folder+"/secret/file")},
			"a hard link by a link": {"EXDEV", hardLink("h", "planted/file")}, "a hard link to a link": {"ENOTREG", hardLink("h", "planted")},
			"a hard link to nothing": {"ENOENT", hardLink("h", "none")}, "a hard link to a folder": {"ENOTREG", hardLink("h", "deep")},
			"a device": {"ENOTREG", device(tar.TypeChar)}, "a block device": {"ENOTREG", device(tar.TypeBlock)}, "a fifo": {"ENOTREG", device(tar.TypeFifo)},
			"an odd type":          {"ENOTREG", entry{tar.Header{Name: "x", Typeflag: tar.TypeCont}, ""}},
			"an overridden path":   {"EINVAL", overridden("path", "../secret/new", file("a", "x"))},
			"an overridden target": {"EXDEV", overridden("linkpath", "../../x", symlink("a", "b"))},
			"said of all":          {"EINVAL", entry{tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"path": "../x"}}, ""}},
		} {
			t.Run(name, func(t *testing.T) {
				s.t = t
				s.refusesArchive(attempt.errno, whatEntry, 2, archive(t, file("before", "is whole"), attempt.last, file("after", "never comes")))
				if content, err := os.ReadFile(root + "/before"); err != nil || string(content) != "is whole" {
					t.Errorf("%q, %v", content, err)
				}
				for _, path := range []string{"/after", "/l", "/h", "/a/l", "/device"} {
					if _, err := os.Lstat(root + path); err == nil {
						t.Errorf("%s is there", path)
					}
				}
				_ = os.RemoveAll(root + "/before")
			})
		}
		s.t = t
		// A file is written where a link was, not where it led.
		s.unpacked("", symlink("l", "deep"), file("l", "file"), symlink("short/l", "../../../before"), symlink("m", "deep/../n"),
			entry{tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "a commit"}}, ""}, file("planted", "inside"))
		if target, _ := os.Readlink(root + "/deep/er/folder/l"); target != "../../../before" {
			t.Errorf("it leads to %q", target)
		}
		if about, err := os.Lstat(root + "/planted"); err != nil || !about.Mode().IsRegular() {
			t.Errorf("%v, %v", about, err)
		}
	})
}

func TestArchivesAreBounded(t *testing.T) {
	s := newServer(t)
	root := newTarget(t, s)
	request := s.unpackRequest("")
	request["max_entries"], request["max_bytes"] = 3, 10
	for index, attempt := range []struct {
		at      int64
		entries []entry
	}{
		{4, []entry{file("1", "1"), folder("2", 0o755), symlink("3", "1"), file("4", "")}},
		{2, []entry{file("1", "12345"), file("2", "123456")}},
		{1, []entry{file("1", strings.Repeat("x", 11))}},
	} {
		request["path"] = fmt.Appendf(nil, "into%d", index)
		answered := s.unpack(request, bytes.NewReader(archive(t, attempt.entries...)))
		if answered.Error == nil || *answered.Error != (failure{"EFBIG", whatEntry, attempt.at}) {
			t.Errorf("%+v", answered.Error)
		}
	}
	answered := s.unpack(request, bytes.NewReader(archive(t, file("1", "12345"), file("2", "12345"), folder("3", 0o755))))
	if answered.Error != nil {
		t.Errorf("%+v", answered.Error)
	}
	// Bombs: what they would be counts, not what they are.
	for name, stream := range map[string][]byte{"old": sparseBomb(t, 10<<30), "pax": paxSparseBomb(t, 10<<30)} {
		answered := s.unpack(s.unpackRequest(""), bytes.NewReader(stream))
		if answered.Error == nil || *answered.Error != (failure{"EFBIG", whatEntry, 1}) {
			t.Errorf("%s: %s, %+v", name, answered.OK, answered.Error)
		}
	}
	s.unpackedStream("sparse", sparseBomb(t, 5<<20))
	s.unpackedStream("sparse", paxSparseBomb(t, 5<<20))
	for _, name := range []string{"bomb", "pax"} {
		if content, err := os.ReadFile(root + "/sparse/" + name); err != nil || len(content) != 5<<20 || len(bytes.Trim(content, "\x00")) != 0 {
			t.Errorf("%s has %d bytes, %v", name, len(content), err)
		}
	}
	wantNothingOutside(t, s)
}

// sparseBomb is a file of zeros that says so in the format of GNU tar: nothing of it is in the archive.
func sparseBomb(t *testing.T, size int64) []byte {
	t.Helper()
	stream := archive(t, entry{tar.Header{Name: "bomb", Typeflag: tar.TypeReg, Mode: 0o644, Format: tar.FormatGNU}, ""})
	const kind, realSize, realSizeEnd, sum, sumEnd, head = 156, 483, 495, 148, 156, 512
	stream[kind] = tar.TypeGNUSparse
	copy(stream[realSize:realSizeEnd], fmt.Sprintf("%011o\x00", size))
	copy(stream[sum:sumEnd], "        ")
	total := 0
	for _, one := range stream[:head] {
		total += int(one)
	}
	copy(stream[sum:sumEnd], fmt.Sprintf("%06o\x00 ", total))
	return stream
}

func paxSparseBomb(t *testing.T, size int64) []byte {
	t.Helper()
	// The library writes no such records, so they are patched into others of the same length.
	stream := archive(t, entry{tar.Header{Name: "pax", Typeflag: tar.TypeReg, Mode: 0o644, Format: tar.FormatPAX, PAXRecords: map[string]string{
		"XXX.xxxxxx.map": "0,0", "XXX.xxxxxx.numblocks": "1", "XXX.xxxxxx.size": fmt.Sprint(size),
	}}, ""})
	return bytes.ReplaceAll(stream, []byte("XXX.xxxxxx."), []byte("GNU.sparse."))
}

func TestAStreamThatEndsEarlyLeavesNoHalfFile(t *testing.T) {
	s := newServer(t)
	root := newTarget(t, s)
	content := strings.Repeat("c", 100_000)
	stream := archive(t, folder("a", 0o500), file("a/one", content), file("a/two", content), file("three", content))
	whole := len(stream) - 1024
	for _, cut := range []int{0, 100, 512, 1024, 50_000, 101_000, 150_000, 205_000, whole - 512, whole, whole + 512, whole + 1000} {
		must(t, os.RemoveAll(root+"/into"))
		answered := s.unpack(s.unpackRequest("into"), bytes.NewReader(stream[:cut]))
		if answered.Error == nil || answered.Error.Errno != "EINVAL" || answered.Error.What != whatStream {
			t.Errorf("cut at %d: %s, %+v", cut, answered.OK, answered.Error)
		}
		for _, line := range tree(t, root+"/into") {
			if line != "dr-x------ a" && !strings.Contains(line, content) {
				t.Errorf("cut at %d, there is %.100s", cut, line)
			}
		}
	}
	wantNothingOutside(t, s)
	s.refusesArchive("EINVAL", whatStream, 2, append(slices.Clone(archive(t, file("f", "x"))), "more"...))
	s.refusesArchive("EINVAL", whatStream, 2, slices.Concat(archive(t, file("f", "x")), archive(t, file("g", "x"))))
	s.refusesArchive("EINVAL", whatStream, 1, bytes.Repeat([]byte("x"), 5000))
	s.unpackedStream("", append(archive(t, file("padded", "x")), make([]byte, 1<<20)...))
}

func TestSlowWritersHoldNothingUp(t *testing.T) {
	s := newServer(t)
	root := newTarget(t, s)
	stream := archive(t, file("file", "content"))
	var writers []*os.File
	var waiters []chan reply
	for index := range 3 * archiveWorkers { // some of them wait for the others
		read, write := pipe(t)
		waiters = append(waiters, s.send(s.unpackRequest(fmt.Sprint(index)), int(read.Fd())))
		_ = read.Close()
		_, err := write.Write(stream[:600])
		must(t, err)
		writers = append(writers, write)
	}
	for range 3 * fileWorkers {
		s.ask(s.file("stat", ""), nil)
		s.start("/bin/true").exit()
	}
	s.list("", 1000, 1000)
	for index, write := range writers {
		_, err := write.Write(stream[600:])
		must(t, err)
		must(t, write.Close())
		if answered := <-waiters[index]; answered.Error != nil {
			t.Errorf("%+v", answered.Error)
		}
	}
	for index := range writers {
		wantTree(t, fmt.Sprintf("%s/%d", root, index), `-rw-r--r-- file "content"`)
	}
}

func TestABrokenLineEndsArchives(t *testing.T) {
	s := newServer(t)
	root := newTarget(t, s)
	must(t, os.WriteFile(root+"/large", make([]byte, 1<<20), 0o644))
	before := initDescriptors(t, s)
	var ends []*os.File
	for index := range 3 * archiveWorkers {
		read, write := pipe(t)
		if index%2 == 0 {
			s.send(s.unpackRequest("into"), int(read.Fd()))
			_ = read.Close()
			_, err := write.Write(archive(t, file("half", strings.Repeat("h", 1000)))[:1000])
			must(t, err)
			ends = append(ends, write)
		} else {
			s.send(s.within("pack", ""), int(write.Fd()))
			_ = write.Close()
			ends = append(ends, read)
		}
	}
	drafts := func() bool { return len(glob(t, root+"/into/"+draftPrefix+"*")) > 0 }
	eventually(s, drafts, func() { t.Error("nothing is under way") })
	must(t, s.connection.Close())
	s.accept(false)
	eventually(s, func() bool { return !drafts() && initDescriptors(t, s) <= before }, func() {
		t.Errorf("%d descriptors were open, %d are", before, initDescriptors(t, s))
	})
	for index, end := range ends {
		if index%2 == 1 {
			_, err := io.Copy(io.Discard, end) // it ends
			must(t, err)
		}
	}
	s.unpacked("", file("after", "works"))
}

// TestSwappedFoldersNeverLeadAnArchiveOut has a folder and a link to the outside change places while it is filled.
func TestSwappedFoldersNeverLeadAnArchiveOut(t *testing.T) {
	bothWays(t, func(t *testing.T, s *server) {
		root := newTarget(t, s)
		must(t, os.MkdirAll(root+"/swap/inner", 0o755))
		must(t, os.MkdirAll(s.folder+"/secret/inner", 0o755))
		must(t, os.Symlink("../secret", root+"/other"))
		stop := swapping(root)
		entries := []entry{}
		for index := range 3 {
			entries = append(entries, file(fmt.Sprintf("swap/%d", index), "x"), file(fmt.Sprintf("swap/inner/%d", index), "x"),
				folder("swap/inner/new", 0o777), symlink("swap/inner/link", "../inner"), hardLink("swap/inner/hard", fmt.Sprintf("swap/%d", index)))
		}
		stream := archive(t, entries...)
		outcomes := map[string]int{}
		const lasting = 1500 * time.Millisecond
		for until := time.Now().Add(lasting); time.Now().Before(until); {
			count(outcomes, "unpack", s.unpack(s.unpackRequest(""), bytes.NewReader(stream)).Error)
		}
		stop()
		t.Logf("%v", outcomes)
		must(t, os.Remove(s.folder+"/secret/inner")) // it is empty
		wantNothingOutside(t, s)
	})
}

func TestAnArchiveTellsOfAFullDisk(t *testing.T) {
	s := newServer(t, asFirstProcess)
	newTarget(t, s)
	mountTmpfs(t, s, "root/small", "-o size=1m")
	answered := s.unpack(s.unpackRequest("small"), bytes.NewReader(archive(t, file("fits", "x"), file("large", strings.Repeat("x", 2<<20)))))
	if answered.Error == nil || *answered.Error != (failure{"ENOSPC", whatEntry, 2}) {
		t.Errorf("%+v", answered.Error)
	}
	if got := s.shell("ls -A root/small").output(); got != "fits\n" {
		t.Errorf("there are %q", got)
	}
}

func FuzzUnpack(f *testing.F) {
	builder := &testing.T{}
	for _, entries := range [][]entry{
		{file("file", "content"), folder("a", 0o555), file("a/b", "c")}, {symlink("l", "a/../b"), file("l/x", "y")},
		{hardLink("h", "file"), hardLink("file", "h")}, {folder("a/b/c", 0), symlink("a/b/c/d", "../../.."), file("a/b/c/d/e", "f")},
	} {
		f.Add(archive(builder, entries...))
	}
	f.Add(sparseBomb(builder, 1<<20))
	f.Fuzz(func(t *testing.T, stream []byte) {
		outer := t.TempDir()
		must(t, os.MkdirAll(outer+"/root/in", 0o755))
		root := openedFolder(t, outer+"/root/in")
		unpacking := &unpacking{
			stream: tar.NewReader(bytes.NewReader(stream)), pause: func() {}, buffer: make([]byte, 1000),
			trail: newTrail(newResolver(false), root), maxEntries: 100, maxBytes: 1 << 21,
		}
		_ = unpacking.all()
		_ = unpacking.trail.finish()
		for path, most := range map[string]int{outer: 1, outer + "/root": 1} {
			if entries, err := os.ReadDir(path); err != nil || len(entries) != most {
				t.Fatalf("%s holds %v, %v", path, entries, err)
			}
		}
		wantNoDrafts(t, outer)
		must(t, filepath.Walk(outer+"/root/in", func(path string, about os.FileInfo, err error) error {
			if err == nil && about.Mode()&os.ModeSymlink != 0 {
				if resolved, err := filepath.EvalSymlinks(path); err == nil && !strings.HasPrefix(resolved+"/", outer+"/root/in/") {
					t.Fatalf("%s leads to %s", path, resolved)
				}
			}
			if err == nil && about.IsDir() {
				_ = os.Chmod(path, 0o755)
			}
			return nil
		}))
	})
}

func openedFolder(t *testing.T, path string) int {
	t.Helper()
	folder, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	must(t, err)
	return folder
}
