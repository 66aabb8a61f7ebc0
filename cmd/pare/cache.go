package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pare-image/pare/layers"
)

func newCacheCommand(a *app) *cobra.Command {
	return group("cache", "look at what is kept between runs, and remove it", newCacheInfoCommand(a), newCachePruneCommand(a))
}

// cacheDocument is the JSON of both commands.
type cacheDocument struct {
	envelope
	layers.CacheInfo
	Removed *layers.CacheInfo `json:"removed,omitempty"`
	// Scratch counts the dead runs whose scratch space was removed.
	Scratch int `json:"scratch,omitempty"`
}

func newCacheInfoCommand(a *app) *cobra.Command {
	var f cacheFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use: "info", Short: "say where the cache is and how large", Args: none,
		Example: "  pare cache info",
		RunE:    func(*cobra.Command, []string) error { return runCacheInfo(a, &f, asJSON) },
	}
	bindCacheDir(cmd, &f.dir)
	bindJSON(cmd, &asJSON)
	return cmd
}

func runCacheInfo(a *app, f *cacheFlags, asJSON bool) error {
	c, dir, err := f.existing()
	if err != nil {
		return err
	}
	info := layers.CacheInfo{Dir: dir}
	if c != nil {
		if info, err = c.Info(); err != nil {
			return err
		}
	}
	if asJSON {
		return a.term.json(cacheDocument{envelope: newEnvelope("cache"), CacheInfo: info})
	}
	return a.term.result("%s: %s, %s", printable(info.Dir), count(info.Entries, "layer"), size(info.Bytes))
}

func newCachePruneCommand(a *app) *cobra.Command {
	var f cacheFlags
	var asJSON bool
	keep := "0"
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "remove what was least recently used",
		Long: `prune removes cached layers, least recently used first, until at most --max
remains: by default all of them. It is safe while other runs use the cache, and
costs no more than that layers are read again. Scratch space that killed runs
left in the directory for temporary files goes too.`,
		Example: "  pare cache prune --max 1GB",
		Args:    none,
		RunE:    func(*cobra.Command, []string) error { return runCachePrune(a, &f, keep, asJSON) },
	}
	bindCacheDir(cmd, &f.dir)
	cmd.Flags().StringVar(&keep, "max", keep, "keep at most `SIZE` (bytes, or with kB, MB, GB)")
	bindJSON(cmd, &asJSON)
	return cmd
}

func runCachePrune(a *app, f *cacheFlags, keep string, asJSON bool) error {
	most, err := parseSize(keep)
	if err != nil {
		return err
	}
	scratch, err := pruneScratch()
	if err != nil {
		return err
	}
	c, dir, err := f.existing()
	if err != nil {
		return err
	}
	removed, left := layers.CacheInfo{Dir: dir}, layers.CacheInfo{Dir: dir}
	if c != nil {
		if removed, err = c.Prune(most); err != nil {
			return err
		}
		if left, err = c.Info(); err != nil {
			return err
		}
	}
	if asJSON {
		return a.term.json(cacheDocument{envelope: newEnvelope("cache"), CacheInfo: left, Removed: &removed, Scratch: scratch})
	}
	if scratch > 0 {
		if err := a.term.result("removed the scratch space of %s", count(scratch, "dead run")); err != nil {
			return err
		}
	}
	return a.term.result("removed %s, %s; %s, %s left", count(removed.Entries, "layer"), size(removed.Bytes), count(left.Entries, "layer"), size(left.Bytes))
}

// existing opens a cache that is there, and makes none.
func (f *cacheFlags) existing() (*layers.Cache, string, error) {
	dir, err := f.cacheDir()
	if err != nil {
		return nil, "", err
	}
	dir = absolute(dir)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, dir, nil
	}
	c, err := layers.OpenCache(dir, 0)
	return c, dir, err
}

// parseSize reads "123", "1.5GB", "2 kB".
func parseSize(text string) (int64, error) {
	factors := []struct {
		unit string
		n    float64
	}{{"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}, {"", 1}}
	for _, f := range factors {
		number, ok := strings.CutSuffix(text, f.unit)
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || v < 0 || v*f.n > 1<<62 {
			break
		}
		return int64(v * f.n), nil
	}
	return 0, &usageError{fmt.Errorf("size %q; want bytes, or a number with kB, MB or GB", text)}
}
