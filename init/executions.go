package main

import (
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// execution is one command: its first process, and the mark that all processes of its tree carry.
type execution struct {
	id       string
	pid      int
	mark     uint64
	reaped   bool  // whether the first process's number may be another's
	ended    *exit // nil until its end may be told
	kept     keptDescriptors
	terminal *terminal // nil for most
}

// close lets go of what init holds for it. A terminal's end may have to wait for a system call, so nobody waits for that.
func (e *execution) close() {
	e.kept.close()
	if e.terminal != nil {
		go e.terminal.close()
	}
}

// table knows the executions that the server has not let go of. Its mutex is held around each reaping and each signal to a
// first process, so that no signal ever goes to a number that another process has got meanwhile.
type table struct {
	mutex    sync.Mutex
	known    map[string]*execution
	living   map[int]*execution
	reports  *outbox
	unspent  []*execution // ended ones of which something may still be kept
	spawning bool
	// strangers are the children that ended during a spawn before they were known; one of them may be the spawned.
	strangers map[int]ending
}

type ending struct {
	status unix.WaitStatus
	usage  unix.Rusage
}

func newTable() *table {
	return &table{known: map[string]*execution{}, living: map[int]*execution{}}
}

// reserve refuses a name that is taken. Only the starter adds names, one at a time, so it stays free until add.
func (t *table) reserve(id string) error {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if t.known[id] != nil {
		return failed(whatExecution, unix.EEXIST)
	}
	t.spawning = true
	t.strangers = map[int]ending{}
	return nil
}

// giveUp ends a spawn that failed.
func (t *table) giveUp() {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.spawning, t.strangers = false, nil
}

// add makes a spawned execution known, and answers before its end can be reported.
func (t *table) add(started *execution, answer func()) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.known[started.id] = started
	t.living[started.pid] = started
	answer()
	if ended, early := t.strangers[started.pid]; early {
		t.end(started, ended)
	}
	t.spawning, t.strangers = false, nil
}

// end needs the mutex. The last output of a terminal goes before its end, and is waited for elsewhere.
func (t *table) end(ended *execution, how ending) {
	delete(t.living, ended.pid)
	ended.reaped = true
	told := newExit(ended.id, how)
	if ended.terminal == nil {
		t.tell(ended, told)
		return
	}
	go func() {
		ended.terminal.finish()
		t.mutex.Lock()
		defer t.mutex.Unlock()
		t.tell(ended, told)
	}()
}

// tell needs the mutex. A server that has begun anew meanwhile knows nothing of this execution.
func (t *table) tell(ended *execution, told *exit) {
	ended.ended = told
	if t.known[ended.id] == ended {
		t.report(ended)
		t.unspent = append(t.unspent, ended)
		t.spend()
	}
}

// spend needs the mutex. The pipes of ended executions are let go of as they run dry: there may be thousands, and the kernel gives a user
// who has many smaller ones. Those that leftovers still write to are looked at again with each end, a few at a time.
func (t *table) spend() {
	const looks = 4
	for range min(looks, len(t.unspent)) {
		oldest := t.unspent[0]
		t.unspent = t.unspent[1:]
		if !oldest.kept.spend() {
			t.unspent = append(t.unspent, oldest)
		}
	}
}

// report needs the mutex.
func (t *table) report(ended *execution) {
	if t.reports != nil {
		t.reports.add(outgoing{packet: encode(ended.ended)})
	}
}

// reportTo sends ends to a new line, first those that an earlier one may have lost; nil while there is none.
func (t *table) reportTo(reports *outbox) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.reports = reports
	for _, known := range t.known {
		if known.ended != nil {
			t.report(known)
		}
	}
}

func (t *table) find(id string) (execution, error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if known := t.known[id]; known != nil {
		return *known, nil
	}
	return execution{}, failed(whatExecution, unix.ESRCH)
}

// all gives a copy of what is known.
func (t *table) all() []execution {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	var known []execution
	for _, one := range t.known {
		known = append(known, *one)
	}
	return known
}

// signalFirst signals the first process of an execution, if it has not been reaped.
func (t *table) signalFirst(id string, number syscall.Signal) (signalled bool) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	known := t.known[id]
	return known != nil && !known.reaped && unix.Kill(known.pid, number) == nil
}

// forget lets go of an execution whose first process has ended, though its end may not have been told: whoever has just killed it need
// not wait for that.
func (t *table) forget(id string) error {
	t.reapAll()
	t.mutex.Lock()
	defer t.mutex.Unlock()
	known := t.known[id]
	if known == nil {
		return failed(whatExecution, unix.ESRCH)
	}
	if !known.reaped {
		return failed(whatExecution, unix.EBUSY)
	}
	delete(t.known, id)
	known.close()
	return nil
}

// forgetAll serves a server that knows nothing of this workspace. What still lives is reaped as a stranger.
func (t *table) forgetAll() {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	for _, known := range t.known {
		known.close()
	}
	clear(t.known)
	clear(t.living)
}
