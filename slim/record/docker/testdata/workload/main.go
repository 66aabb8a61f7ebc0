// Command workload is the only program of the tests' images: it does what its
// arguments say, one after another.
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	for _, arg := range os.Args[1:] {
		verb, rest, _ := strings.Cut(arg, "=")
		if err := do(verb, rest); err != nil {
			fmt.Fprintln(os.Stderr, "workload:", arg+":", err)
			os.Exit(1)
		}
	}
}

func do(verb, rest string) error {
	switch verb {
	case "serve": // listens when the next argument's turn comes; echoes until SIGTERM
		l, err := net.Listen("tcp", rest)
		if err != nil {
			return err
		}
		go func() { _ = serve(l) }()
	case "say":
		fmt.Println(rest)
	case "warn":
		fmt.Fprintln(os.Stderr, rest)
	case "env":
		fmt.Println(strings.Join(os.Environ(), "\n"))
	case "ids":
		groups, err := os.Getgroups()
		fmt.Println(os.Getuid(), os.Getgid(), groups, err)
	case "dir":
		dir, err := os.Getwd()
		fmt.Println(dir, err)
	case "cat":
		if rest == "" {
			_, err := io.Copy(os.Stdout, os.Stdin)
			return err
		}
		b, err := os.ReadFile(rest)
		os.Stdout.Write(b)
		return err
	case "grep": // grep=WORD:FILE
		word, file, _ := strings.Cut(rest, "@")
		b, err := os.ReadFile(file)
		for line := range strings.Lines(string(b)) {
			if strings.HasPrefix(line, word) {
				fmt.Print(line)
			}
		}
		return err
	case "write":
		err := os.WriteFile(rest, []byte("written\n"), 0o644)
		fmt.Println("write", rest, err)
	case "dial":
		c, err := net.DialTimeout("tcp", rest, time.Second)
		if err == nil {
			c.Close()
		}
		fmt.Println("dial", rest, err)
	case "flood":
		n, _ := strconv.Atoi(rest)
		line := strings.Repeat("x", 1023) + "\n"
		for range n {
			fmt.Print(line)
		}
	case "wait": // for SIGTERM
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGTERM)
		fmt.Println("ready")
		<-stop
		fmt.Println("stopping")
	case "exit":
		code, err := strconv.Atoi(rest)
		if err != nil {
			return err
		}
		os.Exit(code)
	default:
		return fmt.Errorf("unknown verb")
	}
	return nil
}

func serve(l net.Listener) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			_, _ = io.Copy(c, c)
		}()
	}
}
