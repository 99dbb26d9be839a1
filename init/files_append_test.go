package main

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestWhatIsAppendedComesLast(t *testing.T) {
	bothWays(t, func(t *testing.T, s *server) {
		populate(t, s)
		request := func(path string) fields {
			made := s.within("append", path)
			made["mode"] = 0o644
			return made
		}
		for path, whole := range map[string]string{"infile": "insidemore", "new": "more"} {
			answered := s.ask(request(path), nil)
			for _, word := range []string{"mo", "re"} {
				_, err := unix.Pwrite(answered.descriptors[0], []byte(word), 0)
				must(t, err)
			}
			content, err := os.ReadFile(filepath.Join(s.folder, "root", path))
			if err != nil || string(content) != whole {
				t.Errorf("%s: %q, %v", path, content, err)
			}
		}
		for path, errno := range map[string]string{
			"outfile": "EXDEV", "../new": "EXDEV", "a": "EISDIR", "fifo": "ENOTREG", "none/file": "ENOENT", "": "EISDIR",
		} {
			s.refused(errno, whatPath, request(path))
		}
	})
}
