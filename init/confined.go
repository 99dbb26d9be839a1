package main

import "runtime"

// confinedThread is the one thread from which commands are forked: they inherit the filter that it is behind, which init's other
// threads are not, since init has to lower limits. Go starts no thread from a locked one, so the filter spreads to commands only.
type confinedThread struct {
	work  chan func() // with room for one, so that nobody waits for the other side
	comes bell
}

func newConfinedThread() (*confinedThread, error) {
	comes, err := newBell()
	if err != nil {
		return nil, err
	}
	thread := &confinedThread{work: make(chan func(), 1), comes: comes}
	confined := make(chan error)
	go func() {
		runtime.LockOSThread() // for ever: the filter cannot be taken off, so nothing else may get this thread
		resetSlack()
		err := confineThread()
		confined <- err
		if err == nil {
			thread.serve()
		}
	}()
	return thread, <-confined
}

func (t *confinedThread) serve() {
	for {
		select {
		case one := <-t.work:
			one()
		default:
			t.comes.wait()
		}
	}
}

// hand gives something to the thread, and doesn't wait for it.
func (t *confinedThread) hand(one func()) {
	t.work <- one
	t.comes.ring()
}

// do runs something on the thread and waits for it.
func (t *confinedThread) do(one func()) {
	done := make(chan struct{})
	t.hand(func() {
		defer close(done)
		one()
	})
	<-done
}
