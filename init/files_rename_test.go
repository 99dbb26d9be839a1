package main

import (
	"os"
	"testing"
)

func renameRequest(s *server, path, to string) fields {
	request := s.within("rename", path)
	request["to"] = []byte(to)
	return request
}

func TestNamesAreChangedWithinTheFolder(t *testing.T) {
	everyWay(t, func(t *testing.T, s *server) {
		root := newTarget(t, s)
		s.unpacked("", file("one", "1"), file("two", "2"), folder("full", 0o755), file("full/three", "3"), folder("empty", 0o755), symlink("link", "one"),
			symlink("into", "full"))
		must(t, os.Symlink("../secret", root+"/out"))
		exclusively := func(path, to string) fields {
			request := renameRequest(s, path, to)
			request["exclusive"] = true
			return request
		}
		for _, attempt := range []struct{ errno, what, path, to string }{
			{"ENOENT", whatPath, "none", "x"}, {"ENOENT", whatTo, "one", "none/x"}, {"EXDEV", whatTo, "one", "out/x"}, {"EXDEV", whatPath, "out/file", "x"},
			{"EXDEV", whatTo, "one", "../x"}, {"EXDEV", whatTo, "one", "/x"}, {"EXDEV", whatPath, "../secret/file", "x"}, {"EINVAL", whatPath, "", "x"},
			{"EINVAL", whatTo, "one", ""}, {"EINVAL", whatTo, "one", "full/."}, {"EINVAL", whatPath, "full/..", "x"}, {"EISDIR", whatTo, "one", "empty"},
			{"ENOTDIR", whatTo, "full", "one"}, {"ENOTDIR", whatTo, "one/", "x"}, {"ENOTDIR", whatTo, "one", "x/"}, {"EINVAL", whatTo, "one", "a\x00b"},
			{"ENOTEMPTY", whatTo, "empty", "full"}, {"EINVAL", whatTo, "full", "full/inside"}, {"ENOTDIR", whatTo, "link/", "x/"},
		} {
			s.refused(attempt.errno, attempt.what, renameRequest(s, attempt.path, attempt.to))
		}
		s.refused("EEXIST", whatTo, exclusively("one", "two"))
		s.refused("EEXIST", whatTo, exclusively("one", "out"))
		s.refused("EEXIST", whatTo, exclusively("empty", "full"))
		s.refused("EINVAL", whatTo, exclusively("full", "full/inside"))
		s.ask(exclusively("one", "uno"), nil)
		s.ask(renameRequest(s, "uno", "two"), nil)
		s.ask(renameRequest(s, "link", "into/moved"), nil)
		s.ask(renameRequest(s, "full/", "empty/"), nil)
		s.ask(renameRequest(s, "out", "into"), nil)
		request := renameRequest(s, "two", "new/folders/\xff\n")
		request["make_dirs"] = true
		s.ask(request, nil)
		wantTree(t, root, "drwxr-xr-x empty", "empty/moved -> one", `-rw-r--r-- empty/three "3"`, "into -> ../secret", "drwxr-xr-x new", "drwxr-xr-x new/folders",
			"-rw-r--r-- new/folders/\xff\n \"1\"")
		wantNothingOutside(t, s)
	})
}

func TestARenameTellsWhatAFileSystemCannot(t *testing.T) {
	s := newServer(t, asFirstProcess)
	root := newTarget(t, s)
	must(t, os.WriteFile(root+"/file", nil, 0o644))
	mountTmpfs(t, s, "root/other", "")
	s.refused("EXDEV", whatRequest, renameRequest(s, "file", "other/file"))
}
