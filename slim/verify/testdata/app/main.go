package main

import (
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	if err := os.WriteFile("/run/app.pid", []byte("1"), 0o644); err != nil {
		fmt.Println(err)
		os.Exit(7) // under a read-only root without a tmpfs
	}
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "hello") })
	http.HandleFunc("/page", func(w http.ResponseWriter, r *http.Request) {
		b, err := os.ReadFile("/srv/current/page.html")
		if err != nil {
			http.Error(w, err.Error(), 500)
			return
		}
		w.Write(b)
	})
	go http.ListenAndServe(":8080", nil)
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGTERM)
	<-c
	os.Exit(0)
}
