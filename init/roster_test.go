package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestEveryExecutionIsListedOnce goes through lists of ids that are as short and as long, on the line, as they can be.
func TestEveryExecutionIsListedOnce(t *testing.T) {
	for name, filler := range map[string]string{"short": "", "long": strings.Repeat("\x01", maxExecutionName-4)} {
		for _, count := range []int{0, 1, maxRoster, maxRoster + 1, 1000} {
			known := newTable()
			var wanted, got []string
			for number := range count {
				id := fmt.Sprintf("%04d%s", number, filler)
				wanted = append(wanted, id)
				known.known[id] = &execution{id: id, pid: number}
			}
			for after, more := "", true; more; {
				found := known.roster(after)
				if size := len(encode(answer{ID: 1 << 60, OK: found})); size > maxPacket {
					t.Fatalf("%s: an answer has %d bytes", name, size)
				}
				for _, raw := range found.Executions {
					var entry rosterEntry
					must(t, json.Unmarshal(raw, &entry))
					got = append(got, entry.Execution)
					after = entry.Execution
				}
				more = found.More
			}
			if !slices.Equal(got, wanted) {
				t.Errorf("%s: of %d, %d came", name, count, len(got))
			}
		}
	}
}

func TestExecutionsAreListedFromThePlaceThatIsAskedFor(t *testing.T) {
	s := newServer(t)
	if entries, more := s.roster(""); len(entries) != 0 || more {
		t.Errorf("%v, %v", entries, more)
	}
	for _, id := range []string{"b", "a", "c"} {
		request := s.startRequest("/bin/cat")
		request["execution"] = id
		s.startAs(request)
	}
	entries, more := s.roster("a")
	if more || len(entries) != 2 || entries[0].Execution != "b" || entries[1].Execution != "c" {
		t.Errorf("%v, %v", entries, more)
	}
}
