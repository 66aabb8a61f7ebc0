package profile

import "strings"

// slimSyscalls are what the calls that ptrace follows do, by architecture and
// number (syscallProcessors of pkg/monitor/ptrace; Linux's unistd tables).
var slimSyscalls = map[string]map[string]Kind{
	"amd64": byNumber(map[Kind]string{
		Open: "2 257 437", Create: "85", Stat: "4 5 6 21 262 269 332 439", Readlink: "89 267",
		Exec: "59 322", Chdir: "80",
	}),
	"arm64": byNumber(map[Kind]string{
		Open: "56 437", Stat: "48 79 291 439", Readlink: "78", Exec: "221 281", Chdir: "49",
	}),
}

func byNumber(calls map[Kind]string) map[string]Kind {
	m := map[string]Kind{}
	for kind, numbers := range calls {
		for number := range strings.FieldsSeq(numbers) {
			m[number] = kind
		}
	}
	return m
}
