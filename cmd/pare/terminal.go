package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/pare-image/pare/layers"
)

// The rules of the terminal:
//
//   - stdout is the result and nothing else: a reference, JSON, a report that
//     was asked for. Everything for people goes to stderr.
//   - Names from images are untrusted. Whatever is written here is escaped
//     once more on its way, so that no forgotten name reaches the terminal raw.
//   - A progress line is drawn on a terminal only. --progress quiet leaves
//     errors and warnings.
//   - There is no colour, so NO_COLOR has nothing to turn off.
//   - An error is one line, "pare: …", and what to do about it; several
//     problems at once are one line each.
type terminal struct {
	stdout, stderr io.Writer

	mu       sync.Mutex
	progress string
	draws    bool   // stderr is a terminal and may be drawn on
	line     string // what is drawn now
}

// Values of --progress.
const (
	progressAuto  = "auto"
	progressPlain = "plain"
	progressQuiet = "quiet"
)

func newTerminal() *terminal {
	return &terminal{stdout: os.Stdout, stderr: os.Stderr, progress: progressAuto}
}

// setProgress decides how much is said.
func (t *terminal) setProgress(mode string) {
	t.progress = mode
	t.draws = mode == progressAuto && term.IsTerminal(int(os.Stderr.Fd()))
}

// result writes a line of the result.
func (t *terminal) result(format string, args ...any) error {
	_, err := io.WriteString(t.stdout, escape(fmt.Sprintf(format, args...))+"\n")
	return err
}

// json writes a document as the result.
func (t *terminal) json(v any) error {
	enc := json.NewEncoder(t.stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	return enc.Encode(v)
}

// note tells people something.
func (t *terminal) note(format string, args ...any) {
	if t.progress != progressQuiet {
		t.say(fmt.Sprintf(format, args...))
	}
}

// warn tells people something that they should not miss.
func (t *terminal) warn(format string, args ...any) {
	t.say("pare: warning: " + fmt.Sprintf(format, args...))
}

// fail tells people an error; further lines of it are further problems.
func (t *terminal) fail(err error) {
	t.say("pare: " + strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "\n      "))
}

func (t *terminal) hint(text string) { t.say("      " + text) }

func (t *terminal) say(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.erase()
	io.WriteString(t.stderr, escape(text)+"\n")
}

// draw shows text as the progress line.
func (t *terminal) draw(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.draws {
		return
	}
	text = escape(text)
	io.WriteString(t.stderr, "\r"+text+strings.Repeat(" ", max(0, len(t.line)-len(text))))
	t.line = text
}

// endProgress takes the progress line away.
func (t *terminal) endProgress() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.erase()
}

func (t *terminal) erase() {
	if t.line != "" {
		io.WriteString(t.stderr, "\r"+strings.Repeat(" ", len(t.line))+"\r")
		t.line = ""
	}
}

// escape leaves newlines and what can be printed; all else becomes \x1b and
// its like.
func escape(s string) string {
	safe := true
	for _, r := range s {
		safe = safe && (r == '\n' || strconv.IsPrint(r)) && r != utf8.RuneError
	}
	if safe {
		return s
	}
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		q := strconv.Quote(l)
		lines[i] = strings.ReplaceAll(strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`), `\\`, `\`)
	}
	return strings.Join(lines, "\n")
}

// printable is a name from an image or a file: as it is, or quoted when
// anything in it is not fit to be printed.
func printable(s string) string {
	q := strconv.Quote(s)
	if s != "" && utf8.ValidString(s) && len(q) == len(s)+2 {
		return s
	}
	return q
}

// oneLine is a text that may hold names from an image, a profile or a plan,
// without the newlines by which it could pass for more than one.
func oneLine(s string) string { return strings.ReplaceAll(escape(s), "\n", `\n`) }

// size is a number of bytes for people.
func size(n int64) string {
	const units = "kMGTPE"
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	v, u := float64(n)/1000, 0
	for ; v >= 999.95; u++ {
		v /= 1000
	}
	return fmt.Sprintf("%.1f %cB", v, units[u])
}

// count is "1 file", "2 files".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// columns lines up rows. Numbers, which begin with a digit, go to the right.
func columns(rows [][]string) string {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if cell != "" && cell[0] >= '0' && cell[0] <= '9' && i > 0 && i < len(row)-1 {
				line.WriteString(pad + cell + "  ")
			} else {
				line.WriteString(cell + pad + "  ")
			}
		}
		b.WriteString("  " + strings.TrimRight(line.String(), " ") + "\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// meter shows how far the reading of an image has come.
type meter struct {
	t     *terminal
	what  string
	total int64

	mu   sync.Mutex
	read map[int]int64
	last time.Time
}

// metered returns what layers.Options.Progress takes.
func (t *terminal) metered(what string, sizes []int64) func(layers.ProgressEvent) {
	m := &meter{t: t, what: what, read: map[int]int64{}}
	for _, n := range sizes {
		m.total += n
	}
	return m.event
}

const drawEvery = 100 * time.Millisecond

func (m *meter) event(e layers.ProgressEvent) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.read[e.Layer] = e.Read
	if m.t.progress == progressPlain && e.Done {
		from := ""
		if e.Cached {
			from = ", from the cache"
		}
		m.t.note("%s: layer %d, %s%s", m.what, e.Layer, size(e.Size), from)
	}
	if now := time.Now(); now.Sub(m.last) >= drawEvery {
		m.last = now
		var sum int64
		for _, n := range m.read {
			sum += n
		}
		m.t.draw(fmt.Sprintf("%s: %s of %s", m.what, size(sum), size(m.total)))
	}
}

// errTerminal says that bytes not meant for eyes were to go to a terminal.
var errTerminal = errors.New("standard output is a terminal; name a file with -o")

// binaryStdout is stdout for bytes that no terminal should get.
func (t *terminal) binaryStdout() (io.Writer, error) {
	if f, ok := t.stdout.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return nil, &usageError{errTerminal}
	}
	return t.stdout, nil
}
