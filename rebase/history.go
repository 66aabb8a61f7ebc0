package rebase

import (
	"encoding/json"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// repairedBy is the line of history of a repair layer, by which it is known
// again.
const repairedBy = "pare rebase: repairs"

type historyLine struct {
	CreatedBy  string `json:"created_by"`
	EmptyLayer bool   `json:"empty_layer"`
}

func lineOf(raw json.RawMessage) historyLine {
	var h historyLine
	json.Unmarshal(raw, &h) //nolint:errcheck // a line that is none says nothing
	return h
}

// isRepair says whether the image's last layer is a repair layer.
func (s *source) isRepair() bool {
	if len(s.history) == 0 || !s.historyFits() {
		return false
	}
	last := lineOf(s.history[len(s.history)-1])
	return !last.EmptyLayer && last.CreatedBy == repairedBy
}

// historyFits says that there is one line of history for each layer, besides
// those that made none.
func (s *source) historyFits() bool {
	n := 0
	for _, raw := range s.history {
		if !lineOf(raw).EmptyLayer {
			n++
		}
	}
	return n == len(s.layers)
}

// lines are the image's history, one for each layer besides those that made
// none: made up when it has another number.
func (s *source) lines() []json.RawMessage {
	if s.historyFits() {
		return s.history
	}
	return slices.Repeat([]json.RawMessage{json.RawMessage("{}")}, len(s.layers))
}

// upperHistory are the lines about the layers above the n lowest. When they
// begin with old, the old base's own, that is what goes; else what comes up
// to the n-th layer.
func (s *source) upperHistory(n int, old []v1.History) []json.RawMessage {
	lines := s.lines()
	if ofLayers(old) == n && len(old) <= len(lines) && slices.EqualFunc(old, lines[:len(old)], sameLine) {
		return lines[len(old):]
	}
	for i, raw := range lines {
		if n == 0 {
			return lines[i:]
		}
		if !lineOf(raw).EmptyLayer {
			n--
		}
	}
	return nil
}

// ofLayers counts the lines that made a layer.
func ofLayers(lines []v1.History) int {
	n := 0
	for _, h := range lines {
		if !h.EmptyLayer {
			n++
		}
	}
	return n
}

func sameLine(a v1.History, raw json.RawMessage) bool {
	var b v1.History
	return json.Unmarshal(raw, &b) == nil && a.CreatedBy == b.CreatedBy && a.EmptyLayer == b.EmptyLayer && a.Created.Equal(b.Created.Time)
}
