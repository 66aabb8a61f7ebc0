package accounts

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMerge(t *testing.T) {
	for _, c := range []struct {
		name                             string
		file                             File
		old, app, base, want, wantsToSay string
	}{
		{"the base adds a user", Passwd, "r:x:0:0:::", "r:x:0:0:::|app:x:9:9:::", "r:x:0:0:::|svc:x:8:8:::", "r:x:0:0:::|svc:x:8:8:::|app:x:9:9:::", ""},
		{"the base takes one away", Passwd, "r:x:0:0:::|old:x:7:7:::", "r:x:0:0:::|old:x:7:7:::|app:x:9:9:::", "r:x:0:0:::", "r:x:0:0:::|app:x:9:9:::", ""},
		{"the image took one away", Passwd, "r:x:0:0:::|old:x:7:7:::", "r:x:0:0:::", "r:x:0:0:::|old:x:7:7:::", "r:x:0:0:::", ""},
		{"the base changes a shell", Passwd, "r:x:0:0:::/bin/sh", "r:x:0:0:::/bin/sh|app:x:9:9:::", "r:x:0:0:::/bin/bash", "r:x:0:0:::/bin/bash|app:x:9:9:::", ""},
		{"each changes another field", Passwd, "u:x:1:1:::/bin/sh", "u:x:1:1::/home:/bin/sh", "u:x:1:1:::/bin/bash", "u:x:1:1::/home:/bin/bash", ""},
		{"both add it with another number", Passwd, "", "u:x:1:1:::", "u:x:2:2:::", "u:x:1:1:::", "u has the number 1 in the image and 2 in the new base; the image's stays"},
		{"one number for two", Passwd, "", "a:x:5:5:::", "b:x:5:5:::", "b:x:5:5:::|a:x:5:5:::", "b and a would both have the number 5: files of one would be the other's"},
		{"one number for two, as before", Passwd, "a:x:5:5:::|b:x:5:5:::", "a:x:5:5:::|b:x:5:5:::|c:x:6:6:::", "a:x:5:5:::|b:x:5:5:::", "a:x:5:5:::|b:x:5:5:::|c:x:6:6:::", ""},
		{"several ranges of one user", SubUID, "u:1:9", "u:1:9|u:20:9|v:40:9", "u:1:9|w:60:9", "u:1:9|w:60:9|u:20:9|v:40:9", ""},
		{"members of a group", Group, "g:x:1:a,b", "g:x:1:a,b,app", "g:x:1:a,svc", "g:x:1:a,svc,app", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := func(s string) []byte {
				if s == "" {
					return nil
				}
				return []byte(strings.ReplaceAll(s, "|", "\n") + "\n")
			}
			got, conflicts := c.file.Merge(file(c.old), file(c.app), file(c.base))
			if diff := cmp.Diff(string(file(c.want)), string(got)); diff != "" {
				t.Errorf("file (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.wantsToSay, strings.Join(conflicts, "; ")); diff != "" {
				t.Errorf("conflicts (-want +got):\n%s", diff)
			}
		})
	}
}
