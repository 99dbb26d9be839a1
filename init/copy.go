package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxTold is how many left-out files are named: an image may have millions that its user cannot read.
const maxTold = 20

// keptBits of a mode are copied. Those that lend the owner's rights are not: the copy has another owner.
const keptBits = 0o777 | unix.S_ISVTX

// copier copies a tree, follows nothing, and leaves out what it cannot read or what is no file, folder or link.
type copier struct {
	leftOut int
}

func (c *copier) leave(path string, why error) {
	c.leftOut++
	if c.leftOut <= maxTold {
		fmt.Fprintf(os.Stderr, "init seed: left out %q: %v\n", path, why)
	}
}

func (c *copier) report() {
	if c.leftOut > maxTold {
		fmt.Fprintf(os.Stderr, "init seed: left out %d files in all\n", c.leftOut)
	}
}

// folder copies a folder with all that is in it. An error of the target, as when it is full, ends it.
func (c *copier) folder(from, to string) error {
	opened, err := os.OpenFile(from, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		c.leave(from, plain(err))
		return nil
	}
	defer func() { _ = opened.Close() }()
	about, err := opened.Stat()
	if err != nil {
		return err
	}
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	entries, err := opened.ReadDir(-1)
	if err != nil {
		c.leave(from, plain(err))
	}
	for _, entry := range entries {
		if err := c.entry(entry, filepath.Join(from, entry.Name()), filepath.Join(to, entry.Name())); err != nil {
			return err
		}
	}
	return finishCopy(to, about)
}

func (c *copier) entry(entry fs.DirEntry, from, to string) error {
	switch entry.Type() {
	case 0:
		return c.file(from, to)
	case fs.ModeDir:
		return c.folder(from, to)
	case fs.ModeSymlink:
		return c.link(from, to)
	default:
		c.leave(from, errors.New("neither a file nor a folder nor a link"))
		return nil
	}
}

func (c *copier) file(from, to string) error {
	source, err := os.OpenFile(from, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		c.leave(from, plain(err))
		return nil
	}
	defer func() { _ = source.Close() }()
	about, err := source.Stat()
	if err != nil || !about.Mode().IsRegular() {
		return err
	}
	target, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	if closing := target.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return err
	}
	return finishCopy(to, about)
}

func (c *copier) link(from, to string) error {
	target, err := os.Readlink(from)
	if err != nil {
		c.leave(from, plain(err))
		return nil
	}
	if err := os.Symlink(target, to); err != nil {
		return err
	}
	about, err := os.Lstat(from)
	if err != nil {
		return err
	}
	own(to, about)
	return setTime(to, about)
}

// finishCopy gives the copy what tools look at: its owner where we may, then its mode, and when it was changed.
func finishCopy(path string, about fs.FileInfo) error {
	own(path, about)
	if err := unix.Chmod(path, about.Sys().(*syscall.Stat_t).Mode&keptBits); err != nil {
		return err
	}
	return setTime(path, about)
}

// own needs root, and its right to give files away; everybody else owns what they copy.
func own(path string, about fs.FileInfo) {
	status := about.Sys().(*syscall.Stat_t)
	if os.Geteuid() == 0 {
		_ = os.Lchown(path, int(status.Uid), int(status.Gid))
	}
}

func setTime(path string, about fs.FileInfo) error {
	status := about.Sys().(*syscall.Stat_t)
	times := []unix.Timespec{unix.Timespec(status.Mtim), unix.Timespec(status.Mtim)}
	return unix.UtimesNanoAt(unix.AT_FDCWD, path, times, unix.AT_SYMLINK_NOFOLLOW)
}

// plain leaves the path out of an error that is told with it.
func plain(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}
