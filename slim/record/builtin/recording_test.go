//go:build linux && (amd64 || arm64)

package builtin

import (
	"slices"
	"testing"

	"github.com/pare-image/pare/slim/profile"
	"github.com/pare-image/pare/slim/record/engine"
)

func TestRecording(t *testing.T) {
	b := newBed(t, "-- layer --\ndir private 0700 33:33\nfile private/f 0600 33:33 \"f\"\n")
	s := b.spec("cat=/data/old", "cat=/missing", "cat=/private/f", "listen=127.0.0.1:80", "wait")
	s.Sensor = &engine.SensorOptions{}
	c := b.start(t, s)
	until(t, c, "ready")
	if r, err := c.Exec(t.Context(), []string{"guest", "cat=/etc/hostname"}, nil); err != nil || r.ExitCode != 0 || string(r.Stdout) != "pare\n\n" {
		t.Errorf("command: %+v, %v", r, err)
	}
	if _, err := c.Recording(t.Context()); err == nil {
		t.Error("there is a recording of a container that runs")
	}
	if err := c.Signal(t.Context(), 15); err != nil {
		t.Error(err)
	}
	ended(t, c)
	all, err := c.Recording(t.Context())
	if err != nil || len(all) != 2 {
		t.Fatalf("%d sessions, %v", len(all), err)
	}
	for path, exists := range map[string]bool{"/data/old": true, "/missing": false, "/private/f": true} {
		i := slices.IndexFunc(all[0].Accesses, func(a profile.Access) bool { return string(a.Path) == path })
		if i < 0 || all[0].Accesses[i].Exists != exists {
			t.Errorf("%s: access %d of %+v", path, i, all[0].Accesses)
		}
	}
	if s := all[0].Sessions[0]; s.Engine != "builtin" || s.Lost != 0 || s.User != "0:0" {
		t.Errorf("session %+v", s)
	}
	t.Logf("second session: %+v", all[1].Accesses)
}
