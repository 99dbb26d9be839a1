package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// seeding is an image's folder, a volume, and a place for accounts.
type seeding struct {
	t         *testing.T
	workspace string
	into      string
	etc       string
}

func newSeeding(t *testing.T) *seeding {
	t.Helper()
	outer, err := os.MkdirTemp("", "seed-")
	must(t, err)
	t.Cleanup(func() { _ = removeDraft(outer) })
	must(t, os.Chmod(outer, 0o755))
	made := &seeding{t, filepath.Join(outer, "workspace"), filepath.Join(outer, "into"), filepath.Join(outer, "etc")}
	for _, folder := range []string{made.workspace, made.into, made.etc} {
		must(t, os.Mkdir(folder, 0o777))
		must(t, os.Chmod(folder, 0o777))
	}
	return made
}

// run seeds as a user who owns nothing, as in a pod, and gives what was said.
func (s *seeding) run(more ...string) string {
	s.t.Helper()
	arguments := []string{"seed", "--workspace", s.workspace, "--into", s.into, "--etc", s.etc, "--uid", "61397", "--gid", "61397"}
	command := exec.Command(builtInit, append(arguments, more...)...)
	if os.Getuid() == 0 {
		asOtherUser(command)
	}
	said, err := command.CombinedOutput()
	if err != nil {
		s.t.Fatalf("%v: %s", err, said)
	}
	return string(said)
}

func (s *seeding) write(path, content string, mode os.FileMode) {
	s.t.Helper()
	place := filepath.Join(s.workspace, path)
	must(s.t, os.MkdirAll(filepath.Dir(place), 0o755))
	must(s.t, os.WriteFile(place, []byte(content), mode))
	must(s.t, os.Chmod(place, mode))
}

func (s *seeding) read(path string) string {
	s.t.Helper()
	content, err := os.ReadFile(filepath.Join(s.into, path))
	must(s.t, err)
	return string(content)
}

func (s *seeding) mode(path string) os.FileMode {
	s.t.Helper()
	about, err := os.Lstat(filepath.Join(s.into, path))
	must(s.t, err)
	return about.Mode()
}

func names(t *testing.T, folder string) string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	must(t, err)
	var all []string
	for _, entry := range entries {
		all = append(all, entry.Name())
	}
	return strings.Join(all, " ")
}

func TestTheImagesFolderComesIntoTheVolume(t *testing.T) {
	s := newSeeding(t)
	s.write("run.sh", "#!/bin/sh\n", 0o755)
	s.write("deep/er/file", "content", 0o644)
	s.write("locked/file", "in a folder that cannot be written", 0o444)
	s.write("setuid", "", 0o755|os.ModeSetuid)
	must(t, os.Chmod(filepath.Join(s.workspace, "locked"), 0o555))
	must(t, os.Symlink("/etc/shadow", filepath.Join(s.workspace, "link")))
	must(t, os.Symlink("nowhere", filepath.Join(s.workspace, "deep/dangling")))
	before := time.Unix(1_700_000_000, 123)
	must(t, os.Chtimes(filepath.Join(s.workspace, "run.sh"), before, before))
	if said := s.run(); said != "" {
		t.Errorf("said %q", said)
	}
	if found := names(t, s.into); found != "deep link locked run.sh setuid" {
		t.Errorf("found %s", found)
	}
	if s.read("deep/er/file") != "content" || s.mode("run.sh") != 0o755 || s.mode("locked") != os.ModeDir|0o555 {
		t.Errorf("the copy is another: %v, %v", s.mode("run.sh"), s.mode("locked"))
	}
	if s.mode("setuid") != 0o755 || s.mode("locked/file") != 0o444 {
		t.Errorf("modes %v, %v", s.mode("setuid"), s.mode("locked/file"))
	}
	for link, wanted := range map[string]string{"link": "/etc/shadow", "deep/dangling": "nowhere"} {
		if target, err := os.Readlink(filepath.Join(s.into, link)); err != nil || target != wanted {
			t.Errorf("%s leads to %q (%v)", link, target, err)
		}
	}
	about, err := os.Stat(filepath.Join(s.into, "run.sh"))
	must(t, err)
	if !about.ModTime().Equal(before) {
		t.Errorf("changed at %v", about.ModTime())
	}
}

func TestWhatCannotBeReadOrIsNoFileIsLeftOutAndSaid(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to make what others cannot read")
	}
	s := newSeeding(t)
	s.write("readable", "yes", 0o644)
	s.write("secret", "no", 0o600)
	s.write("closed/file", "no", 0o644)
	must(t, os.Chmod(filepath.Join(s.workspace, "closed"), 0o700))
	must(t, unix.Mkfifo(filepath.Join(s.workspace, "fifo"), 0o666))
	said := s.run()
	for _, path := range []string{"secret", "closed", "fifo"} {
		if !strings.Contains(said, filepath.Join(s.workspace, path)) {
			t.Errorf("%s is not told of: %s", path, said)
		}
	}
	if found := names(t, s.into); found != "readable" {
		t.Errorf("found %s", found)
	}
}

func TestASecondSeedTouchesNothing(t *testing.T) {
	s := newSeeding(t)
	s.write("file", "the image's", 0o644)
	s.run()
	must(t, os.WriteFile(filepath.Join(s.into, "own"), []byte("the user's"), 0o644))
	must(t, os.Remove(filepath.Join(s.into, "file")))
	s.run()
	if found := names(t, s.into); found != "own" {
		t.Errorf("found %s", found)
	}
}

func TestAnInterruptedSeedIsBegunAnew(t *testing.T) {
	s := newSeeding(t)
	s.write("moved", "again", 0o644)
	s.write("missing", "whole", 0o644)
	s.run()
	// As it is when it was killed: one entry was moved, and the draft holds half of another.
	must(t, os.Remove(filepath.Join(s.into, "missing")))
	draft := filepath.Join(s.into, seedDraft)
	must(t, os.MkdirAll(filepath.Join(draft, "locked"), 0o755))
	must(t, os.WriteFile(filepath.Join(draft, "locked/half"), []byte("wh"), 0o644))
	must(t, os.Chmod(filepath.Join(draft, "locked"), 0o555))
	if os.Getuid() == 0 {
		for _, path := range []string{draft, filepath.Join(draft, "locked"), filepath.Join(draft, "locked/half")} {
			must(t, os.Chown(path, otherUser, otherUser))
		}
	}
	s.run()
	if found := names(t, s.into); found != "missing moved" || s.read("missing") != "whole" {
		t.Errorf("found %s", found)
	}
}

func TestAnImageWithoutAFolderHasNothingToCopy(t *testing.T) {
	s := newSeeding(t)
	must(t, os.Remove(s.workspace))
	if said := s.run(); said != "" || names(t, s.into) != "" {
		t.Errorf("said %q, found %s", said, names(t, s.into))
	}
}

func TestAFullVolumeIsAnError(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to mount a small volume")
	}
	s := newSeeding(t)
	s.write("large", strings.Repeat("x", 1<<20), 0o644)
	if err := unix.Mount("none", s.into, "tmpfs", 0, "size=64k,mode=777"); err != nil {
		t.Skipf("cannot mount: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(s.into, 0) })
	said, err := exec.Command(builtInit, "seed", "--workspace", s.workspace, "--into", s.into, "--etc", s.etc).CombinedOutput()
	if err == nil || !strings.Contains(string(said), "no space") {
		t.Errorf("%v: %s", err, said)
	}
}

func TestTheAccountHasAName(t *testing.T) {
	s := newSeeding(t)
	s.run("--name", "user", "--home", "/home/user")
	passwd, err := os.ReadFile(filepath.Join(s.etc, "passwd"))
	must(t, err)
	group, err := os.ReadFile(filepath.Join(s.etc, "group"))
	must(t, err)
	found, ok := findAccount(passwd, func(one account) bool { return one.uid == otherUser })
	if !ok || found.name != "user" || found.gid != otherUser || found.home != "/home/user" || !strings.HasPrefix(found.shell, "/") {
		t.Errorf("%+v", found)
	}
	if _, ok := findAccount(passwd, func(one account) bool { return one.name == "root" && one.uid == 0 }); !ok {
		t.Error("the image's own accounts are gone")
	}
	if !strings.HasSuffix(string(group), "\nuser:x:61397:\n") {
		t.Errorf("%s", group)
	}
	var about syscall.Stat_t
	must(t, syscall.Stat(filepath.Join(s.etc, "passwd"), &about))
	if about.Mode&0o777 != 0o644 {
		t.Errorf("%o", about.Mode)
	}
}

func TestAccountsAreAddedWhereTheyAreMissing(t *testing.T) {
	added := account{"user", 10001, 10002, "/home/user", "/bin/sh"}
	for content, wanted := range map[string]string{
		"":                                      "user:x:10001:10002::/home/user:/bin/sh\n",
		"root:x:0:0:::/bin/sh":                  "root:x:0:0:::/bin/sh\nuser:x:10001:10002::/home/user:/bin/sh\n",
		"root:x:0:0:::\n# no entry\n":           "root:x:0:0:::\n# no entry\nuser:x:10001:10002::/home/user:/bin/sh\n",
		"user:x:5:5::/:/bin/sh\n":               "user:x:5:5::/:/bin/sh\nuser-10001:x:10001:10002::/home/user:/bin/sh\n",
		"app:x:10001:0::/app:/bin/false\n":      "app:x:10001:0::/app:/bin/false\n",
		"app:x:x10001:0::/app:/bin/false\n\n\n": "app:x:x10001:0::/app:/bin/false\n\n\nuser:x:10001:10002::/home/user:/bin/sh\n",
	} {
		if found := string(withAccount([]byte(content), added)); found != wanted {
			t.Errorf("%q became %q", content, found)
		}
	}
	for content, wanted := range map[string]string{
		"":                  "user:x:10002:\n",
		"other:x:10002:a,b": "other:x:10002:a,b",
		"user:x:5:\n":       "user:x:5:\nuser-10002:x:10002:\n",
	} {
		if found := string(withGroup([]byte(content), "user", 10002)); found != wanted {
			t.Errorf("%q became %q", content, found)
		}
	}
}

func TestSeedNeedsToKnowWhereTo(t *testing.T) {
	for _, arguments := range [][]string{{}, {"--into", "/"}, {"--into", "/", "--etc", "/", "--uid", "4294967295"}, {"--nonsense"}} {
		err := exec.Command(builtInit, append([]string{"seed"}, arguments...)...).Run()
		if failed, ok := err.(*exec.ExitError); !ok || failed.ExitCode() != exitUsage {
			t.Errorf("%v: %v", arguments, err)
		}
	}
}
