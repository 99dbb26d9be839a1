package main

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// maxTickets is how many files may be written at a time; each holds two descriptors of init.
	maxTickets = 256

	// ticketRoomBits leaves room to count tickets up from a random start, in a number of 63 bits.
	ticketRoomBits = 2

	draftPrefix      = ".kubebox-"
	draftRandomBytes = 12

	// replacingSuffix ends the name of a draft whose target is there: nothing else tells who watches files that one is replaced.
	replacingSuffix = "+"

	// draftMode keeps a file to its user until it is whole.
	draftMode = 0o600

	// permissionBits are those that a replacing file takes over: not set-user-id, whose file is another one now.
	permissionBits = 0o777
)

// draft is a new file beside its target, not in its place yet.
type draft struct {
	parent int
	file   int
	name   string
	target string
	mode   uint32
	exact  bool
}

func (d *draft) close() { closeAll([]int{d.parent, d.file}) }

type createAnswer struct {
	Ticket int64 `json:"ticket"`
}

// create makes a new file for the server to write. The target stays as it is until commit.
func (f *files) create(asked *request) (any, []int, error) {
	parent, target, err := f.locateTarget(asked)
	if err != nil {
		return nothingMore(err)
	}
	made, err := newDraft(parent, target, asked.Mode&permissionBits)
	if err != nil {
		_ = unix.Close(parent)
		return nothingMore(err)
	}
	made.exact = asked.Exact
	given, err := unix.FcntlInt(uintptr(made.file), unix.F_DUPFD_CLOEXEC, 0)
	if err == nil {
		var ticket int64
		if ticket, err = f.keep(made); err == nil {
			return createAnswer{ticket}, []int{given}, nil
		}
		_ = unix.Close(given)
	}
	_ = made.abort()
	return nil, nil, failed(whatTicket, err)
}

// locateTarget gives the folder, opened, and the name of what a request is to write.
func (f *files) locateTarget(asked *request) (parent int, target string, err error) {
	at, err := f.locate(asked)
	if err != nil {
		return -1, "", err
	}
	defer at.close()
	return f.findTarget(at, asked)
}

// findTarget follows symlinks at the end of the path as long as they stay in the folder, and gives the parent and name
// of what is to be replaced.
func (f *files) findTarget(at place, asked *request) (int, string, error) {
	wanted := at.path
	for range maxLinks {
		parentPath, name, asksFolder := splitPath(wanted)
		if asksFolder || name == "." || name == ".." {
			return -1, "", unix.EISDIR
		}
		if asked.MakeDirs {
			if err := f.makeFolders(at.folder, parentPath, usualFolderMode); err != nil {
				return -1, "", err
			}
		}
		parent, err := f.openParent(at.folder, parentPath)
		if err != nil {
			return -1, "", err
		}
		link, err := targetOrLink(parent, name)
		if err == nil && link == "" {
			return parent, name, nil
		}
		_ = unix.Close(parent)
		if err != nil {
			return -1, "", err
		}
		if wanted, err = joinLink(parentPath, link); err != nil {
			return -1, "", err
		}
	}
	return -1, "", unix.ELOOP
}

// targetOrLink gives a symlink's target, "" where the name is free or a file's.
func targetOrLink(parent int, name string) (string, error) {
	var seen unix.Stat_t
	err := unix.Fstatat(parent, name, &seen, unix.AT_SYMLINK_NOFOLLOW)
	if err == unix.ENOENT {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if typeOf(&seen) != "l" {
		return "", checkFile(&seen)
	}
	glance, err := openName(parent, name)
	if err != nil {
		return "", err
	}
	defer func() { _ = unix.Close(glance) }()
	return readLink(glance)
}

// joinLink is where a link leads, seen from the session's folder. The kernel resolves it anew, beneath the folder.
func joinLink(parentPath, link string) (string, error) {
	if strings.HasPrefix(link, "/") {
		return "", unix.EXDEV
	}
	joined := parentPath + "/" + link
	if len(joined) >= maxPath {
		return "", unix.ENAMETOOLONG
	}
	return joined, nil
}

func newDraft(parent int, target string, mode uint32) (*draft, error) {
	name := draftNameFor(parent, target)
	flags := unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_NOCTTY | unix.O_CLOEXEC
	file, err := unix.Openat(parent, name, flags, draftMode)
	if err != nil {
		return nil, err
	}
	return &draft{parent: parent, file: file, name: name, target: target, mode: mode}, nil
}

func draftName() string {
	var random [draftRandomBytes]byte
	_, _ = rand.Read(random[:]) // it never fails
	return draftPrefix + hex.EncodeToString(random[:])
}

func draftNameFor(parent int, target string) string {
	var seen unix.Stat_t
	if unix.Fstatat(parent, target, &seen, unix.AT_SYMLINK_NOFOLLOW) == nil {
		return draftName() + replacingSuffix
	}
	return draftName()
}

func isDraft(name string) bool {
	random, found := strings.CutPrefix(strings.TrimSuffix(name, replacingSuffix), draftPrefix)
	_, err := hex.DecodeString(random)
	return found && err == nil && len(random) == 2*draftRandomBytes
}

func replaces(draft string) bool { return strings.HasSuffix(draft, replacingSuffix) }

func (f *files) keep(made *draft) (int64, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if len(f.tickets) >= maxTickets {
		return 0, unix.EMFILE
	}
	f.last++
	f.tickets[f.last] = made
	return f.last, nil
}

func (f *files) take(ticket int64) (*draft, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	made := f.tickets[ticket]
	if made == nil {
		return nil, failed(whatTicket, unix.ENOENT)
	}
	delete(f.tickets, ticket)
	return made, nil
}

// commit puts the new file into the target's place in one step.
func (f *files) commit(asked *request) (any, []int, error) {
	made, err := f.take(asked.Ticket)
	if err != nil {
		return nothingMore(err)
	}
	defer made.close()
	if asked.ModifiedNS != nil {
		setTimes(made.file, time.Unix(0, *asked.ModifiedNS))
	}
	f.commits.Lock()
	err = made.commit(asked.Expected)
	f.commits.Unlock()
	if err != nil {
		_ = unix.Unlinkat(made.parent, made.name, 0)
	}
	return nothingMore(err)
}

func (d *draft) commit(expected *string) error {
	if expected != nil {
		if err := checkVersion(d.parent, d.target, *expected); err != nil {
			return err
		}
	}
	mode := d.mode
	var old unix.Stat_t
	if !d.exact && unix.Fstatat(d.parent, d.target, &old, unix.AT_SYMLINK_NOFOLLOW) == nil && typeOf(&old) == "f" {
		mode = old.Mode & permissionBits
	}
	return d.place(mode)
}

// place gives the new file its mode and then its name.
func (d *draft) place(mode uint32) error {
	if err := unix.Fchmod(d.file, mode); err != nil {
		return err
	}
	return unix.Renameat(d.parent, d.name, d.parent, d.target)
}

// abort removes the new file.
func (f *files) abort(asked *request) (any, []int, error) {
	made, err := f.take(asked.Ticket)
	if err != nil {
		return nothingMore(err)
	}
	return nothingMore(made.abort())
}

func (d *draft) abort() error {
	defer d.close()
	return unix.Unlinkat(d.parent, d.name, 0)
}

// abortAll serves a line that is broken: nobody will ask for these files again.
func (f *files) abortAll() {
	f.mutex.Lock()
	left := f.tickets
	f.tickets = map[int64]*draft{}
	f.mutex.Unlock()
	for _, made := range left {
		_ = made.abort()
	}
}
