package main

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// firstMark is where marks start, counting down, in a workspace whose own limit is infinite. RLIMIT_RTTIME is in microseconds:
	// no real-time process ever runs for so long without a pause.
	firstMark = uint64(1) << 62

	// markSpread is how far from there the first mark may lie, at random: several inits may share one /proc, as in tests or
	// where a sandbox runs sandboxes, and none may take another's processes for its own.
	markSpread = uint64(1) << 50

	// lowestMark is where marks end: below, the limit would begin to mean something.
	lowestMark = uint64(1) << 40
)

// starter spawns commands, one at a time: while it does, the working folder and one limit of init are the command's.
type starter struct {
	mutex       sync.Mutex
	executions  *table
	environment []string
	confined    *confinedThread
	spawned     bell // for the reaper
	relayLane   lane
	lastMark    uint64
	current     *line // the line whose requests are still served
}

// newStarter fails where commands could not be confined or marked: then they could leave their trees.
func newStarter(executions *table, environment []string) (*starter, error) {
	confined, err := newConfinedThread()
	if err != nil {
		return nil, fmt.Errorf("cannot confine commands: %w", err)
	}
	spawned, err := newBell()
	if err != nil {
		return nil, fmt.Errorf("cannot tell of new commands: %w", err)
	}
	made := &starter{
		executions: executions, environment: environment, confined: confined, spawned: spawned, relayLane: make(lane, relayWorkers),
		lastMark: markStart(),
	}
	if made.nextMark() == 0 {
		return nil, errors.New("cannot mark commands: RLIMIT_RTTIME is too low, or may not be lowered, as in another sandbox")
	}
	return made, nil
}

// markStart chooses where the marks of this init start.
func markStart() uint64 {
	var own syscall.Rlimit
	highest := firstMark
	if syscall.Getrlimit(unix.RLIMIT_RTTIME, &own) == nil {
		highest = min(highest, own.Max)
	}
	var random [8]byte
	_, _ = rand.Read(random[:]) // it never fails
	spread := min(markSpread, highest/2+1)
	return highest - binary.NativeEndian.Uint64(random[:])%spread
}

// serve lets requests of this line start commands.
func (s *starter) serve(current *line) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.current = current
}

// refuseAll makes sure that no request of a broken line starts anything from here on.
func (s *starter) refuseAll() { s.serve(nil) }

// whileIdle does something while no command is being started.
func (s *starter) whileIdle(do func()) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	do()
}

// start spawns, makes known and answers; it returns before that. It closes folder, a descriptor of the working folder. user is whose command
// it is, nil for init's own.
func (s *starter) start(from *line, asked *request, folder int, user *user) {
	wanted, err := s.prepare(asked, user)
	if err != nil {
		_ = unix.Close(folder)
		from.answer(asked, nil, nil, err)
		return
	}
	s.mutex.Lock()
	s.begin(from, asked, wanted, folder)
}

// startAtOnce is start for who must not wait, with a command that needs no terminal. It does nothing where it would have to.
func (s *starter) startAtOnce(from *line, asked *request, folder int) bool {
	if !s.mutex.TryLock() {
		return false
	}
	wanted, err := s.prepare(asked, nil)
	if err != nil {
		s.mutex.Unlock()
		_ = unix.Close(folder)
		from.answer(asked, nil, nil, err)
		return true
	}
	s.begin(from, asked, wanted, folder)
	return true
}

// begin needs the mutex, and gives it back when the start has been answered. What may block, and all that comes after, is the confined
// thread's, so that nothing has to be handed back.
func (s *starter) begin(from *line, asked *request, wanted *command, folder int) {
	finish := func(err error) {
		s.mutex.Unlock()
		wanted.close()
		_ = unix.Close(folder)
		if err != nil {
			from.answer(asked, nil, nil, err)
		}
	}
	started, err := s.enter(from, asked)
	if err != nil {
		finish(err)
		return
	}
	s.confined.hand(func() { finish(s.carryOut(started, from, asked, wanted, folder)) })
}

// enter reserves what a start needs. Init's other threads have to: a confined one cannot mark.
func (s *starter) enter(from *line, asked *request) (*execution, error) {
	if s.current != from {
		return nil, failed(whatRequest, unix.ECANCELED)
	}
	if err := s.executions.reserve(asked.Execution); err != nil {
		return nil, err
	}
	mark := s.nextMark()
	if mark == 0 {
		s.executions.giveUp()
		return nil, failed(whatProcess, unix.EAGAIN)
	}
	return &execution{id: asked.Execution, mark: mark}, nil
}

// carryOut is the confined thread's part.
func (s *starter) carryOut(started *execution, from *line, asked *request, wanted *command, folder int) (err error) {
	if started.pid, err = s.spawn(wanted, folder); err != nil {
		s.executions.giveUp()
		return err
	}
	exposeToMemoryKiller(started.pid)
	wanted.handOver(started)
	s.executions.add(started, func() {
		wanted.close()
		from.answer(asked, startAnswer{started.pid}, nil, nil)
	})
	s.spawned.ring()
	return nil
}

type startAnswer struct {
	PID int `json:"pid"`
}

// nextMark lowers init's own limit, which the next child inherits; 0 if it cannot. Commands cannot reach that limit, but others of the
// same user outside the workspace may, so it is read each time.
func (s *starter) nextMark() uint64 {
	var now syscall.Rlimit
	if err := syscall.Getrlimit(unix.RLIMIT_RTTIME, &now); err != nil {
		return 0
	}
	mark := min(s.lastMark, now.Max) - 1
	if mark < lowestMark || limit(unix.RLIMIT_RTTIME, mark) != nil {
		return 0
	}
	s.lastMark = mark
	return mark
}

// spawn starts the first candidate that is there. The child takes its working folder from init, whose threads all share one:
// this needs neither a name for the folder nor /proc.
func (s *starter) spawn(wanted *command, folder int) (int, error) {
	if err := unix.Fchdir(folder); err != nil {
		return 0, failed(whatPath, err)
	}
	defer func() { _ = unix.Chdir("/") }()
	attributes := &syscall.ProcAttr{
		Env:   wanted.environment,
		Files: wanted.files(),
		Sys: &syscall.SysProcAttr{
			Setsid:     true,
			Setctty:    wanted.terminal != nil, // which takes descriptor 0
			Credential: wanted.user.credential(),
		},
	}
	err := error(unix.ENOENT)
	for _, program := range wanted.programs {
		var pid int
		if pid, err = spawnFromPath(program, wanted.argumentsFor(program), attributes); err == nil {
			return pid, nil
		}
		if err != unix.ENOENT {
			break
		}
	}
	if err == unix.EAGAIN || err == unix.ENOMEM || err == unix.EMFILE || err == unix.ENFILE {
		return 0, failed(whatProcess, err)
	}
	return 0, failed(whatProgram, err)
}

// exposeToMemoryKiller makes the kernel take this process before init and the server where memory is short. It fails for programs that
// other users may not read, which then keep init's own value.
func exposeToMemoryKiller(pid int) {
	const most = "1000"
	file, err := unix.Open(fmt.Sprintf("/proc/%d/oom_score_adj", pid), unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	_, _ = unix.Write(file, []byte(most))
	_ = unix.Close(file)
}
