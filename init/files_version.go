package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// version is a file's content as the kernel tells it apart without reading: another file, another size, written to or changed since. The
// server makes the same of the descriptors it has.
func version(seen *unix.Stat_t) string {
	return fmt.Sprintf("%x-%x-%x-%x", seen.Ino, seen.Size, seen.Mtim.Nano(), seen.Ctim.Nano())
}

// checkVersion looks whether a name still has what somebody saw there: EEXIST where nothing was to be, ESTALE where it is another now.
func checkVersion(parent int, name string, expected string) error {
	var now unix.Stat_t
	err := unix.Fstatat(parent, name, &now, unix.AT_SYMLINK_NOFOLLOW)
	switch {
	case err == unix.ENOENT && expected == "":
		return nil
	case err == unix.ENOENT:
		return unix.ESTALE
	case err != nil:
		return err
	case expected == "":
		return unix.EEXIST
	case version(&now) != expected:
		return unix.ESTALE
	}
	return nil
}
