package profile

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// A stream of a whole host must not become one image's profile.
func TestImportContainers(t *testing.T) { // from schema
	gadget := func(where, path string) string {
		return fmt.Sprintf(`{%s,"proc":{"pid":1,"mntns_id":1},"fname":%q}`+"\n", where, path)
	}
	const (
		web  = `"runtime":{"containerName":"web","containerId":"aaaaaaaaaaaaaaaa"}`
		web2 = `"runtime":{"containerName":"web","containerId":"cccccccccccccccc"}`
		db   = `"runtime":{"containerName":"db","containerId":"bbbbbbbbbbbbbbbb"}`
		late = `"runtime":{"containerId":"aaaaaaaaaaaaaaaa"}`
		podA = `"k8s":{"namespace":"n","podName":"a","containerName":"app"}`
		podB = `"k8s":{"namespace":"n","podName":"b","containerName":"app"}`
	)
	both := gadget(late, "/early") + gadget(web, "/w") + gadget(db, "/d") + gadget(web2, "/w2")
	for name, c := range map[string]struct {
		in, want string
		paths    []string
		message  string
	}{
		"several":                     {in: both, message: "holds 2: db, web; name one with --container"},
		"by name, restarted and late": {in: both, want: "web", paths: []string{"/early open", "/w open", "/w2 open"}},
		"by ID":                       {in: both, want: "bbbbbbbbbbbb", paths: []string{"/d open"}},
		"by too little of an ID":      {in: both, want: "bbb", message: "none called bbb, but db, web"},
		"unknown":                     {in: both, want: "x", message: "none called x, but db, web"},
		"the only one":                {in: gadget(web, "/w"), paths: []string{"/w open"}},
		"named alike in two pods":     {in: gadget(podA, "/a") + gadget(podB, "/b"), want: "app", message: "may be each of n/a/app, n/b/app"},
		"named in full":               {in: gadget(podA, "/a") + gadget(podB, "/b"), want: "n/b/app", paths: []string{"/b open"}},
		"in no container":             {in: `{"proc":{"pid":1,"mntns_id":1},"fname":"/h"}`, paths: []string{"/h open"}},
		"in two namespaces":           {in: `{"proc":{"pid":1,"mntns_id":1},"fname":"/h"}{"proc":{"pid":1,"mntns_id":2},"fname":"/i"}`, message: "holds 2: mount namespace 1, mount namespace 2"},
		"one and the host":            {in: `{"proc":{"pid":1,"mntns_id":9},"fname":"/h"}` + gadget(web, "/w"), paths: []string{"/w open"}},
		"before it had a name":        {in: `{"proc":{"pid":1,"mntns_id":1},"fname":"/h"}` + gadget(web, "/w"), paths: []string{"/h open", "/w open"}},
		"no control characters":       {in: gadget(`"runtime":{"containerName":"\u001b[2J"}`, "/a") + gadget(web, "/w"), message: `"\x1b[2J", web`},
	} {
		t.Run(name, func(t *testing.T) {
			p, _, err := Import(FormatGadget, strings.NewReader(c.in), ImportOptions{Container: c.want})
			if c.message != "" {
				if !errors.Is(err, ErrContainers) || !strings.Contains(err.Error(), c.message) {
					t.Fatalf("%v; want %q", err, c.message)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			same(t, show(p), c.paths)
		})
	}
}

// Input is untrusted: memory and time are bounded, and nothing panics.
func TestImportHostile(t *testing.T) {
	open := `{"proc":{"pid":1,"mntns_id":1},"fname":"/a"}` + "\n"
	var many strings.Builder
	for i := range maxContainers + 1 {
		fmt.Fprintf(&many, `{"pid":1,"runtime":{"containerId":"%d"},"fname":"/a"}`, i)
	}
	for name, c := range map[string]struct {
		format  Format
		in      string
		skipped map[string]int
		message string
	}{
		"a huge line":             {FormatGadget, `{"fname":"` + strings.Repeat("x", 2<<20) + `"}` + open, map[string]int{skipLong: 1}, ""},
		"deep nesting":            {FormatGadget, `{"a":` + strings.Repeat("[", 1<<18) + strings.Repeat("]", 1<<18) + "}" + open, map[string]int{skipForeign: 1}, ""},
		"never closed":            {FormatGadget, open + strings.Repeat("{", 2<<20), map[string]int{skipText: 1}, ""},
		"a line cut off":          {FormatGadget, "{\"fname\":\"/b\n" + open, map[string]int{skipText: 1}, ""},
		"log lines":               {FormatGadget, "WARN[0000] {\n" + open + "bye", map[string]int{skipText: 2}, ""},
		"not UTF-8":               {FormatGadget, "{\"fname\":\"/\xff\"}\n" + open, map[string]int{skipBytes: 1}, ""},
		"bytes lost":              {FormatGadget, `{"proc":{"pid":1,"mntns_id":1},"fname":"/\ufffd"}` + open, map[string]int{skipBytes: 1}, ""},
		"other types":             {FormatGadget, `{"proc":[],"fname":{}}` + open, map[string]int{skipForeign: 1}, ""},
		"NUL":                     {FormatGadget, `{"proc":{"pid":1,"mntns_id":1},"fname":"/\u0000"}` + open, map[string]int{skipInvalid: 1}, ""},
		"a pipe":                  {FormatGadget, `{"proc":{"pid":1,"mntns_id":1},"fname":"pipe:[1]"}` + open, map[string]int{skipNoFile: 1}, ""},
		"many containers":         {FormatGadget, many.String(), nil, "more than 1000"},
		"events without paths":    {FormatGadget, `{"proc":{"pid":1,"mntns_id":1},"syscall":"openat"}`, nil, "none of its 1 events shows a path; record with"},
		"another tool's events":   {FormatTracee, open, nil, "none of 1 objects is an event of it"},
		"calls without paths":     {FormatTracee, `{"eventName":"close","args":[]}`, nil, "record with: tracee -e"},
		"nothing":                 {FormatTracee, "", nil, "none of 0 objects"},
		"fatrace: a huge line":    {FormatFatrace, strings.Repeat("(1", 1<<20) + "\na(1): O   /a\n", map[string]int{skipLong: 1}, ""},
		"report: deep nesting":    {FormatSlimToolkit, `{"a":` + strings.Repeat("[", 1<<20), nil, "nested more than"},
		"report: no object":       {FormatSlimToolkit, `[]`, nil, "want an object"},
		"report: more after it":   {FormatSlimToolkit, `{"monitors":{}}{}`, nil, "more data"},
		"report: nothing":         {FormatSlimToolkit, `{"monitors":{"fan":null}}`, nil, "no accesses found"},
		"record: not one line":    {FormatCtrRemote, "x\n", nil, "no accesses found"},
		"AppArmor: deep nesting":  {FormatAppArmor, `{"spec":` + strings.Repeat("[", 1<<20), nil, "-o json"},
		"AppArmor: too large":     {FormatAppArmor, strings.Repeat(" ", maxCluster+1), nil, "more than"},
		"AppArmor: without paths": {FormatAppArmor, `{"kind":"AppArmorProfile"}`, nil, "no accesses found"},
	} {
		t.Run(name, func(t *testing.T) {
			_, report, err := Import(c.format, strings.NewReader(c.in), ImportOptions{})
			if c.message != "" {
				if err == nil || !strings.Contains(err.Error(), c.message) {
					t.Fatalf("%v; want %q", err, c.message)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			same(t, report.Skipped, c.skipped)
		})
	}
}

func FuzzImport(f *testing.F) {
	for _, seed := range []string{
		`{"proc":{"pid":1,"mntns_id":1,"creds":{"uid":1,"gid":2}},"fname":"/a","fpath":"/b","flags":577,"timestamp":"2026-01-01T00:00:00Z"}`,
		`[{"pid":1,"mountnsid":5,"args":["/a"],"cwd":"/","retval":-2}]`,
		`{"eventName":"openat","timestamp":1,"returnValue":-2,"container":{"id":"a"},"args":[{"name":"pathname","value":"/a"}]}`,
		`{"name":"security_file_open","timestamp":{"seconds":"1","nanos":2},"workload":{"container":{"id":"a"}},"data":[{"name":"pathname","str":"/a"}]}`,
		`{"path":"a","manifestDigest":"sha256:1","layerIndex":0}`,
		"12:00:00.1 a(1) [0:0]: RCWO+D<> /a exe=/b, parents=(pid=1)\n",
		`{"pid":1,"types":"O","path_raw":[47,255],"timestamp":1.5}`,
		`{"monitors":{"fan":{"processes":{"1":{"path":"/a"}},"process_files":{"1":{"/a":{"first_eid":1,"execs":1}}}},"pt":{"arch_name":"amd64","fs_activity":{"/b":{"syscalls":{"2":{}},"pids":{"1":{}}}}}}}`,
		`{"kind":"AppArmorProfile","spec":{"abstract":{"filesystem":{"readOnlyPaths":["/a","/*"]}}}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		_, _ = Detect(in)
		for _, format := range Formats {
			p, _, err := Import(format, strings.NewReader(string(in)), ImportOptions{})
			if err != nil {
				continue
			}
			var b strings.Builder
			if err := p.Write(&b); err != nil {
				t.Fatal(err)
			}
			if _, err := Read(strings.NewReader(b.String())); err != nil {
				t.Fatalf("%s: what was imported cannot be read: %v", format, err)
			}
		}
	})
}

// Names are cut and paths are counted in bytes, so that no stream fills memory.
func TestImportBounds(t *testing.T) {
	all := newContainers()
	p, err := all.of(origin{id: strings.Repeat("x", 1<<20), name: strings.Repeat("y", 1<<20)})
	if err != nil || len(p.id) != maxOrigin || len(p.name) != maxOrigin {
		t.Errorf("id of %d bytes, name of %d: %v", len(p.id), len(p.name), err)
	}
	for name, c := range map[string]struct {
		left room
		fail bool
	}{
		"fits":  {room{1, 4}, false},
		"bytes": {room{1, 3}, true},
		"paths": {room{0, 4}, true},
	} {
		sum := newCollector()
		sum.room = &c.left
		if err := sum.add(Access{Path: "/a", Resolved: "/b"}); (err != nil) != c.fail {
			t.Errorf("%s: %v", name, err)
		}
	}
}
