package main

import (
	"errors"
	"io"
	"os"
	"time"
)

const (
	// relaySize is how many bytes one step of a relay carries: what the kernel holds of a terminal's input or output.
	relaySize = 4 << 10

	// relayWorkers is how many system calls on terminals and their pipes may be under way. None of them waits; two keep a slow one
	// from holding up all terminals.
	relayWorkers = 2

	// drainLimit is how long the end of a terminal's first process waits for its last output to reach the pipe. It is
	// far more than that takes, unless the server doesn't read or a leftover never stops writing.
	drainLimit = 200 * time.Millisecond
)

// begin relays in both directions until nobody sits at the terminal any more, or the server has closed its end of the output.
func (t *terminal) begin() {
	go t.relayInput()
	go t.relayOutput()
}

// relayInput ends the terminal's input, as Ctrl-D does, where that of the server ends.
func (t *terminal) relayInput() {
	defer t.input.close()
	buffer := make([]byte, relaySize)
	for {
		count, err := t.input.read(buffer, func() {})
		if err == io.EOF {
			_ = t.master.writeAll([]byte{t.endOfFile()})
			return
		}
		if err != nil || t.master.writeAll(buffer[:count]) != nil {
			return
		}
	}
}

// relayOutput reads no more than it gets rid of: a server that doesn't read holds the terminal's programs back.
func (t *terminal) relayOutput() {
	defer t.close()
	buffer := make([]byte, relaySize)
	ended := false
	atEmpty := func() {
		if ended {
			t.tellDrained()
		}
	}
	for {
		count, err := t.master.read(buffer, atEmpty)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			// Only what is read from here on tells that nothing of the first process is left.
			ended = true
			t.master.readOn()
			continue
		}
		if err != nil || t.output.writeAll(buffer[:count]) != nil {
			return
		}
	}
}

// finish is for the end of the first process. It returns when all that it wrote is in the pipe, or when that takes too long.
func (t *terminal) finish() {
	_ = t.slave.Close()
	t.master.interruptRead()
	select {
	case <-t.drained:
	case <-time.After(drainLimit):
	}
}
