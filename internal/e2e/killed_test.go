package e2e

import (
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// kills is how many recordings are killed with each engine, by set.
var kills = map[string]int{"full": 50, "core": 5}

// TestKilled kills recordings at random moments. What they leave, the next
// start takes away: containers, networks, mounts, directories, processes.
func TestKilled(t *testing.T) {
	b, set := testBed(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Minute)
	defer cancel()
	a := apps["gostatic"]
	a.runArgsFor = nil
	s := must[*source](t, "making the image")(b.makeSource(ctx, &a))
	for _, via := range b.recorders(&a) {
		t.Run(via.engine, func(t *testing.T) {
			r := must[*recording](t, "preparing")(b.newRecording(&a, s, via))
			few := must[string](t, "recording")(r.few(ctx))
			// A small image, so that every stage of a recording is hit.
			r.ref = must[*slimmed](t, "slimming")(r.slim(ctx, "few", few)).ociRef()
			whole := time.Now()
			must[string](t, "recording once more")(r.few(ctx))
			took := time.Since(whole)
			moments := rand.New(rand.NewPCG(1, 2))
			for i := range kills[set] {
				r.kill(ctx, t, time.Duration(moments.Int64N(int64(took))))
				if t.Failed() {
					t.Fatalf("kill %d", i)
				}
			}
			must[string](t, "recording after it all")(r.few(ctx))
			if err := b.nothingLeft(ctx); err != nil {
				t.Error(err)
			}
			t.Logf("%d recordings of %.1f s killed", kills[set], took.Seconds())
		})
	}
}

// kill starts a recording and kills it after a time.
func (r *recording) kill(ctx context.Context, t *testing.T, after time.Duration) {
	t.Helper()
	args := append([]string{"record", r.ref, "-o", r.file("killed.json")}, r.start()...)
	cmd := exec.CommandContext(ctx, r.bed.pare, append(args, r.app.single...)...)
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+filepath.Join(r.bed.run, "cache"), "TMPDIR="+r.bed.pareTemp())
	if err := cmd.Start(); err != nil {
		t.Error(err)
		return
	}
	end := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	defer end.Stop()
	_ = cmd.Wait() // killed, or done before
}
