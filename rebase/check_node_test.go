package rebase

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pare-image/pare/internal/testelf"
)

func TestCheckNode(t *testing.T) {
	debian := func(abi string) string {
		return "-- layer --\n" + elfLine("usr/bin/node", testelf.File{Interp: "/ld.so", Needed: []string{"libnode.so." + abi}})
	}
	upstream := func(abi string) string {
		return "-- layer --\n" + elfLine("usr/local/bin/node", testelf.File{Interp: "/ld.so"}) +
			`file usr/local/include/node/node_version.h 0644 0:0 "#define NODE_MAJOR_VERSION 18\n#define NODE_MODULE_VERSION ` + abi + `\n"` + "\n"
	}
	addon := func(s ...testelf.Symbol) string {
		return elfLine("app/node_modules/x/build/Release/x.node", testelf.File{Symbols: s})
	}
	v8 := addon(testelf.Symbol{Name: "_ZN2v87Isolate10GetCurrentEv", Import: true})
	const found = "node-abi /app/node_modules/x/build/Release/x.node: this addon is for version 108 of Node's binary interface, the new base has 115 [layer 1]"
	for name, c := range map[string]struct {
		old, base, upper string
		want             []string
	}{
		"the same":              {debian("108"), upstream("108"), v8, nil},
		"V8 of another Node":    {debian("108"), debian("115"), v8, []string{found}},
		"registered by version": {upstream("108"), upstream("115"), addon(testelf.Symbol{Name: "node_register_module_v108"}), []string{found}},
		"Node-API":              {upstream("108"), upstream("115"), addon(testelf.Symbol{Name: "napi_register_module_v1"}, testelf.Symbol{Name: "napi_get_value_int32", Import: true}), nil},
		"not known":             {upstream("108"), "-- layer --\nfile a\n", v8, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, checked(t, checkNode, openScene(t, c.old, c.base, c.upper))); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}
