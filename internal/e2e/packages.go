package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

const dpkgInfo = "/var/lib/dpkg/info/"

// checkPackages asks dpkg what it thinks of the result: nothing to audit,
// nothing to verify that the source did not have, and exactly the packages
// that still own a file, at the source's versions.
func checkPackages(ctx context.Context, beforeRoot, afterRoot string, before, after map[string]node) error {
	audit, err := dpkg(ctx, "--root="+afterRoot, "--audit")
	if err != nil {
		return err
	}
	if audit != "" {
		return fmt.Errorf("dpkg --audit: %s", audit)
	}
	if err := checkVerify(ctx, beforeRoot, afterRoot); err != nil {
		return err
	}
	versions, err := installed(ctx, beforeRoot)
	if err != nil {
		return err
	}
	is, err := installed(ctx, afterRoot)
	if err != nil {
		return err
	}
	owners, err := ownersOf(beforeRoot, before, after)
	if err != nil {
		return err
	}
	if len(owners) == 0 {
		return errors.New("no package owns anything that is left")
	}
	var errs []error
	for name, version := range versions {
		got, listed := is[name]
		switch _, owns := owners[name]; {
		case owns && !listed:
			errs = append(errs, fmt.Errorf("package %s still owns %s and is not listed", name, owners[name]))
		case listed && !owns:
			errs = append(errs, fmt.Errorf("package %s is listed and owns nothing", name))
		case listed && got != version:
			errs = append(errs, fmt.Errorf("package %s is %s, in the source %s", name, got, version))
		}
	}
	for name := range is {
		if _, ok := versions[name]; !ok {
			errs = append(errs, fmt.Errorf("package %s is not in the source", name))
		}
	}
	return errors.Join(append(errs, checkLists(afterRoot, after))...)
}

// dpkg's exit code says only that it printed something.
func dpkg(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "dpkg", args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 && stderr.Len() == 0 {
		err = nil
	}
	if err != nil || stderr.Len() > 0 {
		return "", fmt.Errorf("running dpkg %s: %w: %s", strings.Join(args, " "), errors.Join(err, ctx.Err()), stderr.String())
	}
	return string(out), nil
}

func checkVerify(ctx context.Context, beforeRoot, afterRoot string) error {
	was, err := dpkg(ctx, "--root="+beforeRoot, "--verify")
	if err != nil {
		return err
	}
	is, err := dpkg(ctx, "--root="+afterRoot, "--verify")
	if err != nil {
		return err
	}
	known := strings.Split(was, "\n")
	for line := range strings.SplitSeq(is, "\n") {
		if !slices.Contains(known, line) {
			return fmt.Errorf("dpkg --verify: %s", line)
		}
	}
	return nil
}

// installed is name[:arch] -> version.
func installed(ctx context.Context, root string) (map[string]string, error) {
	out, err := stdout(ctx, nil, "dpkg-query", "--admindir="+root+"/var/lib/dpkg", "--show", "--showformat", "${binary:Package} ${Version} ${db:Status-Status}\n")
	if err != nil {
		return nil, err
	}
	versions := map[string]string{}
	for line := range strings.SplitSeq(strings.TrimSpace(string(out)), "\n") {
		f := strings.Fields(line)
		if len(f) == 3 && f[2] == "installed" {
			versions[f[0]] = f[1]
		}
	}
	return versions, nil
}

// ownersOf is the packages of the source that own a path, no directory, of
// the result, each with one such path.
func ownersOf(root string, before, after map[string]node) (map[string]string, error) {
	lists, err := filepath.Glob(root + dpkgInfo + "*.list")
	if err != nil {
		return nil, err
	}
	moved, err := diversions(root)
	if err != nil {
		return nil, err
	}
	owners := map[string]string{}
	for _, file := range lists {
		pkg := strings.TrimSuffix(filepath.Base(file), ".list")
		paths, err := readLines(file)
		if err != nil {
			return nil, err
		}
		for _, p := range filesOf(paths) {
			if d, ok := moved[p]; ok && d.by != strings.Split(pkg, ":")[0] {
				p = d.to
			}
			real := resolve(before, p)
			if n, ok := after[real]; ok && real != "" && n.typ() != unix.S_IFDIR {
				owners[pkg] = p
			}
		}
	}
	return owners, nil
}

// filesOf leaves out what a list shows to be a directory of the package, such
// as /lib, which is a symlink today.
func filesOf(paths []string) []string {
	dirs := map[string]bool{}
	for _, p := range paths {
		dirs[filepath.Dir(p)] = true
	}
	return slices.DeleteFunc(paths, func(p string) bool { return dirs[p] })
}

type diversion struct{ to, by string }

// diversions reads dpkg's: three lines each, the path, where other packages'
// file of that name is, and the package that it was moved for.
func diversions(root string) (map[string]diversion, error) {
	lines, err := readLines(root + "/var/lib/dpkg/diversions")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	moved := map[string]diversion{}
	for i := 0; i+2 < len(lines); i += 3 {
		moved[lines[i]] = diversion{lines[i+1], lines[i+2]}
	}
	return moved, nil
}

// checkLists wants every path that the result's lists name to be there.
func checkLists(root string, after map[string]node) error {
	lists, err := filepath.Glob(root + dpkgInfo + "*.list")
	if err != nil {
		return err
	}
	moved, err := diversions(root)
	if err != nil {
		return err
	}
	for _, file := range lists {
		paths, err := readLines(file)
		if err != nil {
			return err
		}
		for _, p := range paths {
			if _, ok := moved[p]; !ok && resolve(after, p) == "" {
				return fmt.Errorf("%s names %s, which is not there", filepath.Base(file), p)
			}
		}
	}
	return nil
}

func readLines(file string) ([]string, error) {
	b, err := os.ReadFile(file)
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n"), err
}
