// Package host is the other direction: it makes an Application of a program that speaks a gateway
// protocol. A [CGI] runs a program for each request. A [FastCGI], an [SCGI] and a [UWSGI] pass the
// request on to a server that is running already. So git, PHP, Perl and Python can be mounted
// beside an application of Go, and any protocol can be turned into any other:
//
//	php := &host.FastCGI{
//		Addresses: []string{"unix:/run/php/php8.2-fpm.sock"},
//		Scripts:   host.Scripts{Root: "/srv/www", Suffix: ".php", Index: "index.php"},
//	}
//	serve.Run(middleware.Mount(map[string]gateway.Application{"/blog": php, "/": app}))
//
// A program gets RFC 3875's variables, the request's headers and a few more that web servers have
// (REQUEST_URI, REMOTE_PORT, HTTPS and the like), and [Options.Vars]. It gets nothing of this
// process's own environment, and no variable whose name a client has chosen but HTTP_ ones.
//
// The answer of a program is not trusted. Each name and value is checked, and fields that belong to
// the connection are dropped. An answer that is none is a 502, and one line in Environ.Errors says
// what has come. An answer that was cut short, in whatever way the protocol tells, is a response
// that is cut off.
//
// When the Context of a request ends, since the client has left for one, the request is ended at
// the program too.
package host

import (
	"errors"
	"time"

	"example.com/gateway"
)

// Options is what the applications of this package have in common. The zero value is useful.
type Options struct {
	// Vars are variables of the deployer's, such as GIT_PROJECT_ROOT. They replace those of the
	// request. An empty value takes the request's variable away.
	Vars map[string]string

	// Authorization passes the header Authorization on, as HTTP_AUTHORIZATION. A program that has
	// the web server check passwords needs none (RFC 3875, 4.1.18), and others may read the
	// environment of a process.
	Authorization bool

	// Stream sends the request's body as it comes, and a body of unknown length without a
	// CONTENT_LENGTH. It is for programs that read up to the end, such as git and this module's
	// servers. Otherwise the body is collected first, in memory up to 64 KiB and then in a file
	// without a name, since PHP and most others take a body without a length for none, and run on
	// half a body when a client leaves. A CGI does not collect a body of known length: it ends the
	// program of a client that leaves.
	Stream bool

	// MaxBodyBytes is the size of a request's body: 1 GiB. A negative number is no limit. A larger
	// body gets a 413.
	MaxBodyBytes int64

	// HeadTimeout is how long the program may say nothing before the head of its answer is whole,
	// while it is its turn: 60 seconds. The time begins anew whenever the program takes a part of
	// the body, or sends a part of the head. A negative number is no limit. A program that is slower
	// gets a 504.
	HeadTimeout time.Duration

	// ReadTimeout is how long the program may send nothing while its answer is being read: 60
	// seconds. A negative number is no limit. The response of a slower program is cut off.
	ReadTimeout time.Duration

	// Timeout is how long the whole request may take: unlimited. A client that reads slowly counts
	// too.
	Timeout time.Duration

	// Local answers a local redirect (RFC 3875, 6.2.2): an answer that is nothing but a Location
	// with a path. Local is called with the request changed to a GET of that path, mounted at the
	// root. After ten such redirects of one request the client gets a 502. Without a Local the
	// client gets a 302.
	Local gateway.Application

	// EarlyHints is called with the fields of each interim answer with the status 103.
	// nethttp.EarlyHints is such a function. Without it they are dropped, as other interim answers
	// are.
	EarlyHints func(env *gateway.Environ, headers gateway.Headers) error
}

// The defaults of Options.
const (
	defaultMaxBodyBytes = 1 << 30
	defaultHeadTimeout  = 60 * time.Second
	defaultReadTimeout  = 60 * time.Second
)

// Errors of a program. Each is in Environ.Errors, wrapped with the name of the program and what to
// do, and is an error of the body if the response had begun.
var (
	// ErrUnavailable is for a program that cannot be started or reached: 502.
	ErrUnavailable = errors.New("host: the program cannot be reached")

	// ErrOverloaded is for a request beyond what a CGI or its program take at a time: 503.
	ErrOverloaded = errors.New("host: too many requests are going on")

	// ErrAnswer is for an answer that is none, or that says what no application may say: 502.
	ErrAnswer = errors.New("host: malformed answer")

	// ErrCutShort is for an answer that has ended before it was whole: 502 if it had no head.
	ErrCutShort = errors.New("host: the answer was cut short")

	// ErrTimeout is for a program that was too slow: 504.
	ErrTimeout = errors.New("host: the program is too slow")

	// ErrVariables is for variables that the protocol has no place for: 431.
	ErrVariables = errors.New("host: the request's variables are too large")

	// ErrStorage is for a body that cannot be collected, since the disk is full for one: 507.
	ErrStorage = errors.New("host: the request's body cannot be kept")

	// ErrNotFound is for a path that leads to no script: 404.
	ErrNotFound = errors.New("host: no such script")
)
