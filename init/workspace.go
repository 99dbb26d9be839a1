package main

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// workspace is all that the server can ask for.
type workspace struct {
	executions *table
	starter    *starter
	killer     *killer
	files      *files
	cached     *files // for who must not wait; nil where the kernel cannot tell
	fileLane   lane
	startLane  lane
	collector  *collector
	archives   *archives
	dialer     *dialer
	watches    *watches
}

// lane bounds how many system calls that may block are under way.
type lane chan struct{}

func (l lane) enter() { l <- struct{}{} }
func (l lane) leave() { <-l }

// startOver serves a server that knows nothing of what runs here.
func (w *workspace) startOver() {
	_, _ = w.killer.killAll(unix.SIGKILL, longestPatience)
	w.executions.forgetAll()
}

// handle gives each request a goroutine of its own, so that none waits for another. System calls on files can block, as on a
// network's file system, so only few of them run at a time; starts and signals have nothing to do with that lane.
func (w *workspace) handle(from *line, asked *request) {
	w.collector.count()
	switch asked.Operation {
	case "ping":
		w.executions.reapAll() // an orphan of whoever came in from outside may be the only child
		from.answer(asked, nil, nil, nil)
	case "forget":
		from.answer(asked, nil, nil, w.executions.forget(asked.Execution))
	case "adopt":
		found, descriptors, err := w.executions.adopt(asked.Execution)
		from.answer(asked, found, descriptors, err)
	case "release":
		from.answer(asked, nil, nil, w.executions.release(asked.Execution, asked.Index))
	case "resize": // here and now, so that the last of several holds
		from.answer(asked, nil, nil, w.executions.resize(asked))
	case "executions":
		from.answer(asked, w.executions.roster(asked.After), nil, nil)
	case "start":
		if !w.startAtOnce(from, asked) {
			apart(func() { w.start(from, asked) })
		}
	case "signal":
		apart(func() { finish(from, asked, w.killer.signal) })
	case "kill_all":
		apart(func() { finish(from, asked, w.killer.signalAll) })
	case "pack":
		apart(func() { w.archives.handle(from, asked, w.archives.pack) })
	case "unpack":
		apart(func() { w.archives.handle(from, asked, w.archives.unpack) })
	case "watch":
		apart(func() { w.watches.handle(from, asked) })
	case "dial":
		apart(func() { w.dialer.handle(from, asked) })
	default:
		apart(func() { w.handleFiles(from, asked) })
	}
}

// apart gives something a goroutine of its own, with which this thread goes on. Another one reads on: to take that over is less urgent, and
// takes longer.
func apart(do func()) {
	go do()
	runtime.Gosched()
}

func finish(from *line, asked *request, do func(*request) (any, error)) {
	found, err := do(asked)
	from.answer(asked, found, nil, err)
}

// startAtOnce spares the usual start a goroutine of its own. It does nothing where it might have to wait.
func (w *workspace) startAtOnce(from *line, asked *request) bool {
	if w.cached == nil || len(asked.User) > 0 || asked.Terminal != nil {
		return false
	}
	folder, err := w.cached.openWorkingFolder(asked)
	if err != nil {
		return false
	}
	if !w.starter.startAtOnce(from, asked, folder) {
		_ = unix.Close(folder)
		return false
	}
	return true
}

// start answers by itself where it succeeds, before the command's end can be reported.
func (w *workspace) start(from *line, asked *request) {
	w.startLane.enter()
	user, err := userOf(asked)
	folder := -1
	if err == nil {
		folder, err = w.files.openWorkingFolder(asked)
	}
	w.startLane.leave()
	if err != nil {
		from.answer(asked, nil, nil, err)
		return
	}
	w.starter.start(from, asked, folder, user)
}

func (w *workspace) handleFiles(from *line, asked *request) {
	operations := map[string]func(*request) (any, []int, error){
		"open":      w.files.open,
		"stat":      w.files.stat,
		"list":      w.files.list,
		"create":    w.files.create,
		"append":    w.files.append,
		"commit":    w.files.commit,
		"abort":     w.files.abort,
		"make_dirs": w.files.makeDirs,
		"remove":    w.files.remove,
		"rename":    w.files.rename,
		"memory":    memory,
	}
	operation := operations[asked.Operation]
	if operation == nil {
		from.answer(asked, nil, nil, failed(whatRequest, unix.ENOSYS))
		return
	}
	w.fileLane.enter()
	found, descriptors, err := operation(asked)
	w.fileLane.leave()
	from.answer(asked, found, descriptors, err)
}
