package probe

import (
	"bufio"
	"context"
	"io"
	"regexp"
	"strings"
	"sync"
	"time"
)

// Bounds of what is kept of a log.
const (
	maxLine   = 16 << 10 // bytes; a longer line counts as several
	lastLines = 10
	lastWait  = 10 * time.Second // for the end of a log that is about to end
)

// logTail follows a workload's log: it finds the first line that matches, and
// remembers the last ones for an error.
type logTail struct {
	matched chan string // one line
	done    chan struct{}
	in      io.Closer

	mu   sync.Mutex
	tail []string
}

func follow(ctx context.Context, c Running, match *regexp.Regexp) (*logTail, error) {
	in, err := c.Logs(ctx)
	if err != nil {
		return nil, err
	}
	t := &logTail{matched: make(chan string, 1), done: make(chan struct{}), in: in}
	go func() {
		defer close(t.done)
		for r := bufio.NewReaderSize(in, maxLine); ; {
			b, err := r.ReadSlice('\n')
			if len(b) > 0 {
				t.line(strings.TrimRight(string(b), "\r\n"), match)
			}
			if err != nil && err != bufio.ErrBufferFull {
				return
			}
		}
	}()
	return t, nil
}

func (t *logTail) line(s string, match *regexp.Regexp) {
	t.mu.Lock()
	t.tail = append(t.tail, shown(s))
	t.tail = t.tail[max(0, len(t.tail)-lastLines):]
	t.mu.Unlock()
	if match != nil && match.MatchString(s) {
		select {
		case t.matched <- s:
		default: // the first one is there
		}
	}
}

// last is the end of an error: the last lines. A log that is about to end is
// waited for.
func (t *logTail) last(ending bool) string {
	if ending {
		wait := time.NewTimer(lastWait)
		defer wait.Stop()
		select {
		case <-t.done:
		case <-wait.C:
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.tail) == 0 {
		return "; it has written nothing"
	}
	return "; the last lines of its log:\n  " + strings.Join(t.tail, "\n  ")
}

// LastWords are the last lines that an ended workload has written, in the
// form of the end of an error: "; the last lines of its log:…".
func LastWords(ctx context.Context, c Running) string {
	t, err := follow(ctx, c, nil)
	if err != nil {
		return ""
	}
	defer t.close()
	return t.last(true)
}

func (t *logTail) close() { t.in.Close() }
