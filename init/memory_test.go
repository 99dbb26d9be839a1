package main

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

func TestTheKernelsFilesOfMemoryArePassed(t *testing.T) {
	s := newServer(t)
	var found memoryAnswer
	answered := s.ask(fields{"op": "memory"}, &found)
	if len(found.Files) != len(answered.descriptors) {
		t.Fatalf("%v, and %d descriptors", found.Files, len(answered.descriptors))
	}
	for index, descriptor := range answered.descriptors {
		path, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(descriptor))
		must(t, err)
		place := found.Files[index]
		if path != memoryFiles[0][place] && path != memoryFiles[1][place] {
			t.Errorf("%s at place %d", path, place)
		}
	}
	there := 0
	for _, paths := range memoryFiles {
		for _, path := range paths {
			if _, err := os.Stat(path); err == nil && (there == 0 || filepath.Dir(path) == filepath.Dir(paths[0])) {
				there++
			}
		}
		if there > 0 {
			break
		}
	}
	if there != len(found.Files) {
		t.Errorf("%d of %d files", len(found.Files), there)
	}
}
