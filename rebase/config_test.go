package rebase

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMergeConfig(t *testing.T) {
	for _, c := range []struct{ name, old, app, base, want, changes string }{
		{"nothing changed", `{"User":"a"}`, `{"User":"a"}`, `{"User":"a"}`, `{"User":"a"}`, ""},
		{"the base's", `{"User":"a","WorkingDir":"/x"}`, `{"User":"a","WorkingDir":"/x"}`, `{"User":"b"}`, `{"User":"b"}`, `User "a" -> "b", WorkingDir "/x" -> `},
		{"the image's", `{"User":"a"}`, `{"User":"b"}`, `{"User":"a"}`, `{"User":"b"}`, ""},
		{"both", `{"User":"a"}`, `{"User":"b"}`, `{"User":"c"}`, `{"User":"b"}`, `User "b" (not "c")`},
		{"a new field in its place", `{}`, `{"User":"a","Labels":{"x":"1"}}`, `{"Env":["A=1"]}`, `{"User":"a","Env":["A=1"],"Labels":{"x":"1"}}`, `Env A  -> "1"`},
		{"what means nothing is no difference", `{"Cmd":null}`, `{"Cmd":[]}`, `{}`, `{"Cmd":[]}`, ""},
		{"variables", `{"Env":["A=1","B=1","C=1"]}`, `{"Env":["A=1","B=2","D=1"]}`, `{"Env":["A=9","B=1","C=1","E=1"]}`, `{"Env":["A=9","B=2","E=1","D=1"]}`, `Env A "1" -> "9", Env E  -> "1"`},
		{"a variable that the base dropped", `{"Env":["A=1","B=1"]}`, `{"Env":["A=1","B=1","D=1"]}`, `{"Env":["B=1"]}`, `{"Env":["B=1","D=1"]}`, `Env A "1" -> `},
		{"a variable that both set", `{"Env":["A=1"]}`, `{"Env":["A=2"]}`, `{"Env":["A=3"]}`, `{"Env":["A=2"]}`, `Env A "2" (not "3")`},
		{"elements of PATH", `{"Env":["PATH=/usr/bin:/bin"]}`, `{"Env":["PATH=/app:/usr/bin:/bin:/opt"]}`, `{"Env":["PATH=/usr/local/bin:/usr/bin:/bin"]}`, `{"Env":["PATH=/app:/usr/local/bin:/usr/bin:/bin:/opt"]}`, `Env PATH "/app:/usr/bin:/bin:/opt" -> "/app:/usr/local/bin:/usr/bin:/bin:/opt"`},
		{"labels", `{"Labels":{"v":"1","x":"1"}}`, `{"Labels":{"v":"1","x":"2","y":"1"}}`, `{"Labels":{"v":"2","x":"1"}}`, `{"Labels":{"v":"2","x":"2","y":"1"}}`, `Labels v "1" -> "2"`},
		{"ports", `{"ExposedPorts":{"80/tcp":{}}}`, `{"ExposedPorts":{"80/tcp":{},"90/tcp":{}}}`, `{"ExposedPorts":{"81/tcp":{}}}`, `{"ExposedPorts":{"81/tcp":{},"90/tcp":{}}}`, `ExposedPorts 80/tcp {} -> , ExposedPorts 81/tcp  -> {}`},
		{"the last volume", `{"Volumes":{"/a":{}}}`, `{"Volumes":{"/a":{}}}`, `{}`, `{}`, `Volumes /a {} -> `},
		{"the base's program", `{"Cmd":["bash"]}`, `{"Cmd":["bash"]}`, `{"Cmd":["sh"]}`, `{"Cmd":["sh"]}`, `Cmd ["bash"] -> ["sh"]`},
		{"the image's program", `{"Cmd":["bash"]}`, `{"Entrypoint":["app"]}`, `{"Cmd":["bash"]}`, `{"Entrypoint":["app"]}`, ""},
		{"the image's program, and the base has another", `{"Cmd":["bash"]}`, `{"Entrypoint":["app"]}`, `{"Cmd":["sh"]}`, `{"Entrypoint":["app"]}`, `Entrypoint, Cmd ["app"]  (not  ["sh"])`},
		{"of the build", `{"Hostname":"a"}`, `{"Hostname":"a"}`, `{"Hostname":"b"}`, `{"Hostname":"a"}`, ""},
		{"health", `{"Healthcheck":{"Test":["NONE"]}}`, `{"Healthcheck":{"Test":["NONE"]}}`, `{"Healthcheck":{"Test":["CMD","x"]}}`, `{"Healthcheck":{"Test":["CMD","x"]}}`, `Healthcheck {"Test":["NONE"]} -> {"Test":["CMD","x"]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := &configMerge{old: parsed(t, c.old), app: parsed(t, c.app), base: parsed(t, c.base)}
			if err := m.merge(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, string(m.app.bytes())); diff != "" {
				t.Errorf("config (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.changes, changesText(m.changes)); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
		})
	}
}

// There and back again is where one was.
func TestMergeConfigBack(t *testing.T) {
	const a = `{"Env":["PATH=/bin","A=1"],"Cmd":["bash"],"Labels":{"v":"1"}}`
	const b = `{"User":"u","Env":["PATH=/usr/bin:/bin","B=1"],"Labels":{"v":"2","w":"1"}}`
	const app = `{"Env":["PATH=/app:/bin","A=1","X=1"],"Cmd":["app"],"WorkingDir":"/app","Labels":{"v":"1","mine":"1"}}`
	there := &configMerge{old: parsed(t, a), app: parsed(t, app), base: parsed(t, b)}
	if err := there.merge(); err != nil {
		t.Fatal(err)
	}
	back := &configMerge{old: parsed(t, b), app: parsed(t, string(there.app.bytes())), base: parsed(t, a)}
	if err := back.merge(); err != nil {
		t.Fatal(err)
	}
	want := parsed(t, app)
	for _, m := range want.members {
		if got := canonical(back.app.get(m.key)); m.key != "Labels" && got != canonical(m.value) {
			t.Errorf("%s: %s, was %s", m.key, got, m.value)
		}
	}
	if len(back.app.members) != len(want.members) {
		t.Errorf("members: %s", back.app.bytes())
	}
}

func parsed(t *testing.T, raw string) *document {
	t.Helper()
	d, err := parseDocument([]byte(raw), "")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func changesText(cs []ConfigChange) string {
	var out []string
	for _, c := range cs {
		if c.Was == c.Now {
			out = append(out, fmt.Sprintf("%s %s (not %s)", c.Field, c.Now, c.Base))
			continue
		}
		out = append(out, fmt.Sprintf("%s %s -> %s", c.Field, c.Was, c.Now))
	}
	return strings.Join(out, ", ")
}
