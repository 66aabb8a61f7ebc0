package accounts

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestJoin(t *testing.T) {
	for _, c := range []struct {
		name         string
		file         File
		base, source string
		want         string
		findings     string
	}{
		{
			"distroless", Passwd, "root:x:0:0:root:/root:/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n",
			"root:x:0:0:root:/root:/bin/bash\nredis:x:999:999::/home/redis:/bin/sh\n",
			"root:x:0:0:root:/root:/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\nredis:x:999:999::/home/redis:/bin/sh\n", "",
		},
		{"another number", Passwd, "www:x:33:33::/:/s\n", "www:x:82:82::/:/s\n", "www:x:33:33::/:/s\n", `error "www" is number "33" in the base and "82" in the source, whose files are the latter's`},
		{"another name", Passwd, "systemd:x:999:999::/:/s\n", "redis:x:999:999::/:/s\n", "systemd:x:999:999::/:/s\nredis:x:999:999::/:/s\n", `warning number "999" is "systemd" in the base and "redis" in the source; by number the base's name is found`},
		{"members", Group, "audio:x:29:a\nstaff:x:50:\n", "audio:x:29:a,b\nstaff:x:50:c\nown:x:1000:d\n", "audio:x:29:a,b\nstaff:x:50:c\nown:x:1000:d\n", ""},
		{"a base without accounts", Passwd, "", "root:x:0:0::/root:/bin/sh\n", "root:x:0:0::/root:/bin/sh\n", ""},
		{"a source without", Passwd, "root:x:0:0::/root:/bin/sh", "", "root:x:0:0::/root:/bin/sh\n", ""},
		{"lines of other forms stay", Passwd, "# base\n+::::::\n", "# base\n# ours\nshort:x:1\nroot:x:0:0::/:/s\nroot:x:0:0::/:/s\n", "# base\n+::::::\n# ours\nshort:x:1\nroot:x:0:0::/:/s\n", ""},
		{"an attack on the text of a finding", Passwd, "a\x1b[2J:x:1:1::/:/s\n", "a\x1b[2J:x:2:1::/:/s\n", "a\x1b[2J:x:1:1::/:/s\n", `error "a\x1b[2J" is number "1" in the base and "2" in the source, whose files are the latter's`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, fs := c.file.Join([]byte(c.base), []byte(c.source))
			if d := cmp.Diff(c.want, string(got)); d != "" {
				t.Errorf("merged (-want +got):\n%s", d)
			}
			var text []string
			for _, f := range fs {
				text = append(text, map[bool]string{true: "error ", false: "warning "}[f.Twice]+f.Text)
			}
			if d := cmp.Diff(c.findings, strings.Join(text, "\n")); d != "" {
				t.Errorf("findings (-want +got):\n%s", d)
			}
			if again, _ := c.file.Join(got, []byte(c.source)); string(again) != string(got) {
				t.Errorf("merged again it is\n%s", again)
			}
		})
	}
	if got, fs := Passwd.Join(nil, nil); got != nil || fs != nil {
		t.Errorf("of nothing: %q %v", got, fs)
	}
}

func FuzzJoin(f *testing.F) {
	f.Add([]byte("audio:x:29:a\n"), []byte("audio:x:29:a,b\nown:x:1:c"))
	f.Fuzz(func(t *testing.T, base, source []byte) {
		got, _ := Group.Join(base, source)
		if again, _ := Group.Join(got, source); string(again) != string(got) {
			t.Errorf("merged %q, again %q", got, again)
		}
	})
}
