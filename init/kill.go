package main

import (
	"os"
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
)

// killer signals whole trees.
type killer struct {
	executions *table
	processes  *processFolder
}

// group tells which of the processes that a scan saw belong to it.
type group func([]process) []process

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
	case "tree", "":
		return k.signalGroup(k.treesOf([]execution{target}), number, patience(asked))
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
		return k.signalGroup(k.treesOf(k.executions.all()), number, patience)
	}
	if number == unix.SIGKILL {
		// Forking stops while the kernel does this, so it takes a fork bomb by surprise.
		_ = unix.Kill(-1, number)
	}
	return k.signalGroup(allButInit, number, patience)
}

func patience(asked *request) time.Duration {
	return min(max(time.Duration(asked.PatienceMS)*time.Millisecond, 0), longestPatience)
}

func allButInit(seen []process) []process {
	var others []process
	for _, one := range seen {
		if one.pid != 1 {
			others = append(others, one)
		}
	}
	return others
}

// treesOf finds what carries the mark of one of these executions, and the descendants of what does: a process can
// lower its own limit once more, and so its mark.
func (k *killer) treesOf(executions []execution) group {
	return func(seen []process) []process {
		marks := map[uint64]bool{}
		inside := map[int]bool{}
		for _, one := range executions {
			if one.mark != 0 {
				marks[one.mark] = true
			}
			if now, err := k.executions.find(one.id); err == nil && now.ended == nil {
				inside[one.pid] = true
			}
		}
		return descend(seen, marks, inside)
	}
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
func (k *killer) signalGroup(belongs group, number syscall.Signal, patience time.Duration) (signalAnswer, error) {
	deadline := time.Now().Add(patience)
	signalled := map[int]bool{}
	var result signalAnswer
	for pause, round := firstLook, 0; ; pause, round = min(2*pause, longestLook), round+1 {
		members, err := k.living(belongs)
		if err != nil {
			return result, failed(whatProcess, err)
		}
		result.Survivors = len(members)
		if number == unix.SIGKILL && round > 0 && anyNew(members, signalled) {
			// It forks faster than it is killed: what is stopped doesn't fork.
			members = k.freeze(belongs, members, deadline)
		}
		if number == unix.SIGKILL || round == 0 {
			for _, one := range members {
				if one.signal(number) {
					signalled[one.pid] = true
				}
			}
			result.Signalled = len(signalled)
		}
		if len(members) == 0 || time.Until(deadline) <= 0 {
			return result, nil
		}
		time.Sleep(min(pause, time.Until(deadline)))
	}
}

func (k *killer) living(belongs group) ([]process, error) {
	seen, err := k.processes.scan()
	if err != nil {
		return nil, err
	}
	var living []process
	for _, one := range belongs(seen) {
		if !one.gone {
			living = append(living, one)
		}
	}
	return living, nil
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
func (k *killer) freeze(belongs group, members []process, deadline time.Time) []process {
	stopped := map[int]bool{}
	for round := 0; round < freezeRounds && time.Until(deadline) > 0 && anyNew(members, stopped); round++ {
		for _, one := range members {
			if !stopped[one.pid] && one.signal(unix.SIGSTOP) {
				stopped[one.pid] = true
			}
		}
		again, err := k.living(belongs)
		if err != nil {
			return members
		}
		members = again
	}
	return members
}
