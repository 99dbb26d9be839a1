package main

import (
	"bytes"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// listings is how often one scan reads the list of processes, unless nothing new is in it before: a process that was listed may be gone
// when it is looked at, and its child not be listed yet. The second list is short of what is known, so its processes are looked at in time.
const listings = 8

// process is what a scan saw of one.
type process struct {
	pid    int
	parent int
	mark   uint64
	gone   bool // a zombie, of which only the number is left
}

// processFolder is /proc, opened before the first command could mount anything over it.
type processFolder struct {
	mutex      sync.Mutex // its descriptor has one read position, and scans gain nothing from each other
	descriptor int
	entries    []byte
	stat       []byte
}

func openProcessFolder() (*processFolder, error) {
	const (
		// entriesSize is how many bytes of names one system call gives: few, so that what is looked at has just been named.
		entriesSize = 1 << 10
		statSize    = 1 << 10 // bytes; the line has 52 numbers and a name of at most 64
	)
	descriptor, err := unix.Open("/proc", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return &processFolder{
		descriptor: descriptor, entries: make([]byte, entriesSize), stat: make([]byte, statSize),
	}, nil
}

// scan gives all processes that can be seen. atSight is called for each as soon as its mark is known: a process that forks and ends
// all the time is another one when the scan is over.
func (f *processFolder) scan(atSight func(pid int, mark uint64)) ([]process, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	var seen []process
	looked := map[int]bool{}
	for range listings {
		before := len(looked)
		err := f.list(func(pid int, name string) {
			if looked[pid] {
				return
			}
			looked[pid] = true
			if one, ok := f.look(pid, name, atSight); ok {
				seen = append(seen, one)
			}
		})
		if err != nil {
			return nil, err
		}
		if len(looked) == before {
			break
		}
	}
	return seen, nil
}

// list calls with each number that /proc shows.
func (f *processFolder) list(each func(pid int, name string)) error {
	if _, err := unix.Seek(f.descriptor, 0, unix.SEEK_SET); err != nil {
		return err
	}
	var names []string
	for {
		count, err := unix.ReadDirent(f.descriptor, f.entries)
		if err != nil || count == 0 {
			return err
		}
		_, _, names = unix.ParseDirent(f.entries[:count], -1, names[:0])
		for _, name := range names {
			if pid, err := strconv.Atoi(name); err == nil {
				each(pid, name)
			}
		}
	}
}

func (f *processFolder) look(pid int, name string, atSight func(int, uint64)) (process, bool) {
	one := process{pid: pid, mark: f.mark(pid, name)}
	atSight(pid, one.mark)
	line, ok := f.read(name + "/stat")
	if !ok {
		return one, false
	}
	// The name stands in parentheses and may hold any byte, so fields are counted from its end.
	const state, parent, threads = 0, 1, 17
	fields := bytes.Fields(line[bytes.LastIndexByte(line, ')')+1:])
	if len(fields) <= threads {
		return one, false
	}
	one.parent, _ = strconv.Atoi(string(fields[parent]))
	// A process whose first thread has ended looks like a zombie while its other threads go on.
	ended := fields[state][0] == 'Z' || fields[state][0] == 'X'
	one.gone = ended && (string(fields[threads]) == "1" || string(fields[threads]) == "0")
	return one, true
}

// mark reads the limit that tells trees apart. prlimit is the fast way and refuses processes of other users, such as those of
// setuid programs; their limits can still be read as text.
func (f *processFolder) mark(pid int, name string) uint64 {
	var own unix.Rlimit
	err := unix.Prlimit(pid, unix.RLIMIT_RTTIME, nil, &own)
	if err == nil {
		return own.Max
	}
	if err != unix.EPERM {
		return 0
	}
	text, ok := f.readLong(name + "/limits")
	if !ok {
		return 0
	}
	_, after, _ := bytes.Cut(text, []byte("Max realtime timeout"))
	fields := bytes.Fields(after)
	const hard = 1
	if len(fields) <= hard {
		return 0
	}
	value, _ := strconv.ParseUint(string(fields[hard]), 10, 64)
	return value
}

func (f *processFolder) read(path string) ([]byte, bool) { return f.readInto(path, f.stat) }

func (f *processFolder) readLong(path string) ([]byte, bool) {
	const limitsSize = 4 << 10 // bytes; 17 lines of 80
	return f.readInto(path, make([]byte, limitsSize))
}

func (f *processFolder) readInto(path string, buffer []byte) ([]byte, bool) {
	file, err := unix.Openat(f.descriptor, path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, false
	}
	defer func() { _ = unix.Close(file) }()
	count, err := unix.Read(file, buffer)
	return buffer[:max(count, 0)], err == nil
}

// signalProcess is for a process that a scan has just found. The number could be another's only if the kernel had gone through all
// numbers within the scan; it gives them out in turn.
func signalProcess(pid int, number syscall.Signal) bool {
	return unix.Kill(pid, number) == nil
}
