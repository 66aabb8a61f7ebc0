package slim

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/pkgdb"
)

// decideDatabase writes the package database of what is kept. An image whose
// database cannot be filtered must not come out without one: scanners would
// find nothing.
func (pl *planner) decideDatabase() error {
	var err error
	if pl.databases, err = pl.join(pl.inDatabase); errors.Is(err, pkgdb.ErrForeign) {
		pl.findForeign(err)
		pl.databases, err = pl.join(func(string) bool { return false })
	}
	if err != nil {
		return err
	}
	for _, f := range pl.databases.Files {
		pl.keep.generated[f.Path] = pl.databaseFile(f)
	}
	for _, p := range pl.databases.Packages {
		pl.plan.Packages = append(pl.plan.Packages, Package{Name: p.Name, Arch: p.Arch, Version: p.Version, Base: pl.onBase() && pl.inBase[p.Name+" "+p.Arch] == p})
	}
	if u := pl.packages.Unlisted; len(u) > 0 {
		pl.finding(Finding{
			Name: FindingPackageDatabase, Severity: SeverityError,
			Text: fmt.Sprintf("%d packages have no list of their files (%s first): what they own cannot be told, and scanners would no longer see them", len(u), u[0]),
			Next: "keep /var/lib/dpkg/info (or the .md5sums of status.d) when the source is built, or, if scanners are told by other means, allow it with --allow " + FindingPackageDatabase,
		})
	}
	pl.findSBOMs()
	if u := pl.packages.Unsupported; len(u) > 0 {
		pl.finding(Finding{
			Name: FindingPackageDatabase, Severity: SeverityError, Path: u[0],
			Text: "this database (" + strings.Join(u, ", ") + ") cannot be filtered yet; the slim image would show scanners no packages at all",
			Next: "if scanners are told by other means, allow it with --allow " + FindingPackageDatabase,
		})
	}
	return nil
}

// findSBOMs names what describes the source and is left out: it would list what
// is gone. Some distributors keep no other record of what they installed.
func (pl *planner) findSBOMs() {
	var left []string
	for p, rule := range pl.excluded {
		if rule == excludedSBOM && !pl.keep.Has(p) {
			left = append(left, p)
		}
	}
	if len(left) == 0 {
		return
	}
	pl.finding(Finding{
		Name: FindingSourceSBOM, Severity: SeverityWarning, Path: slices.Min(left),
		Text: fmt.Sprintf("%d SBOM files of the source are left out, as they describe what it was", len(left)),
		Next: "where scanners know software from such a file alone, --keep it",
	})
}

func (pl *planner) databaseFile(f pkgdb.File) Generated {
	g := Generated{
		Path: f.Path, Header: layers.Header{Type: layers.Regular, Mode: 0o644}, Content: f.Content,
		Reason: Reason{Rule: "package-database"}, Like: f.Like, Package: f.Package,
	}
	if f.Package != "" && len(f.Covers) > 0 {
		g.Reason.From = pl.outPath(f.Covers[0])
		g.Layers = pl.layersOf(f.Covers)
	}
	return g
}

// layersOf are the source layers that provide some of paths, ascending.
func (pl *planner) layersOf(paths []string) []int {
	seen := map[int]bool{}
	for _, p := range paths {
		if e, ok := pl.tree.Lookup(p); ok {
			seen[e.Inode.Layer] = true
		}
	}
	return sortedKeys(seen)
}

// listIn is a package's file list as it stands in the output of one source
// layer: of what it and lower ones hold, so that its bytes do not depend on
// layers above.
func (pl *planner) listIn(g Generated, layer int) ([]byte, error) {
	if pl.onBase() {
		files, err := pl.joinedIn(layer)
		if content, ok := files[g.Path]; ok {
			return content, nil
		}
		return g.Content, err
	}
	for _, f := range pl.packages.PackageFiles(g.Package, func(p string) bool { return pl.keep.Has(p) && pl.heldBy(p, layer) }) {
		if pl.realPath(f.Path) == g.Path {
			return f.Content, nil
		}
	}
	return g.Content, nil
}

// heldBy says that an output of source layer i or lower holds p, or would if
// pare did not write it.
func (pl *planner) heldBy(p string, i int) bool {
	e, ok := pl.tree.Lookup(p)
	if ok && e.Type != layers.Directory {
		return e.Inode.Layer <= i
	}
	for layer := range pl.placed[pl.outPath(p)] {
		if layer != pareOwnLayer && layer <= i {
			return true
		}
	}
	return false
}
