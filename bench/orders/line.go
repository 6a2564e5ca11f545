package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// A line is one connection to the service that carries one request at a time. It is as bare as HTTP/1.1 allows, since what
// a client costs is taken from the service on a machine that they share.
type line struct {
	address string
	conn    net.Conn
	in      *bufio.Reader
	out     []byte
	body    []byte
}

// lineTimeout bounds one request, a long poll included.
const lineTimeout = 40 * time.Second

func dial(ctx context.Context, address string) (*line, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &line{address: address, conn: conn, in: bufio.NewReader(conn)}, nil
}

func (l *line) close() { _ = l.conn.Close() }

// do sends a request and returns the answer; its body stands until the next one. Header holds whole lines.
func (l *line) do(method, uri string, header, body []byte) (status int, answer []byte, err error) {
	if err := l.conn.SetDeadline(time.Now().Add(lineTimeout)); err != nil {
		return 0, nil, err
	}
	l.out = fmt.Appendf(l.out[:0], "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", method, uri, l.address, len(body))
	l.out = append(l.out, header...)
	l.out = append(append(l.out, "\r\n"...), body...)
	if _, err := l.conn.Write(l.out); err != nil {
		return 0, nil, err
	}
	first, err := l.in.ReadSlice('\n')
	if err != nil {
		return 0, nil, err
	}
	if len(first) < len("HTTP/1.1 200") {
		return 0, nil, fmt.Errorf("answered %q", first)
	}
	if status, err = strconv.Atoi(string(first[9:12])); err != nil {
		return 0, nil, fmt.Errorf("answered %q", first)
	}
	length, err := skipHeader(l.in)
	if err != nil {
		return 0, nil, err
	}
	if length < 0 && status != http.StatusNoContent {
		return 0, nil, errors.New("answered without a length")
	}
	l.body = append(l.body[:0], make([]byte, max(length, 0))...)
	_, err = io.ReadFull(l.in, l.body)
	return status, l.body, err
}

// skipHeader reads header lines up to the empty one and gives the Content-Length, -1 for none.
func skipHeader(in *bufio.Reader) (length int, err error) {
	length = -1
	for {
		text, err := in.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		text = bytes.TrimRight(text, "\r\n")
		if len(text) == 0 {
			return length, nil
		}
		name, value, _ := bytes.Cut(text, []byte(":"))
		if bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return 0, err
			}
		}
	}
}
