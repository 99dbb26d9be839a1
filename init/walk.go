package main

import (
	"strings"

	"golang.org/x/sys/unix"
)

// walkResolver does what openat2 does, one step at a time: each step opens one name without following it, relative to the
// descriptor that the step before gave. It keeps the descriptors that it came by, so that ".." leads back where it came from,
// whatever is renamed meanwhile.
type walkResolver struct{}

func (walkResolver) openRoot(path string) (int, error) { return openRootPlainly(path) }

func (walkResolver) open(folder int, path string, flags int, mode uint32) (int, error) {
	w := &walk{trail: []int{folder}}
	defer w.close()
	return w.open(path, flags|unix.O_CLOEXEC, mode)
}

type walk struct {
	trail []int // from the folder, which is the caller's, to where the walk is
	ahead []string
	links int
}

func (w *walk) here() int { return w.trail[len(w.trail)-1] }

func (w *walk) close() { closeAll(w.trail[1:]) }

func (w *walk) open(path string, flags int, mode uint32) (int, error) {
	if err := w.push(path); err != nil {
		return -1, err
	}
	for len(w.ahead) > 0 {
		name := w.ahead[0]
		w.ahead = w.ahead[1:]
		if err := w.checkFolder(); err != nil {
			return -1, err
		}
		if len(w.ahead) == 0 && name != "." && name != ".." {
			descriptor, again, err := w.last(name, flags, mode)
			if !again {
				return descriptor, err
			}
			continue
		}
		if err := w.step(name); err != nil {
			return -1, err
		}
	}
	return reopen(w.here(), flags)
}

// push puts a path, or a link's target, before what is still ahead. A slash at its end asks for a folder, as "." does.
func (w *walk) push(path string) error {
	if path == "" {
		return unix.ENOENT
	}
	if path[0] == '/' {
		return unix.EXDEV
	}
	var names []string
	for _, name := range strings.Split(path, "/") {
		if name != "" {
			names = append(names, name)
		}
	}
	if strings.HasSuffix(path, "/") {
		names = append(names, ".")
	}
	w.ahead = append(names, w.ahead...)
	return nil
}

// checkFolder stands for the search permission that any step needs, "." and ".." too.
func (w *walk) checkFolder() error {
	if len(w.trail) == 1 {
		return nil
	}
	var here unix.Stat_t
	if err := unix.Fstat(w.here(), &here); err != nil {
		return err
	}
	if here.Mode&unix.S_IFMT != unix.S_IFDIR {
		return unix.ENOTDIR
	}
	return nil
}

func (w *walk) step(name string) error {
	switch name {
	case ".":
		return nil
	case "..":
		if len(w.trail) == 1 {
			return unix.EXDEV
		}
		_ = unix.Close(w.here())
		w.trail = w.trail[:len(w.trail)-1]
		return nil
	}
	descriptor, err := openName(w.here(), name)
	if err != nil {
		return err
	}
	followed, err := w.follow(descriptor)
	if followed || err != nil {
		_ = unix.Close(descriptor)
		return err
	}
	w.trail = append(w.trail, descriptor)
	return nil
}

// last opens the last name of the path as asked, unless it is a symlink that is to be followed.
func (w *walk) last(name string, flags int, mode uint32) (descriptor int, again bool, err error) {
	follows := flags&unix.O_NOFOLLOW == 0 && flags&(unix.O_CREAT|unix.O_EXCL) != unix.O_CREAT|unix.O_EXCL
	if follows {
		seen, err := openName(w.here(), name)
		if err != nil && (err != unix.ENOENT || flags&unix.O_CREAT == 0) {
			return -1, false, err
		}
		if err == nil {
			followed, err := w.follow(seen)
			_ = unix.Close(seen)
			if followed || err != nil {
				return -1, followed && err == nil, err
			}
		}
	}
	// A symlink that has come meanwhile is not followed: it is ELOOP.
	descriptor, err = unix.Openat(w.here(), name, flags|unix.O_NOFOLLOW, mode)
	return descriptor, false, err
}

// follow puts a symlink's target ahead. Magic links, those of /proc that lead to what no path says, are refused.
func (w *walk) follow(descriptor int) (followed bool, err error) {
	var seen unix.Stat_t
	if err := unix.Fstat(descriptor, &seen); err != nil {
		return false, err
	}
	if seen.Mode&unix.S_IFMT != unix.S_IFLNK {
		return false, nil
	}
	w.links++
	if w.links > maxLinks {
		return true, unix.ELOOP
	}
	target, err := readLink(descriptor)
	if err != nil {
		return true, err
	}
	if onProcFS(descriptor) && (strings.HasPrefix(target, "/") || strings.Contains(target, ":[")) {
		return true, unix.ELOOP
	}
	return true, w.push(target)
}

func onProcFS(descriptor int) bool {
	var system unix.Statfs_t
	return unix.Fstatfs(descriptor, &system) == nil && system.Type == unix.PROC_SUPER_MAGIC
}

func openName(folder int, name string) (int, error) {
	return unix.Openat(folder, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
}

// readLink reads the symlink that an O_PATH descriptor stands for.
func readLink(descriptor int) (string, error) {
	buffer := make([]byte, maxPath)
	count, err := unix.Readlinkat(descriptor, "", buffer)
	if err != nil {
		return "", err
	}
	return string(buffer[:count]), nil
}

// reopen opens the folder that a walk has reached, as asked.
func reopen(descriptor, flags int) (int, error) {
	if flags&unix.O_CREAT != 0 {
		return -1, unix.EISDIR
	}
	return unix.Openat(descriptor, ".", flags, 0)
}
