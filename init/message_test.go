package main

import (
	"reflect"
	"testing"
)

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"id":1,"op":"ping"}`, `{"id":1,"op":"start","argv":["YQ=="],"env":[],"programs":["L2Jpbi9zaA=="]}`, `{"memfd":100}`,
		`{"id":1,"memfd":-1}`, `{"id":1,"op":7}`, `{"id":9223372036854775808}`, `{"id":null}`, `[]`, `null`, `{"id":1,"path":"%%"}`,
		`{"id":1,"id":2}`, `{"ID":1}`, `{"id":1,"mode":4294967296}`, `{"welcome":"x","fresh":true}`, "{\"id\":1,\"op\":\"\xff\"}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		parsed, err := parseRequest(packet)
		switch {
		case err == nil && parsed.ID == nil && parsed.Memfd == 0:
			t.Error("a request that can't be answered was taken")
		case err != nil && parsed != nil && parsed.ID == nil:
			t.Error("a refusal without an id")
		case err != nil && parsed != nil && !reflect.DeepEqual(parsed, &request{ID: parsed.ID}):
			t.Error("a refused request has content")
		}
		_, _ = parseWelcome(packet)
	})
}
