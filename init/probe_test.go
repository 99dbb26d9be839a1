package main

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

func TestTheProbeTellsWhatItSees(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer func() { _ = listener.Close() }()
	there, missing := t.TempDir(), filepath.Join(t.TempDir(), "none")
	open := listener.Addr().String()
	command := exec.Command(builtInit, "probe", "--home", there, "--home", missing, "--connect", open, "--connect", "127.0.0.1:1")
	command.Env = []string{"ONE=1", "TWO=2"}
	output, err := command.Output()
	must(t, err)
	var seen findings
	must(t, json.Unmarshal(output, &seen))
	if !slices.Equal(seen.Visible, []string{there}) || !slices.Equal(seen.Connected, []string{open}) {
		t.Errorf("%+v", seen)
	}
	if seen.UID != os.Getuid() || seen.GID != os.Getgid() || seen.PID != command.Process.Pid || seen.Processes < 2 {
		t.Errorf("%+v", seen)
	}
	if !slices.Equal(seen.Environment, []string{"ONE", "TWO"}) || !slices.Contains(seen.Interfaces, "lo") {
		t.Errorf("%+v", seen)
	}
	if len(seen.Effective) != 16 || len(seen.Bounding) != 16 || seen.UIDMap == "" || !seen.Confined {
		t.Errorf("%+v", seen)
	}
}
