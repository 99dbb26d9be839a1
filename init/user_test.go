package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// asUser is a request for a command of another account.
func (s *server) asUser(name, script string) fields {
	request := s.startRequest("/bin/sh", "-c", script)
	request["user"] = []byte(name)
	return request
}

// someAccount is one of this machine's that is not root's.
func someAccount(t *testing.T) account {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root, to become another user")
	}
	found, ok := findAccount(readAccounts(passwdFile), func(one account) bool { return one.uid != 0 && one.uid != otherUser })
	if !ok {
		t.Skip("this machine has no account but root's")
	}
	return found
}

func TestACommandOfAnotherUserIsThatUsers(t *testing.T) {
	wanted := someAccount(t)
	s := newServer(t, withEnvironment("HOME=/root", "USER=root", "KEPT=yes"))
	for _, name := range []string{wanted.name, strings.Split(s.startAs(s.asUser(wanted.name, "id -u")).output(), "\n")[0]} {
		command := s.startAs(s.asUser(name, `echo $(id -u) $(id -g) "$HOME" $USER $LOGNAME $KEPT; echo fine > /proc/self/fd/1`))
		first := strings.Join([]string{number(wanted.uid), number(wanted.gid), wanted.home, wanted.name, wanted.name, "yes"}, " ")
		if found := command.line(); found != first {
			t.Errorf("%s: %s, wanted %s", name, found, first)
		}
	}
	overridden := s.asUser(wanted.name, "echo $HOME")
	overridden["env"] = byteStrings("HOME=/elsewhere")
	if found := s.startAs(overridden).line(); found != "/elsewhere" {
		t.Errorf("HOME is %s", found)
	}
}

func number(value uint32) string { return strings.Split(string(withGroup(nil, "n", value)), ":")[2] }

func TestAnotherUsersCommandGainsNothing(t *testing.T) {
	wanted := someAccount(t)
	s := newServer(t)
	command := s.startAs(s.asUser(wanted.name, "grep -E '^(CapEff|CapPrm|NoNewPrivs)' /proc/self/status; cat /etc/shadow; kill -9 $PPID"))
	output := command.output()
	if strings.Count(output, "\t0000000000000000\n") != 2 || !strings.Contains(output, "NoNewPrivs:\t1") || strings.Contains(output, "root:") {
		t.Errorf("%s", output)
	}
	s.ask(fields{"op": "ping"}, nil)
}

func TestAnotherUsersTreeIsKilled(t *testing.T) {
	wanted := someAccount(t)
	s := newServer(t)
	command := s.startAs(s.asUser(wanted.name, "setsid sleep 600 & trap '' TERM; echo on; sleep 600; sleep 600"))
	command.line()
	command.kill()
}

func TestAnotherUsersTerminalCanBeOpenedByItsName(t *testing.T) {
	wanted := someAccount(t)
	s := newServer(t)
	request := s.asUser(wanted.name, `echo by name > "$(tty)"; echo there > /dev/tty`)
	request["terminal"] = fields{"rows": 24, "columns": 80}
	command := s.startAs(request)
	if first, second := command.line(), command.line(); first != "by name\r" || second != "there\r" {
		t.Errorf("%q, %q", first, second)
	}
}

func TestAnAccountThatIsNotThereIsRefused(t *testing.T) {
	s := newServer(t)
	for _, name := range []string{"nobody-has-this-name", "4000000000", "root:x:0:0", "root\n", "4294967296", "-1"} {
		answered, _ := s.tryStart(s.asUser(name, "true"))
		if answered.Error == nil || answered.Error.Errno != "ENOENT" || answered.Error.What != whatUser {
			t.Errorf("%q: %v", name, answered.Error)
		}
	}
}

func TestWhoMayNotChangeUsersSaysSo(t *testing.T) {
	someAccount(t)
	s := newServer(t, asOtherUser)
	answered, _ := s.tryStart(s.asUser("root", "true"))
	if answered.Error == nil || answered.Error.Errno != "EPERM" || answered.Error.What != whatUser {
		t.Errorf("%v", answered.Error)
	}
}

func TestInitsOwnUserNeedsNoRights(t *testing.T) {
	own, ok := findAccount(readAccounts(passwdFile), func(one account) bool { return int(one.uid) == os.Getuid() })
	if !ok || int(own.gid) != os.Getgid() {
		t.Skip("this machine has no account of this user")
	}
	s := newServer(t)
	if found := s.startAs(s.asUser(own.name, "echo $USER")).line(); found != own.name {
		t.Errorf("USER is %s", found)
	}
}

func TestGroupsAreThoseThatNameTheAccount(t *testing.T) {
	group := "root:x:0:\nown:x:7:\nfirst:x:8:other,app\nsecond:x:9:app\nagain:x:8:app\nbad:x:y:app\nshort:x:10\n"
	if found := groupsOf(account{name: "app", gid: 7}, []byte(group)); !slices.Equal(found, []uint32{7, 8, 9}) {
		t.Errorf("%v", found)
	}
}

func TestAFileOfAccountsThatIsNoneStopsNobody(t *testing.T) {
	path := filepath.Join(t.TempDir(), "passwd")
	must(t, unix.Mkfifo(path, 0o666))
	if found := readAccounts(path); found != nil {
		t.Errorf("%q", found)
	}
}
