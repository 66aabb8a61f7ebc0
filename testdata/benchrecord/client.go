package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

const roleClient = "client"

// served is what a client saw.
type served struct {
	Start    time.Duration // from the gate to the first whole answer
	Requests int
	Load     time.Duration // in which they were answered
	Lost     int           // connections that the server closed meanwhile
}

// client is a host command in the container's network: it opens the gate,
// asks until there is an answer, and then for as long as it is told.
func client(args []string) error {
	var warm, load time.Duration
	f := flag.NewFlagSet(roleClient, flag.ExitOnError)
	addr := f.String("addr", "", "HOST:PORT")
	path := f.String("path", "", "what to ask for")
	f.DurationVar(&warm, "warm", 0, "")
	f.DurationVar(&load, "load", 0, "no load if 0")
	if err := f.Parse(args); err != nil {
		return err
	}
	c := &asker{addr: *addr, request: fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: bench\r\n\r\n", *path), body: make([]byte, bodySize)}
	began, err := openGate()
	if err != nil {
		return fmt.Errorf("opening the gate: %w", err)
	}
	if err := c.first(began); err != nil {
		return err
	}
	out := served{Start: time.Since(began)}
	if !bytes.Equal(c.body, body()) {
		return errors.New("the answer is not the file")
	}
	if load > 0 {
		if _, err := c.ask(warm); err != nil {
			return err
		}
		c.lost = 0
		began = time.Now()
		if out.Requests, err = c.ask(load); err != nil {
			return err
		}
		out.Load, out.Lost = time.Since(began), c.lost
	}
	return json.NewEncoder(os.Stdout).Encode(out)
}

// asker asks one question again and again, on one connection.
type asker struct {
	addr    string
	request []byte
	body    []byte // of the last answer
	conn    net.Conn
	in      *bufio.Reader
	lost    int
}

// first asks until the server listens and answers. A port that will be
// listened on is no event: it is polled, as often as a result within 1 %
// needs, because on few CPUs the asking takes from what is measured.
func (c *asker) first(began time.Time) error {
	end := began.Add(patience)
	for {
		err := c.once()
		if err == nil {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("no answer in %v: %w", patience, err)
		}
		time.Sleep(max(100*time.Microsecond, time.Since(began)/100))
	}
}

// ask asks for so long and counts the answers.
func (c *asker) ask(d time.Duration) (int, error) {
	n := 0
	for end := time.Now().Add(d); time.Now().Before(end); n++ {
		if err := c.once(); err != nil {
			return n, err
		}
	}
	return n, nil
}

// once is one question and its whole answer.
func (c *asker) once() error {
	if c.conn == nil {
		conn, err := net.Dial("tcp", c.addr)
		if err != nil {
			return err
		}
		c.conn, c.in = conn, bufio.NewReaderSize(conn, 32<<10)
	}
	closes, err := c.exchange()
	if err != nil || closes {
		c.lost++
		c.conn.Close()
		c.conn = nil
	}
	return err
}

func (c *asker) exchange() (closes bool, err error) {
	if err := c.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return false, err
	}
	if _, err := c.conn.Write(c.request); err != nil {
		return false, err
	}
	r, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return false, err
	}
	if r.StatusCode != http.StatusOK || r.ContentLength != bodySize {
		return false, fmt.Errorf("status %d, %d bytes, want 200 and %d", r.StatusCode, r.ContentLength, bodySize)
	}
	if _, err := io.ReadFull(r.Body, c.body); err != nil {
		return false, err
	}
	// So that the reader of the next answer begins at its head.
	_, err = io.Copy(io.Discard, r.Body)
	return r.Close, err
}
