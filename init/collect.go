package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
)

const (
	// collectEvery is after how many requests it is asked whether memory should be collected.
	collectEvery = 256

	// collectAbove is how many bytes of objects are not worth a collection.
	collectAbove = 4 << 20

	// mostMemory is how many bytes init may use before the runtime collects by itself, whatever is being started.
	mostMemory = 64 << 20
)

// collector frees memory while nothing is being started. Left to itself, the runtime would do so at any time, and stop all threads for it.
// A thread that forks doesn't stop before its program has been opened, and a command can make that take a minute, by a lease on a
// file of its own: nothing else would be answered meanwhile.
type collector struct {
	starter  *starter
	requests atomic.Uint64
	due      chan struct{}
}

func newCollector(starter *starter) *collector {
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(mostMemory)
	made := &collector{starter: starter, due: make(chan struct{}, 1)}
	go made.collectWhenDue()
	return made
}

// count notes a request: what is garbage came with one.
func (c *collector) count() {
	if c.requests.Add(1)%collectEvery != 0 {
		return
	}
	select {
	case c.due <- struct{}{}:
	default:
	}
}

func (c *collector) collectWhenDue() {
	enough := uint64(collectAbove)
	for range c.due {
		if objectSize() < enough {
			continue
		}
		c.starter.whileIdle(runtime.GC)
		enough = max(collectAbove, 2*objectSize())
	}
}

// objectSize is how many bytes there are of objects, in use or not.
func objectSize() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
