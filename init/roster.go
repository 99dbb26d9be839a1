package main

import (
	"encoding/json"
	"maps"
	"slices"
)

const (
	// maxRoster is how many executions one answer tells of.
	maxRoster = 256

	// maxRosterSize is how many bytes of them one answer holds; what is left of a packet is for the rest of it.
	maxRosterSize = maxPacket - 1<<10
)

// rosterEntry is what a server that has lost its records needs to know of an execution.
type rosterEntry struct {
	Execution string `json:"execution"`
	PID       int    `json:"pid"`
	Ended     bool   `json:"ended"`
	Kept      int    `json:"kept"`
}

type rosterAnswer struct {
	Executions []json.RawMessage `json:"executions"`
	More       bool              `json:"more"`
}

// roster tells of the executions whose ids come after this one, in order, as far as one answer holds them.
func (t *table) roster(after string) rosterAnswer {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	found := rosterAnswer{Executions: []json.RawMessage{}}
	size := 0
	for _, id := range slices.Sorted(maps.Keys(t.known)) {
		if id <= after {
			continue
		}
		known := t.known[id]
		entry := encode(rosterEntry{id, known.pid, known.ended != nil, known.kept.count()})
		size += len(entry) + len(",")
		if len(found.Executions) == maxRoster || size > maxRosterSize {
			found.More = true
			return found
		}
		found.Executions = append(found.Executions, entry)
	}
	return found
}
