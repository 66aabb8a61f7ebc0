package e2e

import (
	"bufio"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// What the move of one image of three layers may cost with its base known: see
// issue 5. A registry of distribution-spec 1.1 takes blobs in one request each
// (config and repair layer) and lists what refers to the image in one; Debian's
// takes two for each. Either has its challenge asked, and the manifest put. In
// a fresh repository all three layers are mounted, in its own the new base's.
const (
	newerFresh = 3 + 2*1 + 1 + 1 + 1
	newerOwn   = 1 + 2*1 + 1 + 1 + 1
	olderFresh = 3 + 2*2 + 2 + 1 + 1
	olderOwn   = 1 + 2*2 + 2 + 1 + 1
)

// testOne moves one image, in a registry of distribution-spec 1.1 and in
// Debian's, which is older; others do so too.
func (r *rebasing) testOne(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	newer := must[*countingProxy](t, "starting a proxy")(startProxy(startReferrers(ctx, t, r.bed)))
	defer newer.stop()
	older, addr := r.proxy, r.registry
	defer func() { r.proxy, r.registry = older, addr }()
	images, layers := r.fleetImages(ctx, t, 1)
	for _, x := range []struct {
		name       string
		proxy      *countingProxy
		fresh, own int
	}{{"a registry of 1.1", newer, newerFresh, newerOwn}, {"Debian's", older, olderFresh, olderOwn}} {
		r.proxy, r.registry = x.proxy, x.proxy.addr
		var m move
		for _, y := range []struct {
			to   *string
			repo string
			img  v1.Image
		}{{&m.image, "one/app", images[0]}, {&m.from, "one/base", r.old.image}, {&m.onto, "one/base", r.tls.image}} {
			*y.to = must[string](t, "pushing")(r.put(ctx, y.repo, y.img))
		}
		if _, exit, err := r.planRebase(ctx, m, "one"); err != nil || exit != 0 {
			t.Fatalf("planning: exit code %d, %v", exit, err)
		}
		r.moveOne(ctx, t, m, "one, "+x.name+", fresh repository", "one/%s:1", x.fresh, layers)
		r.moveOne(ctx, t, m, "one, "+x.name+", its own repository", "one/app:%s", x.own, layers)
	}
}

// moveOne has each tool do a move that writes to dest of the tool's name.
func (r *rebasing) moveOne(ctx context.Context, t *testing.T, m move, name, dest string, most int, layers map[string]bool) {
	t.Helper()
	what := &movedApp{moving: &moving{app: app{name: name}}, layerSet: layers}
	m.dest = r.registry + "/" + fmt.Sprintf(dest, "pare")
	row := r.count(t, what, "pare", func() error {
		_, err := r.rebase(ctx, m, "one")
		return err
	})
	r.fleets = append(r.fleets, row)
	if row.traffic.requests > most || row.traffic.reads > 0 {
		t.Errorf("%s: %d requests, at most %d; %d reads of layers: %v", name, row.traffic.requests, most, row.traffic.reads, row.traffic.kinds)
	}
	for d := range row.traffic.uploads {
		if layers[d] {
			t.Errorf("%s: layer %s was sent", name, d)
		}
	}
	for _, peer := range peers {
		m.dest = r.registry + "/" + fmt.Sprintf(dest, peer.name)
		r.fleets = append(r.fleets, r.count(t, what, peer.name, func() error { return r.runPeer(ctx, peer.argv(r.bed, m)) }))
	}
}

// startReferrers starts testdata/referrers, which ends with the test, and
// returns where it listens.
func startReferrers(ctx context.Context, t *testing.T, b *bed) string {
	t.Helper()
	cmd := exec.CommandContext(ctx, filepath.Join(b.work, "bin/referrers"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	said, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(said).ReadString('\n')
	if err != nil {
		t.Fatalf("reading the registry's address: %v", err)
	}
	return strings.TrimSpace(line)
}
