package main

import (
	"bytes"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	passwdFile = "/etc/passwd"
	groupFile  = "/etc/group"

	// maxAccounts bounds what is read of either file, in bytes: many thousands of accounts.
	maxAccounts = 4 << 20
)

// account is one line of a passwd file.
type account struct {
	name  string
	uid   uint32
	gid   uint32
	home  string
	shell string
}

// readAccounts gives the content of a file of accounts; an image may have none, and commands may have made something else of it.
func readAccounts(path string) []byte {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil
	}
	defer func() { _ = file.Close() }()
	if about, err := file.Stat(); err != nil || !about.Mode().IsRegular() {
		return nil
	}
	content, err := io.ReadAll(io.LimitReader(file, maxAccounts))
	if err != nil {
		return nil
	}
	return content
}

// eachEntry gives the fields of each line that has so many, until it is told to stop.
func eachEntry(content []byte, count int, each func(fields []string) (more bool)) {
	for _, line := range bytes.Split(content, []byte("\n")) {
		fields := strings.Split(string(line), ":")
		if len(fields) == count && fields[0] != "" && !each(fields) {
			return
		}
	}
}

func parseAccount(fields []string) (account, bool) {
	const name, uid, gid, home, shell = 0, 2, 3, 5, 6
	user, userErr := strconv.ParseUint(fields[uid], 10, 32)
	group, groupErr := strconv.ParseUint(fields[gid], 10, 32)
	found := account{fields[name], uint32(user), uint32(group), fields[home], fields[shell]}
	return found, userErr == nil && groupErr == nil
}

// findAccount gives the first account that is wanted, as the C library does.
func findAccount(passwd []byte, wanted func(account) bool) (found account, ok bool) {
	const passwdFields = 7
	eachEntry(passwd, passwdFields, func(fields []string) bool {
		one, valid := parseAccount(fields)
		if valid && wanted(one) {
			found, ok = one, true
		}
		return !ok
	})
	return found, ok
}

// groupEntry is one line of a group file.
type groupEntry struct {
	name    string
	gid     uint32
	members []string
}

func eachGroup(group []byte, each func(groupEntry) (more bool)) {
	const name, gid, members, groupFields = 0, 2, 3, 4
	eachEntry(group, groupFields, func(fields []string) bool {
		number, err := strconv.ParseUint(fields[gid], 10, 32)
		if err != nil {
			return true
		}
		return each(groupEntry{fields[name], uint32(number), strings.Split(fields[members], ",")})
	})
}

// withAccount adds an account to the content of a passwd file that has none of its uid.
func withAccount(passwd []byte, added account) []byte {
	if _, there := findAccount(passwd, func(one account) bool { return one.uid == added.uid }); there {
		return passwd
	}
	taken := func(name string) bool {
		_, there := findAccount(passwd, func(one account) bool { return one.name == name })
		return there
	}
	uid, gid := strconv.FormatUint(uint64(added.uid), 10), strconv.FormatUint(uint64(added.gid), 10)
	line := strings.Join([]string{freeName(added.name, uid, taken), "x", uid, gid, "", added.home, added.shell}, ":")
	return withLine(passwd, line)
}

// withGroup does the same for the content of a group file.
func withGroup(group []byte, name string, gid uint32) []byte {
	there := false
	names := map[string]bool{}
	eachGroup(group, func(one groupEntry) bool {
		there = there || one.gid == gid
		names[one.name] = true
		return true
	})
	if there {
		return group
	}
	number := strconv.FormatUint(uint64(gid), 10)
	free := freeName(name, number, func(name string) bool { return names[name] })
	return withLine(group, strings.Join([]string{free, "x", number, ""}, ":"))
}

// freeName is the name that is wanted, or one beside it: to share a name would give one account the other's number.
func freeName(wanted, number string, taken func(string) bool) string {
	for free := wanted; ; free += "-" + number {
		if !taken(free) {
			return free
		}
	}
}

func withLine(content []byte, line string) []byte {
	joined := bytes.Clone(content)
	if len(joined) > 0 && joined[len(joined)-1] != '\n' {
		joined = append(joined, '\n')
	}
	return append(joined, line+"\n"...)
}
