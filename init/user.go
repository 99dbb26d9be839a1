package main

import (
	"os"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxGroups is how many groups a process can have, as the kernel has it.
const maxGroups = 1 << 16

// user is an account that a command is to run under, with all of its groups.
type user struct {
	account account
	groups  []uint32
}

// userOf is whose command a request starts; nil for init's own.
func userOf(asked *request) (*user, error) {
	if len(asked.User) == 0 {
		return nil, nil
	}
	return findUser(string(asked.User))
}

// findUser looks an account up in the workspace's own files, by its name, or by its number where none has that name.
func findUser(name string) (*user, error) {
	passwd := readAccounts(passwdFile)
	found, ok := findAccount(passwd, func(one account) bool { return one.name == name })
	if number, err := strconv.ParseUint(name, 10, 32); !ok && err == nil {
		found, ok = findAccount(passwd, func(one account) bool { return uint64(one.uid) == number })
	}
	if !ok {
		return nil, failed(whatUser, unix.ENOENT)
	}
	made := &user{found, groupsOf(found, readAccounts(groupFile))}
	if !made.isOwn() && !mayChangeUser() {
		return nil, failed(whatUser, unix.EPERM)
	}
	return made, nil
}

// groupsOf gives an account's own group and those that name it as a member.
func groupsOf(one account, group []byte) []uint32 {
	groups := []uint32{one.gid}
	eachGroup(group, func(entry groupEntry) bool {
		if slices.Contains(entry.members, one.name) && !slices.Contains(groups, entry.gid) {
			groups = append(groups, entry.gid)
		}
		return len(groups) < maxGroups
	})
	return groups
}

func (u *user) isOwn() bool {
	return int(u.account.uid) == os.Geteuid() && int(u.account.gid) == os.Getegid()
}

// credential is what the child becomes before its program starts; nil where that is what init is.
func (u *user) credential() *syscall.Credential {
	if u == nil || u.isOwn() {
		return nil
	}
	return &syscall.Credential{Uid: u.account.uid, Gid: u.account.gid, Groups: u.groups}
}

// variables are those that programs know their user by.
func (u *user) variables() []string {
	if u == nil {
		return nil
	}
	return []string{"HOME=" + u.account.home, "USER=" + u.account.name, "LOGNAME=" + u.account.name}
}

// mayChangeUser tells whether init has the two capabilities for it. The spawn itself would only say that something was not permitted.
func mayChangeUser() bool {
	const wanted = 1<<unix.CAP_SETUID | 1<<unix.CAP_SETGID
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	return unix.Capget(&header, &sets[0]) == nil && sets[0].Effective&wanted == wanted
}
