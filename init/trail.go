package main

import (
	"slices"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// workingMode is what a folder has at least while it is filled.
	workingMode = 0o700

	// maxClosedFolders is how many bytes of paths are remembered of folders that are to be closed to their owner in the end. A
	// cache of modules, where all folders are, has a tenth of that.
	maxClosedFolders = 16 << 20
)

// openToFill opens a folder: for reading, which changing its mode and time takes, or else only to go through.
func openToFill(open func(flags int) (int, error)) (int, error) {
	opened, err := open(unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NONBLOCK)
	if err == unix.EACCES {
		return open(unix.O_PATH | unix.O_DIRECTORY)
	}
	return opened, err
}

// trail is the way from the top to where entries go at the moment: they come folder by folder, so most find their parent open.
type trail struct {
	resolver resolver
	open     []opened // the top, and the folders beneath it that names are of
	names    []string
	linked   int               // how many of the names had been reached when the first was a symlink; -1 for none
	closed   map[string]uint32 // the modes of folders that are closed to their owner in the end, by path
	bytes    int               // of those paths
}

// opened is a folder of a trail.
type opened struct {
	descriptor int
	modified   *time.Time // what it shall have been when it was modified last, none for when it was
}

// newTrail owns the top's descriptor from here on.
func newTrail(resolver resolver, top int) *trail {
	return &trail{resolver: resolver, open: []opened{{descriptor: top}}, linked: -1, closed: map[string]uint32{}}
}

func (t *trail) top() int { return t.open[0].descriptor }

func (t *trail) here() int { return t.open[len(t.open)-1].descriptor }

// enter gives the folder of these names beneath the top. What is missing is made. It stays the trail's.
func (t *trail) enter(names []string) (int, error) {
	common := 0
	for common < min(len(names), len(t.names)) && names[common] == t.names[common] {
		common++
	}
	for len(t.names) > common {
		t.pop()
	}
	for _, name := range names[common:] {
		if err := t.step(name); err != nil {
			return -1, err
		}
	}
	return t.here(), nil
}

func (t *trail) push(name string, descriptor int, modified *time.Time) {
	t.names = append(t.names, name)
	t.open = append(t.open, opened{descriptor, modified})
}

// pop leaves a folder, which is when its time can be set.
func (t *trail) pop() {
	last := t.open[len(t.open)-1]
	if last.modified != nil {
		setTimes(last.descriptor, *last.modified)
	}
	_ = unix.Close(last.descriptor)
	t.open = t.open[:len(t.open)-1]
	if len(t.names) > 0 {
		t.names = t.names[:len(t.names)-1]
	}
	if t.linked >= len(t.names) {
		t.linked = -1
	}
}

func (t *trail) step(name string) error {
	here := t.here()
	open := func(flags int) (int, error) {
		return unix.Openat(here, name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	}
	descriptor, err := openToFill(open)
	if err == unix.ENOENT {
		if made := unix.Mkdirat(here, name, usualFolderMode); made != nil && made != unix.EEXIST {
			return made
		}
		descriptor, err = openToFill(open)
	}
	if err == unix.ENOTDIR || err == unix.ELOOP { // perhaps a symlink, which may lead to anything beneath the top
		path := joinPath(strings.Join(t.names, "/"), name)
		descriptor, err = openToFill(func(flags int) (int, error) { return t.resolver.open(t.top(), path, flags, 0) })
		if err == nil && t.linked < 0 {
			t.linked = len(t.names)
		}
	}
	if err == nil {
		t.push(name, descriptor, nil)
	}
	return err
}

// depth is how deep beneath the top the trail has come, which its names don't tell where one was a symlink.
func (t *trail) depth() (int, error) {
	if t.linked < 0 {
		return len(t.names), nil
	}
	var top unix.Stat_t
	if err := unix.Fstat(t.top(), &top); err != nil {
		return 0, err
	}
	return climb(t.here(), &top)
}

// setMode remembers what a folder shall have in the end, where that would be in the way until then.
func (t *trail) setMode(names []string, mode uint32) error {
	path := strings.Join(names, "/")
	_, known := t.closed[path]
	switch closes := len(names) == 0 || mode&workingMode != workingMode; {
	case closes && !known:
		if t.bytes += len(path); t.bytes > maxClosedFolders {
			return unix.ENOMEM
		}
		t.closed[path] = mode
	case closes:
		t.closed[path] = mode
	case known:
		t.bytes -= len(path)
		delete(t.closed, path)
	}
	return nil
}

// finish gives folders their modes, what is deepest first, and closes all.
func (t *trail) finish() error {
	for len(t.names) > 0 {
		t.pop()
	}
	defer t.pop()
	paths := make([]string, 0, len(t.closed))
	for path := range t.closed {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	slices.Reverse(paths)
	var failure error
	for _, path := range paths {
		err := t.close(path, t.closed[path])
		if err != nil && err != unix.ENOENT && failure == nil {
			failure = err
		}
	}
	return failure
}

func (t *trail) close(path string, mode uint32) error {
	if path == "" {
		return unix.Fchmod(t.top(), mode)
	}
	folder, err := t.resolver.open(t.top(), path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(folder) }()
	return unix.Fchmod(folder, mode)
}

// setTimes sets when something was modified last. No archive fails for that.
func setTimes(descriptor int, modified time.Time) {
	times := [2]unix.Timespec{{Nsec: unix.UTIME_OMIT}, {Sec: modified.Unix(), Nsec: int64(modified.Nanosecond())}}
	_, _, _ = unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(descriptor), 0, uintptr(unsafe.Pointer(&times)), 0, 0, 0)
}
