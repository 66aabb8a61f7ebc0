// Command guest is what the tests of builtin run inside containers: each word
// of its command line is a thing to do, with its argument behind an "=".
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	for _, word := range os.Args[1:] {
		do, arg, _ := strings.Cut(word, "=")
		f := doing[do]
		if f == nil {
			fmt.Printf("%s: unknown\n", do)
			os.Exit(2)
		}
		f(arg)
	}
}

var doing map[string]func(string)

func init() {
	doing = map[string]func(string){
		"say":     func(s string) { fmt.Println(s) },
		"exit":    func(s string) { n, _ := strconv.Atoi(s); os.Exit(n) },
		"echo":    func(string) { io.Copy(os.Stdout, os.Stdin) },
		"ids":     func(string) { ids() },
		"env":     func(string) { fmt.Println(strings.Join(os.Environ(), " ")) },
		"pid":     func(string) { fmt.Println(os.Getpid(), os.Getppid()) },
		"cwd":     func(string) { d, err := os.Getwd(); fmt.Println(d, err) },
		"host":    func(string) { n, err := os.Hostname(); fmt.Println(n, err) },
		"status":  status,
		"ls":      ls,
		"cat":     func(s string) { b, err := os.ReadFile(s); show(s, err, string(b)) },
		"xattr":   xattr,
		"stat":    stat,
		"write":   func(s string) { show("write "+s, os.WriteFile(s, []byte("x"), 0o644), "ok") },
		"mknod":   func(s string) { show("mknod", syscall.Mknod(s, syscall.S_IFCHR|0o666, 1<<8|5), "ok") },
		"open":    func(s string) { f, err := os.OpenFile(s, os.O_RDWR, 0); show("open "+s, err, "ok"); f.Close() },
		"mount":   func(s string) { show("mount", syscall.Mount("none", s, "tmpfs", 0, ""), "ok") },
		"unshare": func(string) { show("unshare", syscall.Unshare(syscall.CLONE_NEWNS), "ok") },
		"listen":  listen,
		"serve":   serve,
		"wait":    func(string) { wait() },
		"spawn":   spawn,
		"sleep":   func(s string) { d, _ := time.ParseDuration(s); time.Sleep(d) },
	}
}

func show(what string, err error, ok string) {
	if err != nil {
		fmt.Println(what+":", err)
		return
	}
	fmt.Println(ok)
}

func ids() {
	groups, _ := os.Getgroups()
	slices.Sort(groups)
	fmt.Println(os.Getuid(), os.Getgid(), groups)
}

// status prints lines of /proc/self/status by their names.
func status(names string) {
	raw, err := os.ReadFile("/proc/self/status")
	if err != nil {
		fmt.Println(err)
	}
	for line := range strings.Lines(string(raw)) {
		name, value, _ := strings.Cut(line, ":")
		if slices.Contains(strings.Split(names, ","), name) {
			fmt.Println(name, strings.TrimSpace(value))
		}
	}
}

func ls(dir string) {
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	show("ls "+dir, err, strings.Join(names, " "))
}

func stat(name string) {
	var st syscall.Stat_t
	if err := syscall.Lstat(name, &st); err != nil {
		fmt.Println(name, err)
		return
	}
	fmt.Printf("%s %o %d:%d links=%d mtime=%d\n", name, st.Mode, st.Uid, st.Gid, st.Nlink, st.Mtim.Sec)
}

func xattr(name string) {
	buf := make([]byte, 4096)
	n, err := syscall.Listxattr(name, buf)
	names := strings.FieldsFunc(string(buf[:max(n, 0)]), func(r rune) bool { return r == 0 })
	slices.Sort(names)
	show("xattr "+name, err, strings.Join(names, " "))
}

func listen(addr string) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, "hello\n")
			c.Close()
		}
	}()
}

func serve(addr string) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	go http.Serve(l, http.FileServer(http.Dir("/")))
}

// wait ends at SIGTERM with exit code 7.
func wait() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGTERM)
	fmt.Println("ready")
	<-c
	fmt.Println("terminated")
	os.Exit(7)
}

// spawn starts another guest that nobody waits for.
func spawn(words string) {
	p, err := os.StartProcess("/proc/self/exe", append([]string{"guest"}, strings.Fields(words)...), &os.ProcAttr{Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}})
	if err != nil {
		fmt.Println(err)
		return
	}
	p.Release()
}
