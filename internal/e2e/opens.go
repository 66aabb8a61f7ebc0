package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// opened is one event of fanotify in a container, see watch/main.go.
type opened struct {
	kind    string // "exec" or "open"
	program string // that asked
	path    string
}

// watchOpens has testdata/strace-runtime start the watcher beside strace.
func (b *bed) watchOpens(ctx context.Context) error {
	return b.goBuild(ctx, "./internal/e2e/watch", filepath.Join(b.trace, "watch"), false)
}

// opens waits until the container's watcher has ended, and reads what it saw.
func (c *container) opens(ctx context.Context) ([]opened, error) {
	file := filepath.Join(c.bed.trace, c.id+".1.opens")
	err := poll(ctx, 20*time.Second, "the watcher of "+c.name+" to end", func(context.Context) error {
		_, err := os.Stat(file + ".done")
		return err
	})
	if err != nil {
		return nil, err
	}
	said, err := os.ReadFile(file + ".done")
	if err == nil && string(said) != "0\n" {
		log, _ := os.ReadFile(file + ".log")
		err = fmt.Errorf("the watcher of %s: exit code %s%s", c.name, said, log)
	}
	if err != nil {
		return nil, err
	}
	return readOpens(file)
}

func readOpens(file string) ([]opened, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	fields := strings.Split(string(b), "\x00")
	if len(fields)%3 != 1 || len(fields) == 1 {
		return nil, fmt.Errorf("%s: %d fields are no whole records, or none", file, len(fields)-1)
	}
	var out []opened
	for r := range slices.Chunk(fields[:len(fields)-1], 3) {
		out = append(out, opened{kind: r[0], program: r[1], path: r[2]})
	}
	return out, nil
}

// ofTheProgram takes out what others opened in the container, each counted:
// the runtime on its way to the program, the gate, and the sensor's own
// process. What these execute is the program's.
func ofTheProgram(events []opened) (kept []opened, others map[string]int) {
	others = map[string]int{}
	for _, e := range events {
		switch {
		case e.kind == "exec":
		// runc is a file in memory, or one mounted by itself, by version.
		case strings.HasPrefix(e.program, "/memfd:runc"), filepath.Base(e.program) == "runc", e.program == "/":
			others["the runtime's"]++
			continue
		case e.program == gatePath:
			others["the gate's"]++
			continue
		case e.program == sensorPath:
			others["the sensor's own"]++
			continue
		}
		kept = append(kept, e)
	}
	return kept, others
}

// sensorPath is where an image that records itself has pare.
const sensorPath = "/pare/pare"

// allRecorded wants every file of the image that was opened in the profile: by
// the path it has, or as what another path led to. What the kernel opens to
// execute a file, loaders and the programs of scripts, no program asked for:
// those are returned, for they must follow from the file.
func allRecorded(events []opened, seen map[string]bool, image map[string]node) (followed []string, err error) {
	missing, loaded := map[string]bool{}, map[string]bool{}
	n := 0
	for _, e := range events {
		if _, ok := image[e.path]; !ok {
			continue
		}
		switch n++; {
		case seen[e.path]:
		case e.kind == "exec":
			loaded[e.path] = true
		default:
			missing[e.path+" (by "+e.program+")"] = true
		}
	}
	followed = slices.Sorted(maps.Keys(loaded))
	switch words := slices.Sorted(maps.Keys(missing)); {
	case n == 0:
		err = errors.New("fanotify saw nothing of the image opened")
	case len(words) > 0:
		err = fmt.Errorf("%d files of the image that fanotify saw opened are not in the profile: %s", len(words), strings.Join(words[:min(len(words), 40)], ", "))
	}
	return followed, err
}
