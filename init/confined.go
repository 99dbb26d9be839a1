package main

import "runtime"

// confinedThread is the one thread from which commands are forked: they inherit the filter that it is behind, which init's other
// threads are not, since init has to lower limits. Go starts no thread from a locked one, so the filter spreads to commands only.
type confinedThread struct {
	work chan func()
	done chan struct{}
}

func newConfinedThread() (*confinedThread, error) {
	thread := &confinedThread{work: make(chan func()), done: make(chan struct{})}
	confined := make(chan error)
	go func() {
		runtime.LockOSThread() // for ever: the filter cannot be taken off, so nothing else may get this thread
		err := confineThread()
		confined <- err
		if err == nil {
			thread.serve()
		}
	}()
	return thread, <-confined
}

func (t *confinedThread) serve() {
	for one := range t.work {
		one()
		t.done <- struct{}{}
	}
}

// do runs something on the thread and waits for it; only one caller at a time.
func (t *confinedThread) do(one func()) {
	t.work <- one
	<-t.done
}
