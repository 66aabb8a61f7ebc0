package onbase

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pare-image/pare/layers/accounts"
)

func TestMergeAccounts(t *testing.T) {
	got, fs := MergeAccounts(accounts.Passwd, []byte("www:x:33:33::/:/s\nsys:x:999:999::/:/s\n"), []byte("www:x:82:82::/:/s\nredis:x:999:999::/:/s\n"))
	if want := "www:x:33:33::/:/s\nsys:x:999:999::/:/s\nredis:x:999:999::/:/s\n"; string(got) != want {
		t.Errorf("merged\n%s\nwant\n%s", got, want)
	}
	var said []string
	for _, f := range fs {
		said = append(said, string(f.Severity)+" "+f.Name+" "+f.Path)
	}
	if d := cmp.Diff([]string{"error base-accounts /etc/passwd", "warning base-accounts /etc/passwd"}, said); d != "" {
		t.Errorf("findings (-want +got):\n%s", d)
	}
}
