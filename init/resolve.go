package main

import (
	"bytes"

	"golang.org/x/sys/unix"
)

const (
	// maxPath is the kernel's PATH_MAX, with the ending zero byte.
	maxPath = 4096

	// maxLinks is how many symlinks one path may go through, as in the kernel.
	maxLinks = 40

	// maxRaces bounds the retries after the kernel has seen a rename while it went through "..".
	maxRaces = 128

	// resolveCached is RESOLVE_CACHED, since Linux 5.12.
	resolveCached = 0x20
)

// resolver opens paths that must not lead out of a folder: not by "..", not by a symlink, not by a rename at the wrong moment.
type resolver interface {
	// openRoot opens a folder that the operator allows; what leads there is the operator's business.
	openRoot(path string) (int, error)

	// open resolves path beneath the folder. An absolute path or link is EXDEV, as is anything that leads out.
	open(folder int, path string, flags int, mode uint32) (int, error)
}

// newResolver takes the kernel's own resolver where it is there: old kernels and some sandboxes lack it, some seccomp filters refuse it.
func newResolver(alwaysWalks bool) resolver {
	if alwaysWalks {
		return walkResolver{}
	}
	how := &unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC}
	root, err := unix.Openat2(unix.AT_FDCWD, "/", how)
	if err != nil {
		return walkResolver{}
	}
	_ = unix.Close(root)
	return kernelResolver{}
}

// kernelResolver is the kernel's own. One that never waits opens only what the kernel has in its memory, and says EAGAIN where a file
// system would have to be asked.
type kernelResolver struct{ waitsNever bool }

func (k kernelResolver) openRoot(path string) (int, error) {
	if !k.waitsNever {
		return openRootPlainly(path)
	}
	how := &unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: resolveCached}
	return unix.Openat2(unix.AT_FDCWD, path, how)
}

func (k kernelResolver) open(folder int, path string, flags int, mode uint32) (int, error) {
	how := &unix.OpenHow{
		Flags:   uint64(flags | unix.O_CLOEXEC),
		Mode:    uint64(mode),
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS,
	}
	if k.waitsNever {
		how.Resolve |= resolveCached
		return unix.Openat2(folder, path, how)
	}
	for race := 0; ; race++ {
		descriptor, err := unix.Openat2(folder, path, how)
		if err == unix.EINTR || err == unix.EAGAIN && race < maxRaces {
			continue
		}
		return descriptor, err
	}
}

func openRootPlainly(path string) (int, error) {
	return unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
}

// cleanRoot gives a root's path as the resolvers take it.
func cleanRoot(root []byte) (string, error) {
	if len(root) == 0 || root[0] != '/' || bytes.IndexByte(root, 0) >= 0 {
		return "", unix.EINVAL
	}
	return string(root), nil
}

// cleanPath gives a path as the resolvers take it. "" is the folder itself.
func cleanPath(path []byte) (string, error) {
	switch {
	case bytes.IndexByte(path, 0) >= 0:
		return "", unix.EINVAL
	case len(path) >= maxPath:
		return "", unix.ENAMETOOLONG
	case len(path) == 0:
		return ".", nil
	case path[0] == '/':
		return "", unix.EXDEV
	}
	return string(path), nil
}
