package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
)

// An upstream is both channels' merchant interface and the identity look-up, as fast as they can be: every order is made
// payable, every buyer is known, and nothing is kept.
type upstream struct{ listener net.Listener }

func openUpstream(ctx context.Context) (*upstream, error) {
	var c net.ListenConfig
	l, err := c.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	u := &upstream{l}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // closed
			}
			go answer(conn)
		}
	}()
	return u, nil
}

func (u *upstream) url() string { return "http://" + u.listener.Addr().String() }

func (u *upstream) close() { _ = u.listener.Close() }

var (
	prepaid = upstreamAnswer("200 OK", `{"code_url":"weixin://wxpay/bizpayurl?pr=lunchrush"}`)
	unionid = upstreamAnswer("200 OK", `{"unionid":"oLR-union-0001"}`)
	unknown = upstreamAnswer("404 Not Found", `{"code":"ORDER_NOT_EXIST","message":"no such order"}`)
)

func upstreamAnswer(status, body string) []byte {
	return fmt.Appendf(nil, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body)
}

// answer serves one connection until its other end closes it.
func answer(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for {
		request, err := in.ReadString('\n')
		if err != nil {
			return
		}
		length, err := skipHeader(in)
		if err != nil {
			return
		}
		if _, err := in.Discard(max(length, 0)); err != nil {
			return
		}
		reply := unknown
		switch {
		case strings.HasPrefix(request, "POST /v3/pay/transactions/native "):
			reply = prepaid
		case strings.HasPrefix(request, "GET /unionid?"):
			reply = unionid
		}
		if _, err := conn.Write(reply); err != nil {
			return
		}
	}
}
