package engine

import (
	"fmt"
	"strconv"
	"strings"
)

// signals are Linux's numbers on x86-64 and arm64 (signal(7)), whatever the
// machine that pare runs on.
var signals = map[string]int{
	"HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "TRAP": 5, "ABRT": 6, "IOT": 6, "BUS": 7, "FPE": 8, "KILL": 9,
	"USR1": 10, "SEGV": 11, "USR2": 12, "PIPE": 13, "ALRM": 14, "TERM": 15, "STKFLT": 16, "CHLD": 17, "CLD": 17,
	"CONT": 18, "STOP": 19, "TSTP": 20, "TTIN": 21, "TTOU": 22, "URG": 23, "XCPU": 24, "XFSZ": 25, "VTALRM": 26,
	"PROF": 27, "WINCH": 28, "IO": 29, "POLL": 29, "PWR": 30, "SYS": 31,
}

// The signals that end a program, by Linux's numbers.
const (
	SIGKILL = 9
	SIGTERM = 15
)

// The real-time signals that runtimes know: glibc keeps 32 and 33.
const (
	sigRTMin = 34
	sigRTMax = 64
)

// ParseSignal reads an image's StopSignal: "SIGTERM", "term", "15",
// "SIGRTMIN+3"; "" is SIGTERM.
func ParseSignal(text string) (int, error) {
	if text == "" {
		return SIGTERM, nil
	}
	name := strings.TrimPrefix(strings.ToUpper(text), "SIG")
	n, err := strconv.Atoi(name)
	if known, ok := signals[name]; ok {
		n, err = known, nil
	} else if rest, ok := strings.CutPrefix(name, "RTMIN"); ok {
		n, err = offset(sigRTMin, rest, "+")
	} else if rest, ok := strings.CutPrefix(name, "RTMAX"); ok {
		n, err = offset(sigRTMax, rest, "-")
	}
	if err != nil || n < 1 || n > sigRTMax {
		return 0, fmt.Errorf("the image's stop signal %q is no signal of Linux", text)
	}
	return n, nil
}

// offset is from with the number after sign added to it or taken away.
func offset(from int, rest, sign string) (int, error) {
	if rest == "" {
		return from, nil
	}
	digits, ok := strings.CutPrefix(rest, sign)
	n, err := strconv.ParseUint(digits, 10, 5)
	if !ok || err != nil {
		return 0, fmt.Errorf("want %s and a number", sign)
	}
	if sign == "-" {
		return from - int(n), nil
	}
	return from + int(n), nil
}

// SignalName is "SIGTERM" for 15; "signal 40" for one without a name.
func SignalName(n int) string {
	best := ""
	for name, number := range signals {
		if number == n && (best == "" || len(name) > len(best) || len(name) == len(best) && name < best) {
			best = name
		}
	}
	if best == "" {
		return fmt.Sprintf("signal %d", n)
	}
	return "SIG" + best
}
