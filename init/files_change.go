package main

import (
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// usualFolderMode is that of parents which come along with a file.
	usualFolderMode = 0o755

	// maxOpenFolders is how deep a removal goes by descriptors; what is deeper is brought up first.
	maxOpenFolders = 128

	// removePasses bounds how often a folder is read again because somebody fills it while it is emptied.
	removePasses = 16
)

// makeDirs makes a folder and its parents. One that is there already is well.
func (f *files) makeDirs(asked *request) (any, []int, error) {
	at, err := f.locate(asked)
	if err != nil {
		return nothingMore(err)
	}
	defer at.close()
	return nothingMore(f.makeFolders(at.folder, at.path, asked.Mode&permissionBits))
}

func (f *files) makeFolders(folder int, path string, mode uint32) error {
	err := f.checkFolder(folder, path)
	if err != unix.ENOENT {
		return err
	}
	parent, name, _ := splitPath(path)
	if name == "." || name == ".." {
		return err
	}
	if err := f.makeFolders(folder, parent, mode); err != nil {
		return err
	}
	holder, err := f.openParent(folder, parent)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(holder) }()
	made := unix.Mkdirat(holder, name, mode)
	if made != nil && made != unix.EEXIST {
		return made
	}
	err = f.checkFolder(folder, path)
	if err == unix.ENOENT && made == unix.EEXIST {
		return unix.EEXIST // a symlink that leads to nothing
	}
	return err
}

func (f *files) checkFolder(folder int, path string) error {
	descriptor, err := f.openParent(folder, path)
	if err == nil {
		_ = unix.Close(descriptor)
	}
	return err
}

// remove deletes one name. It never follows the last symlink, and never leaves the folder.
func (f *files) remove(asked *request) (any, []int, error) {
	at, err := f.locate(asked)
	if err != nil {
		return nothingMore(err)
	}
	defer at.close()
	parentPath, name, _ := splitPath(at.path)
	if name == "." || name == ".." || name == "" {
		return nothingMore(unix.EINVAL)
	}
	parent, err := f.openParent(at.folder, parentPath)
	if err != nil {
		return nothingMore(err)
	}
	defer func() { _ = unix.Close(parent) }()
	err = unix.Unlinkat(parent, name, 0)
	if isFolderError(parent, name, err) {
		err = unix.EISDIR
		if asked.Recursive {
			err = removeFolder(parent, name)
		}
	}
	return nothingMore(err)
}

// isFolderError tells whether a name could not be unlinked for being a folder's: Linux says EISDIR, some file systems EPERM.
func isFolderError(parent int, name string, err error) bool {
	if err != unix.EPERM {
		return err == unix.EISDIR
	}
	var seen unix.Stat_t
	return unix.Fstatat(parent, name, &seen, unix.AT_SYMLINK_NOFOLLOW) == nil && isFolder(&seen)
}

func removeFolder(parent int, name string) error {
	r := &removal{}
	return r.empty(parent, name)
}

// removal deletes a folder with all that is in it, by descriptors.
type removal struct {
	open []int // the folders being emptied, from the top
}

func (r *removal) empty(parent int, name string) error {
	folder, err := openFolder(parent, name)
	if err != nil {
		return err
	}
	r.open = append(r.open, folder)
	defer func() {
		r.open = r.open[:len(r.open)-1]
		_ = unix.Close(folder)
	}()
	for range removePasses {
		// The names are read anew from the start: a folder that lies deep was brought up meanwhile.
		names, _, err := readNames(folder, -1)
		if err != nil {
			return err
		}
		for _, entry := range names {
			if err := r.removeEntry(folder, entry); err != nil {
				return err
			}
		}
		err = unix.Unlinkat(parent, name, unix.AT_REMOVEDIR)
		if err != unix.ENOTEMPTY && err != unix.EEXIST {
			return ignoreMissing(err)
		}
	}
	return unix.ENOTEMPTY
}

func (r *removal) removeEntry(folder int, name string) error {
	err := unix.Unlinkat(folder, name, 0)
	if !isFolderError(folder, name, err) {
		return ignoreMissing(err)
	}
	if len(r.open) < maxOpenFolders {
		return ignoreMissing(r.empty(folder, name))
	}
	// Empty folders need no descriptor; others are brought to the top, which is read again.
	if unix.Unlinkat(folder, name, unix.AT_REMOVEDIR) == nil {
		return nil
	}
	return unix.Renameat(folder, name, r.open[0], draftName())
}

func ignoreMissing(err error) error {
	if err == unix.ENOENT {
		return nil
	}
	return err
}

func openFolder(parent int, name string) (int, error) {
	flags := unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	return unix.Openat(parent, name, flags, 0)
}

// readNames reads a folder from its start, at most so many names (all with -1), and tells whether there are more.
func readNames(folder, most int) (names []string, more bool, err error) {
	const bufferSize = 32 << 10 // bytes of names that one system call gives
	buffer := make([]byte, bufferSize)
	if _, err := unix.Seek(folder, 0, unix.SEEK_SET); err != nil {
		return nil, false, err
	}
	for {
		count, err := unix.ReadDirent(folder, buffer)
		if err != nil || count == 0 {
			return names, false, err
		}
		_, _, names = unix.ParseDirent(buffer[:count], -1, names)
		if most >= 0 && len(names) > most {
			return names[:most], true, nil
		}
	}
}

func joinPath(parent, name string) string {
	return strings.TrimPrefix(parent+"/"+name, "/")
}
