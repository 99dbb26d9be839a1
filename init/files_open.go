package main

import (
	"golang.org/x/sys/unix"
)

// open gives a descriptor to read a regular file. Init looks before it opens, since opening a FIFO or a device does something, and
// after, since the name may have got another meaning in between.
func (f *files) open(asked *request) (any, []int, error) {
	at, err := f.locate(asked)
	if err != nil {
		return nothingMore(err)
	}
	defer at.close()
	file, err := f.openFile(at)
	if err != nil {
		return nothingMore(err)
	}
	return nothing{}, []int{file}, nil
}

func (f *files) openFile(at place) (int, error) {
	glance, err := f.resolver.open(at.folder, at.path, unix.O_PATH, 0)
	if err != nil {
		return -1, err
	}
	defer func() { _ = unix.Close(glance) }()
	if err := checkRegular(glance); err != nil {
		return -1, err
	}
	file, err := f.resolver.open(at.folder, at.path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return -1, err
	}
	if err := checkRegular(file); err != nil {
		_ = unix.Close(file)
		return -1, err
	}
	return file, nil
}

func checkRegular(descriptor int) error {
	var seen unix.Stat_t
	if err := unix.Fstat(descriptor, &seen); err != nil {
		return err
	}
	return checkFile(&seen)
}

func checkFile(seen *unix.Stat_t) error {
	switch typeOf(seen) {
	case "f":
		return nil
	case "d":
		return unix.EISDIR
	}
	return notRegular()
}

type statAnswer struct {
	Type       string `json:"type"`
	Size       int64  `json:"size"`
	Mode       uint32 `json:"mode"`
	ModifiedNS int64  `json:"modified_ns"`
	Version    string `json:"version"`
}

// stat tells of what a path leads to, symlinks followed.
func (f *files) stat(asked *request) (any, []int, error) {
	at, err := f.locate(asked)
	if err != nil {
		return nothingMore(err)
	}
	defer at.close()
	glance, err := f.resolver.open(at.folder, at.path, unix.O_PATH, 0)
	if err != nil {
		return nothingMore(err)
	}
	defer func() { _ = unix.Close(glance) }()
	var seen unix.Stat_t
	if err := unix.Fstat(glance, &seen); err != nil {
		return nothingMore(err)
	}
	return statAnswer{typeOf(&seen), seen.Size, permissions(&seen), seen.Mtim.Nano(), version(&seen)}, nil, nil
}
