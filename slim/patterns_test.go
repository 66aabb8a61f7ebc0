package slim

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Patterns are gitignore(5)'s.
func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern  string
		yes, not string // paths; with a slash behind they are directories
	}{
		{"foo", "/foo /a/foo /a/b/foo/ /foo/x /a/foo/b/c", "/food /a/xfoo"},
		{"foo/", "/foo/ /a/foo/ /a/foo/x", "/foo /a/foo"},
		{"/foo", "/foo /foo/x", "/a/foo"},
		{"a/foo", "/a/foo /a/foo/x", "/b/a/foo"},
		{"*.so", "/x.so /a/b/x.so", "/x.so.1"},
		{"/usr/*/x", "/usr/lib/x /usr/lib/x/y", "/usr/x /usr/lib/a/x"},
		{"/usr/**/x", "/usr/x /usr/lib/x /usr/lib/a/x", "/x /lib/usr/x"},
		{"**/x", "/x /a/x /a/b/x/y", "/ax"},
		{"/usr/**", "/usr/a /usr/a/b", "/usr/"},
		{"/usr/*", "/usr/a /usr/a/b", "/usr/ /usrx/a"},
		{"/a?c/[b-d]", "/abc/b /axc/d/y", "/ac/b /abc/e"},
		{`\!x`, "/!x", "/x"},
		{`/a\*b`, "/a*b", "/axb"},
		{"**", "/a /a/b", ""},
		{"/a/**/b/**/c", "/a/b/c /a/x/b/y/z/c", "/a/b /a/c"},
		{"/usr/lib/x86_64-linux-gnu/", "/usr/lib/x86_64-linux-gnu/ /usr/lib/x86_64-linux-gnu/x", "/usr/lib/x86_64-linux-gnu"},
	} {
		p, err := parsePattern(c.pattern)
		if err != nil {
			t.Errorf("%q: %v", c.pattern, err)
			continue
		}
		for want, list := range map[bool]string{true: c.yes, false: c.not} {
			for name := range strings.FieldsSeq(list) {
				if _, got := last([]pattern{p}, above{}, strings.TrimSuffix(name, "/"), strings.HasSuffix(name, "/")); got != want {
					t.Errorf("%q takes %s: %v", c.pattern, name, got)
				}
			}
		}
	}
}

const patternImage = `
-- layer --
file t
file a/x
file a/y
file a/b/z
file a/b/w
file opt/z
`

func TestKeepAndDrop(t *testing.T) {
	runRuleCases(t, []ruleCase{
		{
			name:    "keep takes what is below, and parents",
			image:   patternImage,
			opened:  "/t",
			options: Options{Keep: []string{"/a/b"}},
			want: `
/t access
/a/b keep pattern:/a/b
/a/b/w keep pattern:/a/b
/a/b/z keep pattern:/a/b
`,
		},
		{
			name:    "the last pattern that matches decides",
			image:   patternImage,
			opened:  "/t",
			options: Options{Keep: []string{"/a", "!z", "/a/b/z", "!/a/y"}},
			want: `
/t access
/a keep pattern:/a
/a/b keep pattern:/a
/a/x keep pattern:/a
/a/b/w keep pattern:/a
/a/b/z keep pattern:/a/b/z
`,
		},
		{
			name:    "drop wins over keep",
			image:   patternImage,
			opened:  "/t",
			options: Options{Keep: []string{"/a"}, Drop: []string{"/a/b/"}},
			want: `
/t access
/a keep pattern:/a
/a/x keep pattern:/a
/a/y keep pattern:/a
`,
		},
		{
			// git would not look into a dropped directory; a file that is
			// asked for by name is meant.
			name:    "what is taken back brings its dropped parents",
			image:   patternImage,
			opened:  "/t",
			options: Options{Keep: []string{"/a"}, Drop: []string{"/a/", "!/a/b/z"}},
			want: `
/t access
/a/b/z keep pattern:/a
`,
		},
		{
			name:    "everything dropped but what was recorded",
			image:   patternImage,
			opened:  "/t /a/x",
			options: Options{Drop: []string{"*", "!/t", "!/a/x", "!/etc/**"}},
			want: `
/t access
/a/x access
`,
		},
		{
			name:    "a rules file, with comments, tabs and the line ends of Windows",
			image:   patternImage,
			opened:  "/t",
			options: Options{Rules: "# text\r\n\r\nkeep /a\r\n  drop\t/a/b/  \r\n"},
			want: `
/t access
/a keep pattern:/a
/a/x keep pattern:/a
/a/y keep pattern:/a
`,
		},
		{
			name:    "kept links bring what they lead to",
			image:   "\n-- layer --\nfile t\nsymlink l -> /r/f\nfile r/f\nfile r/g\n",
			opened:  "/t",
			options: Options{Keep: []string{"/l"}},
			want: `
/t access
/l keep pattern:/l
/r/f keep pattern:/l
`,
		},
	})
}

// A link that is dropped does not bring what it leads to.
func TestDroppedLinks(t *testing.T) {
	image := "\n-- layer --\nfile app/main\nsymlink app/l -> /r/f\nfile r/f\n"
	runRuleCases(t, []ruleCase{
		{
			name: "of an application", image: image, opened: "/app/main",
			options: Options{Granularity: GranularityAuto, Drop: []string{"/app/l"}},
			want:    "/app/main access",
		},
		{
			name: "that a keep pattern names", image: image, opened: "/app/main",
			options: Options{Keep: []string{"/app"}, Drop: []string{"/app/l"}},
			want: `
/app keep pattern:/app
/app/main keep pattern:/app
`,
		},
	})
}

func TestUnsafeDrop(t *testing.T) {
	elf := glibc + program("app", "libc.so.6") + `
file run.sh 0755 "#!/bin/sh\n"
file bin/sh 0755
file usr/share/doc/x
` + "-- config --\n" + `{"Entrypoint":["/app"]}`
	for _, c := range []struct {
		name    string
		opened  string
		options Options
		want    string
	}{
		{"a recorded file", "/run.sh /app", Options{Drop: []string{"/run.sh"}}, "/run.sh"},
		{"a recorded file that a keep rule names too", "/run.sh /app", Options{Keep: []string{"/run.sh"}, Drop: []string{"/run.sh"}}, "/run.sh"},
		{"a needed library", "/app", Options{Drop: []string{"libc.so.6"}}, "/usr/lib/x86_64-linux-gnu/libc.so.6"},
		{"an interpreter", "/run.sh", Options{Drop: []string{"/bin/*"}}, "/bin/sh"},
		{"the entrypoint", "/run.sh", Options{Drop: []string{"/app"}}, "/app"},
		{"a link on the way", "/app", Options{Drop: []string{"/lib64"}}, "/lib64"},
		{"what nobody needs", "/app", Options{Keep: []string{"/usr/share"}, Drop: []string{"/usr/share/doc"}}, ""},
		{"what is taken back", "/app /run.sh", Options{Drop: []string{"/usr/lib/", "!**"}}, ""},
	} {
		c.options.Granularity = GranularityFile
		plan := planned(t, open(t, elf), opened(strings.Fields(c.opened)...), c.options)
		var got []string
		for _, f := range plan.Findings {
			if f.Name == FindingUnsafeDrop && f.Severity == SeverityError {
				got = append(got, f.Path)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: findings on %q, want %q", c.name, got, c.want)
		}
		if err := plan.Err(); (err != nil) != (c.want != "") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	plan := planned(t, open(t, elf), opened("/app"), Options{Drop: []string{"/app"}, Allow: []string{FindingUnsafeDrop}})
	if err := plan.Err(); err != nil || len(plan.Findings) == 0 || !plan.Findings[0].Allowed {
		t.Errorf("allowed: %v %+v", err, plan.Findings)
	}
}

// Whole directories dropped are in the plan path by path, with the rule.
func TestDroppedByRuleIsListed(t *testing.T) {
	plan := planned(t, open(t, patternImage), opened("/t"), Options{Keep: []string{"/a"}, Drop: []string{"/a/b"}})
	got := map[string]string{}
	for _, d := range plan.Dropped {
		got[d.Path] = d.Rule
	}
	want := map[string]string{"/a/b": "drop", "/a/b/w": "drop", "/a/b/z": "drop", "/opt": "", "/opt/z": ""}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("dropped (-want +got):\n%s", d)
	}
}

func TestUnusedPattern(t *testing.T) {
	plan := planned(t, open(t, patternImage), opened("/t"), Options{Keep: []string{"/a/*/z", "/b"}, Drop: []string{"!x\x1b", "/opt/"}})
	var got []string
	for _, f := range plan.Findings {
		if f.Name == FindingUnusedPattern {
			got = append(got, f.Text)
		}
	}
	want := []string{"the pattern /b matches nothing in the image", `the pattern "!x\x1b" matches nothing in the image`}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// A pattern of many stars must not take exponential time.
func TestPatternOfManyStars(t *testing.T) {
	p, err := parsePattern(strings.Repeat("**/a/", 12) + "b")
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(strings.Repeat("a/", 200)+"c", "/")
	start := time.Now()
	if p.match(parts, false) {
		t.Error("it matches")
	}
	if d := time.Since(start); d > 20*time.Second {
		t.Errorf("it took %v", d)
	}
}
