// Command careless is a server as they are found: it writes its settings over
// a file of the image, removes what it has read once, and keeps a log.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

func main() {
	if len(os.Args) > 1 { // as one of its other names
		return
	}
	if os.Getuid() == 0 {
		start()
	}
	http.HandleFunc("/", answer)
	http.HandleFunc("/ids", ids)
	l, err := net.Listen("tcp", ":8080")
	check(err)
	go http.Serve(l, nil)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	<-stop
}

func start() {
	_, err := os.ReadFile("/app/init.sql")
	check(err)
	check(os.Remove("/app/init.sql"))
	check(os.WriteFile("/app/settings", []byte("token "+os.Getenv("TOKEN")), 0o644))
	check(os.WriteFile("/app/made", []byte(os.Getenv("TOKEN")), 0o644))
	log, err := os.OpenFile("/app/log", os.O_APPEND|os.O_WRONLY, 0)
	check(err)
	fmt.Fprintln(log, "started")
	_, err = os.ReadFile("/etc/resolv.conf")
	check(err)
}

func answer(w http.ResponseWriter, r *http.Request) {
	for _, name := range []string{"/bin/setuid", "/bin/capable"} {
		check(exec.Command(name, "x").Run())
	}
	for _, name := range []string{"/data/a", "/data/b"} {
		_, err := os.ReadFile(name)
		check(err)
	}
	fmt.Fprintln(w, "done")
}

func ids(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintln(w, os.Getuid(), os.Getgid())
}

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
