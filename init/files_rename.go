package main

import "golang.org/x/sys/unix"

// rename gives something another name, within the session's folder. Neither of the last names is followed.
func (f *files) rename(asked *request) (any, []int, error) {
	at, err := f.locate(asked)
	if err != nil {
		return nothingMore(err)
	}
	defer at.close()
	to, err := cleanPath(asked.To)
	if err != nil {
		return nil, nil, failed(whatTo, err)
	}
	from, fromName, err := f.openHolder(at.folder, at.path)
	if err != nil {
		return nothingMore(err)
	}
	defer func() { _ = unix.Close(from) }()
	if asked.MakeDirs {
		parent, _, _ := splitPath(to)
		if err := f.makeFolders(at.folder, parent, usualFolderMode); err != nil {
			return nil, nil, failed(whatTo, err)
		}
	}
	into, intoName, err := f.openHolder(at.folder, to)
	if err != nil {
		return nil, nil, failed(whatTo, err)
	}
	defer func() { _ = unix.Close(into) }()
	if asked.Exclusive {
		err = renameExclusively(from, fromName, into, intoName)
	} else {
		err = unix.Renameat(from, fromName, into, intoName)
	}
	return nil, nil, failed(concernedByRename(err), err)
}

// openHolder opens the folder that holds a path's last name, and gives that name, with a slash where the path asks for a folder.
func (f *files) openHolder(folder int, path string) (int, string, error) {
	parent, name, asksFolder := splitPath(path)
	if name == "." || name == ".." || name == "" {
		return -1, "", unix.EINVAL
	}
	if asksFolder {
		name += "/"
	}
	holder, err := f.openParent(folder, parent)
	return holder, name, err
}

// renameExclusively says ENOTSUP where the kernel or the file system cannot do it in one step: to look first would be a race.
func renameExclusively(from int, fromName string, into int, intoName string) error {
	err := unix.Renameat2(from, fromName, into, intoName, unix.RENAME_NOREPLACE)
	if err == unix.ENOSYS || err == unix.EINVAL && !isBeneath(into, from, fromName) {
		return unix.ENOTSUP
	}
	return err
}

// isBeneath tells whether a folder is in another one, or is it: what the kernel, too, calls EINVAL when that is to be moved there.
func isBeneath(folder, parent int, name string) bool {
	var above unix.Stat_t
	if unix.Fstatat(parent, name, &above, unix.AT_SYMLINK_NOFOLLOW) != nil || !isFolder(&above) {
		return false
	}
	_, err := climb(folder, &above)
	return err == nil
}

// maxClimb is how many folders may lie between one and another above it: no path is longer.
const maxClimb = maxPath / 2

// climb counts the steps from a folder up to another one, and says EXDEV where that isn't above it.
func climb(folder int, above *unix.Stat_t) (int, error) {
	here, err := unix.Openat(folder, ".", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	var last unix.Stat_t
	for steps := 0; err == nil && steps <= maxClimb; steps++ {
		var seen unix.Stat_t
		if err = unix.Fstat(here, &seen); err != nil {
			break
		}
		if isSame(&seen, above) {
			_ = unix.Close(here)
			return steps, nil
		}
		if isSame(&seen, &last) { // the top of all
			break
		}
		last = seen
		var up int
		if up, err = unix.Openat(here, "..", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
			break
		}
		_ = unix.Close(here)
		here = up
	}
	if here >= 0 {
		_ = unix.Close(here)
	}
	if err == nil {
		err = unix.EXDEV
	}
	return 0, err
}

func isSame(one, other *unix.Stat_t) bool { return one.Dev == other.Dev && one.Ino == other.Ino }

// concernedByRename tells which of the two names an error is about. EXDEV is about neither: they are of different file systems.
func concernedByRename(err error) string {
	switch err {
	case unix.EEXIST, unix.ENOTEMPTY, unix.EISDIR, unix.ENOTDIR, unix.EINVAL, unix.ENAMETOOLONG, unix.ENOSPC, unix.EDQUOT, unix.EMLINK:
		return whatTo
	case unix.EXDEV, unix.ENOTSUP:
		return whatRequest
	}
	return whatPath
}
