package main

import (
	"os"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// The pauses between two looks at what is left, from the first to the longest. Processes need a moment to die.
	firstLook   = 500 * time.Microsecond
	longestLook = 20 * time.Millisecond

	// longestPatience bounds what a request may ask for.
	longestPatience = time.Minute

	// freezeRounds bounds the attempts to catch up with a tree that forks while it is being killed.
	freezeRounds = 100

	// emptyLooks is how often a killed tree has to be found empty: a fork that is under way during a scan can be missed once.
	emptyLooks = 3
)

// killer signals whole trees.
type killer struct {
	executions *table
	processes  *processFolder
}

// group is a set of processes that grows and shrinks while one looks.
type group struct {
	everything bool
	marks      map[uint64]bool
	executions []execution
	spares     string // the execution whose first process is left alone, "" for none
}

// hasMark tells whether a process belongs to the group by its mark alone, which is known at first sight.
func (g *group) hasMark(pid int, mark uint64) bool {
	return pid != 1 && pid != os.Getpid() && (g.everything || g.marks[mark])
}

type signalAnswer struct {
	Signalled int `json:"signalled"`
	Survivors int `json:"survivors"`
}

type killAllAnswer struct {
	Survivors int `json:"survivors"`
}

func validSignal(number int) bool { return number >= 0 && number <= 64 }

func (k *killer) signal(asked *request) (any, error) {
	target, err := k.executions.find(asked.Execution)
	if err != nil {
		return nil, err
	}
	if !validSignal(asked.Signal) {
		return nil, failed(whatRequest, unix.EINVAL)
	}
	number := syscall.Signal(asked.Signal)
	switch asked.Scope {
	case "leader":
		result := signalAnswer{}
		if k.executions.signalFirst(target.id, number) {
			result.Signalled = 1
		}
		return result, nil
	case "others":
		others := treesOf([]execution{target})
		others.spares = target.id
		return k.signalGroup(others, number, patience(asked))
	case "tree", "":
		return k.signalGroup(treesOf([]execution{target}), number, patience(asked))
	default:
		return nil, failed(whatRequest, unix.EINVAL)
	}
}

func (k *killer) signalAll(asked *request) (any, error) {
	if !validSignal(asked.Signal) {
		return nil, failed(whatRequest, unix.EINVAL)
	}
	result, err := k.killAll(syscall.Signal(asked.Signal), patience(asked))
	return killAllAnswer{result.Survivors}, err
}

// killAll signals everything but init. Only the first process of a workspace may say "everything"; any other, as in tests, knows
// just its own.
func (k *killer) killAll(number syscall.Signal, patience time.Duration) (signalAnswer, error) {
	if os.Getpid() != 1 {
		return k.signalGroup(treesOf(k.executions.all()), number, patience)
	}
	if number == unix.SIGKILL {
		// Forking stops while the kernel does this, so it takes a fork bomb by surprise.
		_ = unix.Kill(-1, number)
	}
	return k.signalGroup(&group{everything: true}, number, patience)
}

func patience(asked *request) time.Duration {
	return min(max(time.Duration(asked.PatienceMS)*time.Millisecond, 0), longestPatience)
}

// treesOf finds what carries the mark of one of these executions. The descendants of what does belong to it too, as the limits of some
// processes cannot be read.
func treesOf(executions []execution) *group {
	marks := map[uint64]bool{}
	for _, one := range executions {
		marks[one.mark] = true
	}
	return &group{marks: marks, executions: executions}
}

func (k *killer) members(of *group, seen []process) []process {
	if of.everything {
		return slices.DeleteFunc(seen, func(one process) bool { return !of.hasMark(one.pid, one.mark) })
	}
	inside := map[int]bool{}
	for _, one := range of.executions {
		if now, err := k.executions.find(one.id); err == nil && !now.reaped {
			inside[one.pid] = true
		}
	}
	return descend(seen, of.marks, inside)
}

func descend(seen []process, marks map[uint64]bool, inside map[int]bool) []process {
	self := os.Getpid()
	var members []process
	left := seen
	for grown := true; grown; {
		grown = false
		var others []process
		for _, one := range left {
			switch {
			case one.pid == self || one.pid == 1:
			case marks[one.mark] || inside[one.pid] || inside[one.parent]:
				inside[one.pid] = true
				members = append(members, one)
				grown = true
			default:
				others = append(others, one)
			}
		}
		left = others
	}
	return members
}

// signalGroup signals a group once, and a group that is to be killed until nothing is left or patience ends.
func (k *killer) signalGroup(target *group, number syscall.Signal, patience time.Duration) (signalAnswer, error) {
	if number == unix.SIGKILL {
		return k.killGroup(target, time.Now().Add(patience))
	}
	deadline := time.Now().Add(patience)
	members, err := k.living(target, 0)
	result := signalAnswer{Survivors: len(members)}
	for _, one := range members {
		if signalProcess(one.pid, number) {
			result.Signalled++
		}
	}
	for pause := firstLook; err == nil && len(members) > 0 && time.Until(deadline) > 0; pause = min(2*pause, longestLook) {
		time.Sleep(min(pause, time.Until(deadline)))
		members, err = k.living(target, 0)
		result.Survivors = len(members)
	}
	return result, failed(whatProcess, err)
}

func (k *killer) killGroup(target *group, deadline time.Time) (signalAnswer, error) {
	killed := map[int]bool{}
	pause := firstLook
	for round, empty := 0, 0; ; round++ {
		// Stopped at first sight, since what is stopped doesn't fork; killed when all are known, since a process that is killed is
		// no longer the parent by which the others are found.
		members, err := k.living(target, unix.SIGSTOP)
		if err != nil {
			return signalAnswer{}, failed(whatProcess, err)
		}
		if round > 0 && anyNew(members, killed) {
			// It forks faster than it is killed.
			members = k.freeze(target, members, deadline)
		}
		for _, one := range members {
			// One that is gone already counts as well: the kernel itself hangs up a stopped group whose parent has been killed.
			signalProcess(one.pid, unix.SIGKILL)
			killed[one.pid] = true
		}
		if len(members) == 0 {
			empty++
		} else {
			empty = 0
		}
		if empty == emptyLooks || time.Until(deadline) <= 0 {
			return signalAnswer{Signalled: len(killed), Survivors: len(members)}, nil
		}
		if empty == 0 {
			time.Sleep(min(pause, time.Until(deadline)))
			pause = min(2*pause, longestLook)
		}
	}
}

// living gives the group's processes that are not zombies. Those that belong to it at first sight get a signal at once, if there
// is one.
func (k *killer) living(target *group, sight syscall.Signal) ([]process, error) {
	spared := k.spared(target)
	seen, err := k.processes.scan(func(pid int, mark uint64) {
		if sight != 0 && pid != spared && target.hasMark(pid, mark) {
			signalProcess(pid, sight)
		}
	})
	if err != nil {
		return nil, err
	}
	isOut := func(one process) bool { return one.gone || one.pid == spared }
	return slices.DeleteFunc(k.members(target, seen), isOut), nil
}

// spared is the number of the process that a group leaves alone, 0 for none. It is looked up for each scan: once that process has been
// reaped, its number may be another's.
func (k *killer) spared(by *group) int {
	if now, err := k.executions.find(by.spares); err == nil && !now.reaped {
		return now.pid
	}
	return 0
}

func anyNew(members []process, known map[int]bool) bool {
	for _, one := range members {
		if !known[one.pid] {
			return true
		}
	}
	return false
}

// freeze stops a group until no member is left that could make another, and gives all of them.
func (k *killer) freeze(target *group, members []process, deadline time.Time) []process {
	stopped := map[int]bool{}
	for round := 0; round < freezeRounds && time.Until(deadline) > 0 && anyNew(members, stopped); round++ {
		for _, one := range members {
			if !stopped[one.pid] && signalProcess(one.pid, unix.SIGSTOP) {
				stopped[one.pid] = true
			}
		}
		again, err := k.living(target, unix.SIGSTOP)
		if err != nil {
			return members
		}
		members = again
	}
	return members
}
