package main

import (
	"encoding/json"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

const (
	protocolVersion = 1

	// maxPacket is the most that one packet of the line holds, in bytes.
	maxPacket = 64 << 10

	// maxLargeRequest bounds what is read from a memfd, in bytes: the kernel takes at most 6 MiB of arguments and
	// environment, which base64 makes 8.
	maxLargeRequest = 16 << 20
)

// request is one packet of the server after its welcome. Byte strings are base64 on the line, as encoding/json has it.
type request struct {
	ID         *int64   `json:"id"`
	Operation  string   `json:"op"`
	Execution  string   `json:"execution"`
	Programs   [][]byte `json:"programs"`
	Arguments  [][]byte `json:"argv"`
	Variables  [][]byte `json:"env"`
	Root       []byte   `json:"root"`
	Folder     []byte   `json:"folder"`
	Path       []byte   `json:"path"`
	To         []byte   `json:"to"`
	Exclusive  bool     `json:"exclusive"`
	Signal     int      `json:"signal"`
	Scope      string   `json:"scope"`
	PatienceMS int64    `json:"patience_ms"`
	MakeDirs   bool     `json:"make_dirs"`
	Mode       uint32   `json:"mode"`
	Ticket     int64    `json:"ticket"`
	Recursive  bool     `json:"recursive"`
	Expected   *string  `json:"expected"`    // a file's version; "" is none there, nil is any
	Exact      bool     `json:"exact"`       // the new file's mode, not that of the one it replaces
	ModifiedNS *int64   `json:"modified_ns"` // none is now
	MaxEntries int64    `json:"max_entries"`
	MaxDepth   int      `json:"max_depth"` // none is as deep as a listing goes
	MaxBytes   int64    `json:"max_bytes"`
	MaxMS      int64    `json:"max_ms"`
	Port       int      `json:"port"`
	TimeoutMS  int64    `json:"timeout_ms"`
	Memfd      int64    `json:"memfd"`
	Extra      int      `json:"extra"`
	Keep       int      `json:"keep"`
	Index      *int     `json:"index"` // none is not the first
	After      string   `json:"after"`
	User       []byte   `json:"user"` // none is init's own
	windowSize
	Terminal *windowSize `json:"terminal"`

	descriptors []int
}

// takeDescriptors leaves them to the caller, who closes them.
func (r *request) takeDescriptors() []int {
	taken := r.descriptors
	r.descriptors = nil
	return taken
}

func (r *request) close() { closeAll(r.takeDescriptors()) }

type welcome struct {
	Secret *string `json:"welcome"`
	Fresh  bool    `json:"fresh"`
}

type hello struct {
	Event   string `json:"event"`
	Version int    `json:"version"`
	Secret  string `json:"secret"`
	PID     int    `json:"pid"`
	UID     int    `json:"uid"`
	GID     int    `json:"gid"`
}

func newHello(secret string) hello {
	return hello{"hello", protocolVersion, secret, os.Getpid(), os.Getuid(), os.Getgid()}
}

type answer struct {
	ID    int64    `json:"id"`
	OK    any      `json:"ok,omitempty"`
	Error *failure `json:"error,omitempty"`
}

// nothing is the answer of an operation that has nothing to tell but that it was done.
type nothing struct{}

// exit is the event of an execution's end.
type exit struct {
	Event     string `json:"event"`
	Execution string `json:"execution"`
	Code      *int   `json:"code"`
	Signal    *int   `json:"signal"`
	UserUS    int64  `json:"user_us"`
	SystemUS  int64  `json:"system_us"`
	MaxRSSKiB int64  `json:"max_rss_kib"`
}

var errMalformed = errors.New("malformed")

// parseRequest reads one packet. A request that can't be read comes back with its id where that much can be read,
// so that it can be answered.
func parseRequest(packet []byte) (*request, error) {
	var whole request
	if json.Unmarshal(packet, &whole) == nil {
		if whole.ID == nil && whole.Memfd == 0 {
			return nil, errMalformed
		}
		return &whole, nil
	}
	var part struct {
		ID *int64 `json:"id"`
	}
	if json.Unmarshal(packet, &part) != nil || part.ID == nil {
		return nil, errMalformed
	}
	return &request{ID: part.ID}, errMalformed
}

func parseWelcome(packet []byte) (welcome, error) {
	var parsed welcome
	if err := json.Unmarshal(packet, &parsed); err != nil {
		return parsed, err
	}
	if parsed.Secret == nil {
		return parsed, errMalformed
	}
	return parsed, nil
}

// readLarge reads a request that came in a memfd. It reads by offset and never maps, so that nothing about the descriptor
// has to be believed.
func readLarge(descriptor int, size int64) (*request, error) {
	if size <= 0 || size > maxLargeRequest {
		return nil, errMalformed
	}
	packet := make([]byte, size)
	for done := 0; done < len(packet); {
		count, err := unix.Pread(descriptor, packet[done:], int64(done))
		if err == unix.EINTR {
			continue
		}
		if err != nil || count == 0 {
			return nil, errMalformed
		}
		done += count
	}
	large, err := parseRequest(packet)
	if err == nil && large.Memfd != 0 {
		return nil, errMalformed
	}
	return large, err
}

// encode cannot fail: the line's own types hold nothing that JSON can't say.
func encode(message any) []byte {
	packet, err := json.Marshal(message)
	if err != nil {
		panic(err)
	}
	return packet
}

func closeAll(descriptors []int) {
	for _, descriptor := range descriptors {
		_ = unix.Close(descriptor)
	}
}
