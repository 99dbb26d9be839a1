package main

import (
	"archive/tar"
	"strings"

	"golang.org/x/sys/unix"
)

// maxName is the kernel's NAME_MAX, in bytes.
const maxName = 255

// splitName parts an entry's name. It has none where it means the top.
func splitName(name string) (names []string, asksFolder bool, err error) {
	if name == "" || name[0] == '/' || len(name) >= maxPath || strings.IndexByte(name, 0) >= 0 {
		return nil, false, unix.EINVAL
	}
	for part := range strings.SplitSeq(name, "/") {
		switch {
		case part == "" || part == ".":
		case part == ".." || len(part) > maxName:
			return nil, false, unix.EINVAL
		default:
			names = append(names, part)
		}
	}
	if len(names) > maxListDepth+1 {
		return nil, false, unix.EINVAL
	}
	return names, name[len(name)-1] == '/' || strings.HasSuffix(name, "/."), nil
}

// folder makes one, or gives the one that is there the archive's mode.
func (u *unpacking) folder(names []string, mode uint32, header *tar.Header) error {
	if len(names) == 0 {
		if u.isNew {
			return u.trail.setMode(nil, mode)
		}
		return nil
	}
	parent, err := u.trail.enter(names[:len(names)-1])
	if err != nil {
		return err
	}
	name := names[len(names)-1]
	made := unix.Mkdirat(parent, name, mode|workingMode)
	if made != nil && made != unix.EEXIST {
		return made
	}
	opened, err := openToFill(func(flags int) (int, error) {
		return unix.Openat(parent, name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return err
	}
	u.trail.push(name, opened, &header.ModTime)
	err = unix.Fchmod(opened, mode|workingMode)
	if made == unix.EEXIST && (err == unix.EPERM || err == unix.EBADF) {
		return nil // somebody else's, or one that may only be passed: it was there, and keeps its mode
	}
	if err != nil {
		return err
	}
	return u.trail.setMode(names, mode)
}
