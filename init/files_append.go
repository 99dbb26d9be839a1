package main

import "golang.org/x/sys/unix"

// append gives a descriptor that only ever writes at the file's end, which is made where it is missing.
func (f *files) append(asked *request) (any, []int, error) {
	parent, target, err := f.locateTarget(asked)
	if err != nil {
		return nothingMore(err)
	}
	defer func() { _ = unix.Close(parent) }()
	flags := unix.O_WRONLY | unix.O_APPEND | unix.O_CREAT | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC
	file, err := unix.Openat(parent, target, flags, asked.Mode&permissionBits)
	if err != nil {
		return nothingMore(err)
	}
	if err := checkRegular(file); err != nil {
		_ = unix.Close(file)
		return nothingMore(err)
	}
	return nothing{}, []int{file}, nil
}
