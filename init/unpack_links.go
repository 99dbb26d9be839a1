package main

import (
	"strings"

	"golang.org/x/sys/unix"
)

// symlink makes one that stays beneath the top, whatever it leads to by now.
func (u *unpacking) symlink(parents []string, name, target string) error {
	if target == "" || len(target) >= maxPath || strings.IndexByte(target, 0) >= 0 {
		return unix.EINVAL
	}
	parent, err := u.trail.enter(parents)
	if err != nil {
		return err
	}
	depth, err := u.trail.depth()
	if err != nil {
		return err
	}
	if err := checkTarget(parent, depth, target); err != nil {
		return err
	}
	return replace(parent, name, func(name string) error { return unix.Symlinkat(target, parent, name) })
}

// checkTarget refuses what leads out of a folder that lies so deep beneath the top. What a name followed by ".." leads to depends on what
// the name is: it must be a folder, which stays one, since no entry replaces a folder.
func checkTarget(folder, depth int, target string) error {
	if target[0] == '/' {
		return unix.EXDEV
	}
	names := strings.Split(target, "/")
	last := len(names) - 1
	for last >= 0 && names[last] != ".." {
		last--
	}
	here, err := unix.Openat(folder, ".", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	defer func() { _ = unix.Close(here) }()
	for _, name := range names[:last+1] {
		switch name {
		case "", ".":
			continue
		case "..":
			depth--
		default:
			depth++
		}
		if err != nil || depth < 0 {
			return unix.EXDEV
		}
		last := here
		here, err = unix.Openat(last, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		_ = unix.Close(last)
	}
	if err != nil {
		return unix.EXDEV
	}
	return nil
}

// hardLink gives a regular file beneath the top one more name. It is looked at before, and once more when it has a name that nobody
// knows: the name that it had may be something else's by now.
func (u *unpacking) hardLink(parents []string, name, target string) error {
	targets, asksFolder, err := splitName(target)
	if err != nil {
		return err
	}
	if asksFolder || len(targets) == 0 {
		return unix.EINVAL
	}
	source, err := u.trail.resolver.open(u.trail.top(), parentOf(targets), unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(source) }()
	if err := checkLinkable(source, targets[len(targets)-1]); err != nil {
		return err
	}
	parent, err := u.trail.enter(parents)
	if err != nil {
		return err
	}
	draft := draftNameFor(parent, name)
	if err := unix.Linkat(source, targets[len(targets)-1], parent, draft, 0); err != nil {
		return err
	}
	// A rename does nothing where both names are the file's already.
	defer func() { _ = unix.Unlinkat(parent, draft, 0) }()
	if err := checkLinkable(parent, draft); err != nil {
		return err
	}
	return unix.Renameat(parent, draft, parent, name)
}

func checkLinkable(parent int, name string) error {
	var seen unix.Stat_t
	if err := unix.Fstatat(parent, name, &seen, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if typeOf(&seen) != "f" {
		return &failure{Errno: errnoNotRegular, What: whatEntry}
	}
	return nil
}

func parentOf(names []string) string {
	if len(names) == 1 {
		return "."
	}
	return strings.Join(names[:len(names)-1], "/")
}

// replace makes something under a name, in one step also where the name is taken.
func replace(parent int, name string, make func(name string) error) error {
	err := make(name)
	if err != unix.EEXIST {
		return err
	}
	draft := draftName() + replacingSuffix
	if err := make(draft); err != nil {
		return err
	}
	if err := unix.Renameat(parent, draft, parent, name); err != nil {
		_ = unix.Unlinkat(parent, draft, 0)
		return err
	}
	return nil
}
