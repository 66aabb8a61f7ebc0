package probe

import (
	"os"
	"strings"
	"testing"

	"github.com/pare-image/pare/slim/profile"
)

// Every example of docs/workload.md is understood as it stands there.
func TestDocument(t *testing.T) {
	b, err := os.ReadFile("../../../docs/workload.md")
	if err != nil {
		t.Fatal(err)
	}
	read := func(string) ([]byte, error) { return nil, nil }
	parsers := map[string]func(string) (profile.Probe, error){
		"--http": func(s string) (profile.Probe, error) { return ParseHTTP(s, read) },
		"--tcp":  func(s string) (profile.Probe, error) { return ParseTCP(s, read) },
		"--exec": ParseExec, "--run": ParseRun,
	}
	found := 0
	for line := range strings.Lines(string(b)) {
		example, ok := strings.CutPrefix(line, "    --")
		if !ok {
			continue
		}
		ws, err := words("--" + example)
		if err != nil || len(ws) != 2 || parsers[ws[0]] == nil {
			t.Errorf("%s is %q, %v", line, ws, err)
			continue
		}
		if p, err := parsers[ws[0]](ws[1]); err != nil {
			t.Errorf("%s is %+v, %v", line, p, err)
		}
		found++
	}
	if found < 10 {
		t.Errorf("only %d examples found", found)
	}
}
