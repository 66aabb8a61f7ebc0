package rebase

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/pare-image/pare/layers"
	"github.com/pare-image/pare/layers/elfdeps"
)

// FindingNodeABI: an addon of Node is for another version of its binary
// interface.
const FindingNodeABI = "node-abi"

// checkNode wants the version of Node's binary interface (NODE_MODULE_VERSION)
// to stay, if upper layers have addons that depend on it. Those that use
// Node-API alone run with any (Node.js documentation, "ABI stability").
var checkNode = check{name: FindingNodeABI, run: func(ctx context.Context, s *scene) ([]Finding, error) {
	was, is := nodeABI(s.app), nodeABI(s.next)
	if was == "" || is == "" || was == is {
		return nil, nil
	}
	var addons []*layers.Entry
	var nodes []*layers.Inode
	for e := range s.next.All() {
		if e.Type == layers.Regular && s.isUpper(e) && strings.HasSuffix(e.Path, ".node") && isDynamic(e) {
			addons, nodes = append(addons, e), append(nodes, e.Inode)
		}
	}
	if err := s.next.Prefetch(ctx, nodes); err != nil {
		return nil, fmt.Errorf("checking addons of Node: %w", err)
	}
	var out []Finding
	for _, e := range addons {
		if ok, err := boundToABI(s.next, e); err != nil {
			return nil, fmt.Errorf("checking %q: %w", e.Path, err)
		} else if !ok {
			continue
		}
		out = append(out, Finding{
			Name: FindingNodeABI, Severity: SeverityError, Path: utf8Path(e.Path), Layer: s.layerOfApp(e.Layer),
			Text: fmt.Sprintf("this addon is for version %s of Node's binary interface, the new base has %s", was, is),
			Next: "build the image anew on this base, or choose a base with the same version of Node",
		})
	}
	return out, nil
}}

var (
	libnode    = regexp.MustCompile(`^libnode\.so\.(\d+)$`)
	nodeHeader = regexp.MustCompile(`(?m)^#define NODE_MODULE_VERSION (\d+)\s*$`)
)

// nodeABI is the version that a tree's node has: its library's soname, or what
// the headers say that are installed with it; "" when neither tells.
func nodeABI(t *layers.Tree) string {
	program, ok := findProgram(t, "node")
	if !ok {
		return ""
	}
	tree := layers.ELFTree{Tree: t}
	if info := tree.ELF(program); info != nil {
		for _, n := range info.Needed {
			if m := libnode.FindStringSubmatch(n); m != nil {
				return m[1]
			}
		}
	}
	header := strings.TrimSuffix(program, "/bin/node") + "/include/node/node_version.h"
	if m := nodeHeader.FindSubmatch(tree.ReadFile(header)); m != nil {
		return string(m[1])
	}
	return ""
}

// boundToABI says whether an addon uses more than Node-API: C++ symbols of V8
// or Node, or the entry point that has the version in its name.
func boundToABI(t *layers.Tree, e *layers.Entry) (bool, error) {
	s, err := layers.ELFTree{Tree: t}.Symbols(e.Path)
	if damaged := new(elfdeps.FormatError); errors.As(err, &damaged) {
		return false, nil // nothing loads it
	}
	if err != nil {
		return false, err
	}
	for _, i := range s.Imports {
		if strings.HasPrefix(i.Name, "_ZN2v8") || strings.HasPrefix(i.Name, "_ZNK2v8") || strings.HasPrefix(i.Name, "_ZN4node") {
			return true, nil
		}
	}
	for _, x := range s.Exports {
		if strings.HasPrefix(x.Name, "node_register_module_v") {
			return true, nil
		}
	}
	return false, nil
}
