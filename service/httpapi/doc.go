// Package httpapi speaks the service's protocol: the public listener for buyers, machines and payment channels, and
// the internal one for the other roles and the operator.
//
// Everything that comes in is bounded: bodies, headers, the time a client may take, the requests that run and that wait.
// A panic answers 500 and is logged. No key, signature or DSN reaches a log.
package httpapi
