package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// reachLimit is how long a probe waits for a connection that should not come about.
const reachLimit = 300 * time.Millisecond

// findings are what a program sees behind the wall that the workspace is to have.
type findings struct {
	PID          int      `json:"pid"`
	UID          int      `json:"uid"`
	GID          int      `json:"gid"`
	UIDMap       string   `json:"uid_map"`
	NoNewPrivs   bool     `json:"no_new_privs"`
	Effective    string   `json:"effective_capabilities"`
	Bounding     string   `json:"bounding_capabilities"`
	Interfaces   []string `json:"interfaces"`
	Processes    int      `json:"processes"`
	RootWritable bool     `json:"root_writable"`
	Confined     bool     `json:"commands_confined"`
	Visible      []string `json:"visible"`
	Connected    []string `json:"connected"`
	Environment  []string `json:"environment"`
}

// several is a flag that may be given more than once.
type several []string

func (s *several) String() string { return strings.Join(*s, ",") }

func (s *several) Set(value string) error {
	*s = append(*s, value)
	return nil
}

// probe prints what holds here, as one JSON object, for the backend to compare with what should.
func probe(arguments []string) int {
	var homes, targets several
	flags := flag.NewFlagSet("init probe", flag.ContinueOnError)
	flags.Var(&homes, "home", "a path that should not be there")
	flags.Var(&targets, "connect", "HOST:PORT that should not be reached")
	if err := flags.Parse(arguments); err != nil {
		return exitUsage
	}
	found, err := look(homes, targets)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(found)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "init probe:", err)
		return exitFailed
	}
	return 0
}

func look(homes, targets []string) (*findings, error) {
	status, err := ownStatus()
	if err != nil {
		return nil, err
	}
	users, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return nil, err
	}
	processes, err := countProcesses()
	if err != nil {
		return nil, err
	}
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	found := &findings{
		PID: os.Getpid(), UID: os.Getuid(), GID: os.Getgid(),
		UIDMap:       strings.Join(strings.Fields(string(users)), " "),
		NoNewPrivs:   status["NoNewPrivs"] == "1",
		Effective:    status["CapEff"],
		Bounding:     status["CapBnd"],
		Processes:    processes,
		RootWritable: unix.Access("/", unix.W_OK) == nil,
		Confined:     canConfine(),
		Interfaces:   []string{},
		Visible:      only(homes, canSee),
		Connected:    only(targets, canReach),
		Environment:  []string{},
	}
	for _, one := range interfaces {
		found.Interfaces = append(found.Interfaces, one.Name)
	}
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		found.Environment = append(found.Environment, name)
	}
	return found, nil
}

func ownStatus() (map[string]string, error) {
	file, err := os.Open("/proc/self/status")
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	fields := map[string]string{}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok {
			fields[name] = strings.TrimSpace(value)
		}
	}
	return fields, lines.Err()
}

func countProcesses() (int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	count := 0
	for _, entry := range entries {
		if _, err := strconv.Atoi(entry.Name()); err == nil {
			count++
		}
	}
	return count, nil
}

func only(values []string, holds func(string) bool) []string {
	held := []string{}
	for _, value := range values {
		if holds(value) {
			held = append(held, value)
		}
	}
	return held
}

// canSee tells whether a file can be opened, or a folder listed.
func canSee(path string) bool {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return false
	}
	defer func() { _ = file.Close() }()
	about, err := file.Stat()
	if err != nil || !about.IsDir() {
		return err == nil
	}
	_, err = file.Readdirnames(1)
	return err == nil || err == io.EOF
}

// canConfine puts a thread behind the filter of commands, as init does, and tells whether what should be refused there is.
func canConfine() bool {
	confined, err := newConfinedThread()
	if err != nil {
		return false
	}
	var refusal error
	confined.do(func() {
		var own unix.Rlimit
		_ = unix.Prlimit(0, unix.RLIMIT_RTTIME, nil, &own)
		refusal = unix.Prlimit(0, unix.RLIMIT_RTTIME, &own, nil)
	})
	return refusal == unix.EPERM
}

func canReach(target string) bool {
	connection, err := net.DialTimeout("tcp", target, reachLimit)
	if err != nil {
		return false
	}
	_ = connection.Close()
	return true
}
