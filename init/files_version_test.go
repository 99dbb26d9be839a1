package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func (s *server) versionOf(path string) string {
	s.t.Helper()
	var got statAnswer
	s.ask(s.within("stat", path), &got)
	return got.Version
}

// writeIf commits only where the file is still of that version.
func (s *server) writeIf(path, content, expected string) *failure {
	s.t.Helper()
	answered := s.call(s.writeRequest(path))
	var made createAnswer
	must(s.t, jsonInto(answered.OK, &made))
	_, err := unix.Write(answered.descriptors[0], []byte(content))
	must(s.t, err)
	return s.call(fields{"op": "commit", "ticket": made.Ticket, "expected": expected}).Error
}

func TestAFileIsReplacedOnlyWhereItIsWhatWasSeen(t *testing.T) {
	s := newServer(t)
	populate(t, s)
	root := filepath.Join(s.folder, "root")
	seen := s.versionOf("file")
	if failure := s.writeIf("file", "first", seen); failure != nil {
		t.Fatal(failure)
	}
	for path, expected := range map[string]string{"file": seen, "none": seen} {
		if failure := s.writeIf(path, "second", expected); failure == nil || failure.Errno != "ESTALE" {
			t.Errorf("%s: %v", path, failure)
		}
	}
	if failure := s.writeIf("file", "second", ""); failure == nil || failure.Errno != "EEXIST" {
		t.Errorf("%v", failure)
	}
	if failure := s.writeIf("fresh", "first", ""); failure != nil {
		t.Error(failure)
	}
	if content, _ := os.ReadFile(root + "/file"); string(content) != "first" {
		t.Errorf("it is %q", content)
	}
	// Written to in place, of the same size, with its time put back.
	about, err := os.Stat(root + "/file")
	must(t, err)
	seen = s.versionOf("file")
	must(t, os.WriteFile(root+"/file", []byte("FIRST"), 0o644))
	must(t, os.Chtimes(root+"/file", about.ModTime(), about.ModTime()))
	if failure := s.writeIf("file", "second", seen); failure == nil || failure.Errno != "ESTALE" {
		t.Errorf("%v", failure)
	}
	wantNoDrafts(t, s.folder)
}

func TestOfManyWritersWhoSawTheSameOneWins(t *testing.T) {
	s := newServer(t)
	populate(t, s)
	seen := s.versionOf("file")
	var all sync.WaitGroup
	var mutex sync.Mutex
	won := 0
	for number := range 32 {
		all.Add(1)
		go func() {
			defer all.Done()
			if s.writeIf("file", fmt.Sprint(number), seen) == nil {
				mutex.Lock()
				won++
				mutex.Unlock()
			}
		}()
	}
	all.Wait()
	if won != 1 {
		t.Errorf("%d have won", won)
	}
}
