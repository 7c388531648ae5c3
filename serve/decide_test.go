package serve

import (
	"fmt"
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"testing"
)

const pid = 4711

// A sign is something that says how to serve.
type sign struct {
	name  string
	env   []string
	files []int  // that are listening sockets
	want  string // as show has it
}

// signs are in the order in which they count.
var signs = []sign{
	{"GATEWAY", []string{"GATEWAY=scgi:tcp:127.0.0.1:9000"}, nil, "scgi tcp 127.0.0.1:9000"},
	{"stdin", nil, []int{0}, "fcgi fd 0"},
	{"LISTEN_FDS", []string{fmt.Sprint("LISTEN_PID=", pid), "LISTEN_FDS=2", "LISTEN_FDNAMES=uwsgi:web"}, []int{3, 4}, "uwsgi fd 3, http fd 4"},
	{"CGI", []string{"REQUEST_METHOD=GET"}, nil, "cgi"},
	{"Lambda", []string{"AWS_LAMBDA_RUNTIME_API=127.0.0.1:9001"}, nil, "lambda 127.0.0.1:9001"},
	{"Azure", []string{"FUNCTIONS_CUSTOMHANDLER_PORT=7071"}, nil, "http tcp 127.0.0.1:7071"},
	{"IIS", []string{"HTTP_PLATFORM_PORT=26743"}, nil, "http tcp 127.0.0.1:26743"},
	{"PORT", []string{"PORT=8080"}, nil, "http tcp :8080"},
}

func show(ways []way) string {
	var list []string
	for _, w := range ways {
		s := w.protocol
		switch w.network {
		case "":
			if w.protocol == "lambda" {
				s += " " + w.address
			}
		case "fd":
			s += fmt.Sprint(" fd ", w.fd)
		default:
			s += " " + w.network + " " + w.address
		}
		if w.network == "unix" {
			s += fmt.Sprintf(" %04o", w.mode)
		}
		if w.isProxied {
			s += " proxy " + proxiesOf(w, " ")
		}
		if w.stream {
			s += " stream"
		}
		list = append(list, s)
	}
	return strings.Join(list, ", ")
}

func proxiesOf(w way, separator string) string {
	var list []string
	for _, peers := range w.proxies {
		list = append(list, peers.String())
	}
	return strings.Join(list, separator)
}

func processWith(env []string, files ...int) *process {
	return &process{
		env: func(name string) string {
			for _, entry := range env {
				if key, value, _ := strings.Cut(entry, "="); key == name {
					return value
				}
			}
			return ""
		},
		pid:         pid,
		isListening: func(fd int) bool { return slices.Contains(files, fd) },
	}
}

// The first sign that is there counts, whatever other signs there are.
func TestTheFirstSignCounts(t *testing.T) {
	t.Parallel()
	for set := range 1 << len(signs) {
		want := "http tcp 127.0.0.1:8000"
		var names, env []string
		var files []int
		for i := len(signs) - 1; i >= 0; i-- {
			if set&(1<<i) != 0 {
				want = signs[i].want
				names = append(names, signs[i].name)
				env = append(env, signs[i].env...)
				files = append(files, signs[i].files...)
			}
		}
		ways, err := processWith(env, files...).decide()
		if got := show(ways); got != want || err != nil {
			t.Errorf("%q: %s, %v, want %s", names, got, err, want)
		}
		for _, w := range ways {
			if w.why == "" && w.protocol != "cgi" {
				t.Errorf("%q: no reason is given for %s", names, show(ways))
			}
			if w.another == "" && w.network != "" {
				t.Errorf("%q: nothing says how to have another socket than %s", names, show(ways))
			}
		}
	}
}

func TestWhatTheVariablesSay(t *testing.T) {
	t.Parallel()
	own := fmt.Sprint("LISTEN_PID=", pid)
	const byDefault = "http tcp 127.0.0.1:8000"
	for _, c := range []struct {
		env   []string
		files []int
		want  string // an error, if it begins with "serve: "
	}{
		{[]string{"GATEWAY=cgi"}, nil, "cgi"},
		{[]string{"GATEWAY=cgi", "AWS_LAMBDA_RUNTIME_API=a:1"}, nil, "cgi"},
		{[]string{"GATEWAY=lambda", "AWS_LAMBDA_RUNTIME_API=a:1"}, nil, "lambda a:1"},
		{[]string{"GATEWAY=lambda:stream", "AWS_LAMBDA_RUNTIME_API=a:1"}, nil, "lambda a:1 stream"},
		{[]string{"GATEWAY=lambda"}, nil, `serve: GATEWAY is "lambda": AWS_LAMBDA_RUNTIME_API is not set`},
		{[]string{"GATEWAY=lambda:buffer", "AWS_LAMBDA_RUNTIME_API=a:1"}, nil,
			`serve: GATEWAY is "lambda:buffer": want "cgi"`},
		{[]string{"GATEWAY=lambda:", "AWS_LAMBDA_RUNTIME_API=a:1"}, nil, `serve: GATEWAY is "lambda:": want "cgi"`},
		{[]string{"AWS_LAMBDA_RUNTIME_API=", "PORT=80"}, nil, "http tcp :80"},
		{[]string{"GATEWAY=fcgi:unix:/run/app.sock"}, nil, "fcgi unix /run/app.sock 0600"},
		{[]string{"GATEWAY=uwsgi:unix:app.sock?mode=0660"}, nil, "uwsgi unix app.sock 0660"},
		{[]string{"GATEWAY=http:unix:/a:b?mode=666"}, nil, "http unix /a:b 0666"},
		{[]string{"GATEWAY=http:unix:/a?mode=666&mode=0660"}, nil, "http unix /a 0660"},
		{[]string{"GATEWAY=scgi:fd:0"}, []int{0}, "scgi fd 0"},
		{[]string{"GATEWAY=http:tcp::80?proxy=10.0.0.0/8,192.0.2.1,2001:db8::1"}, nil,
			"http tcp :80 proxy 10.0.0.0/8 192.0.2.1/32 2001:db8::1/128"},
		{[]string{"GATEWAY=http:unix:/a?mode=0660&proxy=unix"}, nil, "http unix /a 0660 proxy "},
		{[]string{"GATEWAY=http:fd:3?proxy=unix"}, []int{3}, "http fd 3 proxy "},
		{[]string{"GATEWAY=fcgi:fd:3?proxy=::/0"}, []int{3}, "fcgi fd 3 proxy ::/0"},
		{[]string{"GATEWAY=http:unix:/a?proxy=10.0.0.1"}, nil,
			`serve: GATEWAY is "http:unix:/a?proxy=10.0.0.1": "10.0.0.1" is no proxy of a Unix socket, want proxy=unix`},
		{[]string{"GATEWAY=http:tcp::80?proxy=unix"}, nil,
			`serve: GATEWAY is "http:tcp::80?proxy=unix": "unix" is no address of a proxy`},
		{[]string{"GATEWAY=http:tcp::80?proxy="}, nil,
			`serve: GATEWAY is "http:tcp::80?proxy=": "" is no address of a proxy`},
		{[]string{"GATEWAY=http:tcp::80?proxy=10.0.0.1,"}, nil,
			`serve: GATEWAY is "http:tcp::80?proxy=10.0.0.1,": "" is no address`},
		{[]string{"GATEWAY=http:tcp::80?proxy=fe80::1%25e"}, nil,
			`serve: GATEWAY is "http:tcp::80?proxy=fe80::1%25e": "fe80::1%25e" is no`},
		{[]string{"GATEWAY=http:tcp::80?proxy=lb.example"}, nil,
			`serve: GATEWAY is "http:tcp::80?proxy=lb.example": "lb.example" is no`},
		{[]string{"GATEWAY=http:tcp::80?proxy=10.0.0.0/33"}, nil,
			`serve: GATEWAY is "http:tcp::80?proxy=10.0.0.0/33": "10.0.0.0/33" is no`},
		{[]string{"GATEWAY=http:fd:3"}, []int{0, 3}, "http fd 3"},
		{[]string{"GATEWAY=http:fd:3"}, []int{0}, `serve: GATEWAY is "http:fd:3": file 3 is not a listening socket`},
		{[]string{"GATEWAY=http:fd:"}, nil, `serve: GATEWAY is "http:fd:": "" is no file`},
		{[]string{"GATEWAY=http:fd:-1"}, nil, `serve: GATEWAY is "http:fd:-1": "-1" is no file`},
		{[]string{"GATEWAY=http:fd:4294967296"}, nil, `serve: GATEWAY is "http:fd:4294967296": "4294967296" is no file`},
		{[]string{"GATEWAY=cgi:fd:0"}, []int{0}, `serve: GATEWAY is "cgi:fd:0": want`},
		{[]string{"GATEWAY=fcgi:unix:/a?user=www"}, nil, `serve: GATEWAY is "fcgi:unix:/a?user=www": "user" is no option`},
		{[]string{"GATEWAY=fcgi:unix:/a?mode=0660&group=www"}, nil,
			`serve: GATEWAY is "fcgi:unix:/a?mode=0660&group=www": "group" is no option`},
		{[]string{"GATEWAY=fcgi:unix:/a?"}, nil, `serve: GATEWAY is "fcgi:unix:/a?": "" is no option`},
		{[]string{"GATEWAY=http:tcp::80?mode=0660"}, nil, `serve: GATEWAY is "http:tcp::80?mode=0660": "mode" is no option`},
		{[]string{"GATEWAY=http:fd:0?mode=0660"}, []int{0}, `serve: GATEWAY is "http:fd:0?mode=0660": "mode" is no option`},
		{[]string{"GATEWAY=http:tcp:[::1]:80"}, nil, "http tcp [::1]:80"},
		{[]string{"GATEWAY=http:tcp::0"}, nil, "http tcp :0"},
		{[]string{"GATEWAY="}, nil, byDefault},
		{[]string{"GATEWAY=", "PORT=80"}, nil, "http tcp :80"},
		{[]string{"GATEWAY=ajp:tcp:127.0.0.1:80"}, nil, `serve: GATEWAY is "ajp:tcp:127.0.0.1:80": want "cgi", or`},
		{[]string{"GATEWAY=CGI"}, nil, `serve: GATEWAY is "CGI": want`},
		{[]string{"GATEWAY=cgi:unix:/run/app.sock"}, nil, `serve: GATEWAY is "cgi:unix:/run/app.sock": want`},
		{[]string{"GATEWAY=CGI/1.1"}, nil, `serve: GATEWAY is "CGI/1.1": want`},
		{[]string{"GATEWAY=http"}, nil, `serve: GATEWAY is "http": want`},
		{[]string{"GATEWAY=http:"}, nil, `serve: GATEWAY is "http:": want`},
		{[]string{"GATEWAY=http:8080"}, nil, `serve: GATEWAY is "http:8080": want`},
		{[]string{"GATEWAY=http://127.0.0.1:80"}, nil, `serve: GATEWAY is "http://127.0.0.1:80": want`},
		{[]string{"GATEWAY=http:tcp:8080"}, nil, `serve: GATEWAY is "http:tcp:8080": address 8080: missing port`},
		{[]string{"GATEWAY=http:tcp:127.0.0.1:"}, nil, `serve: GATEWAY is "http:tcp:127.0.0.1:": "" is no port`},
		{[]string{"GATEWAY=http:tcp:127.0.0.1:http"}, nil, `serve: GATEWAY is "http:tcp:127.0.0.1:http": "http" is no port`},
		{[]string{"GATEWAY=http:tcp:127.0.0.1:65536"}, nil, `serve: GATEWAY is "http:tcp:127.0.0.1:65536": "65536" is no port`},
		{[]string{"GATEWAY=http:udp:127.0.0.1:80"}, nil, `serve: GATEWAY is "http:udp:127.0.0.1:80": want`},
		{[]string{"GATEWAY=scgi:unix:"}, nil, `serve: GATEWAY is "scgi:unix:": want`},
		{[]string{"GATEWAY=scgi:unix:?mode=0600"}, nil, `serve: GATEWAY is "scgi:unix:?mode=0600": want`},
		{[]string{"GATEWAY=scgi:unix:/run/"}, nil, `serve: GATEWAY is "scgi:unix:/run/": a Unix socket is no folder`},
		{[]string{"GATEWAY=scgi:unix:@app"}, nil, `serve: GATEWAY is "scgi:unix:@app": a Unix socket is a path`},
		{[]string{"GATEWAY=scgi:unix:/a?mode=888"}, nil, `serve: GATEWAY is "scgi:unix:/a?mode=888": "888" is no mode`},
		{[]string{"GATEWAY=scgi:unix:/a?mode=1777"}, nil, `serve: GATEWAY is "scgi:unix:/a?mode=1777": "1777" is no mode`},
		{[]string{"GATEWAY=scgi:unix:/a?mode="}, nil, `serve: GATEWAY is "scgi:unix:/a?mode=": "" is no mode`},
		{[]string{"GATEWAY=scgi:unix:/a?mode=60"}, nil, `serve: GATEWAY is "scgi:unix:/a?mode=60": "60" is no mode`},

		// sd_listen_fds(3): the variables are for the process that LISTEN_PID names.
		{[]string{"LISTEN_PID=1", "LISTEN_FDS=1"}, []int{3}, byDefault},
		{[]string{"LISTEN_FDS=1"}, []int{3}, byDefault},
		{[]string{own, "LISTEN_FDS=1"}, []int{3}, "http fd 3"},
		{[]string{own, "LISTEN_FDS=1", "LISTEN_FDNAMES=fcgi"}, []int{3}, "fcgi fd 3"},
		{[]string{own, "LISTEN_FDS=4", "LISTEN_FDNAMES=scgi:fcgi.socket::http"}, []int{3, 4, 5, 6}, "scgi fd 3, http fd 4, http fd 5, http fd 6"},
		{[]string{own, "LISTEN_FDS=1", "LISTEN_FDNAMES=uwsgi:scgi:fcgi"}, []int{3}, "uwsgi fd 3"},
		{[]string{own, "LISTEN_FDS=1", "LISTEN_FDNAMES=cgi"}, []int{3}, "http fd 3"},
		{[]string{own, "LISTEN_FDS=0"}, nil, `serve: LISTEN_FDS is "0"`},
		{[]string{own, "LISTEN_FDS=-1"}, nil, `serve: LISTEN_FDS is "-1"`},
		{[]string{own, "LISTEN_FDS=1001"}, nil, `serve: LISTEN_FDS is "1001"`},
		{[]string{own, "LISTEN_FDS=two"}, nil, `serve: LISTEN_FDS is "two"`},
		{[]string{own}, nil, byDefault},
		{[]string{own, "LISTEN_FDS="}, []int{3}, byDefault},
		{[]string{own, "LISTEN_FDS=", "PORT=80"}, nil, "http tcp :80"},
		{[]string{"LISTEN_PID=me", "LISTEN_FDS=1"}, nil, `serve: LISTEN_PID is "me"`},
		{[]string{"LISTEN_PID=-5", "LISTEN_FDS=1"}, nil, `serve: LISTEN_PID is "-5"`},
		{[]string{own, "LISTEN_FDS=2"}, []int{3}, `serve: LISTEN_FDS is "2", but file 4 is not a listening socket`},

		// RFC 3875, 4.1.4 and 4.1.12: both are always there (C8, C21), but a host passes on what its
		// configuration names.
		{[]string{"REQUEST_METHOD=GET"}, nil, "cgi"},
		{[]string{"REQUEST_METHOD=GET", "PORT=80"}, nil, "cgi"},
		{[]string{"REQUEST_METHOD=GET", "GATEWAY_INTERFACE="}, nil, "cgi"},
		{[]string{"GATEWAY_INTERFACE=CGI/1.1"}, nil, byDefault},
		{[]string{"REQUEST_METHOD=", "GATEWAY_INTERFACE=CGI/1.1"}, nil, byDefault},

		{[]string{"PORT="}, nil, byDefault},
		{[]string{"PORT=0"}, nil, "http tcp :0"},
		{[]string{"PORT=65535"}, nil, "http tcp :65535"},
		{[]string{"PORT=65536"}, nil, `serve: PORT is "65536", want a number`},
		{[]string{"PORT=080"}, nil, `serve: PORT is "080"`},
		{[]string{"PORT=-1"}, nil, `serve: PORT is "-1"`},
		{[]string{"PORT=http"}, nil, `serve: PORT is "http"`},
		{[]string{"PORT=127.0.0.1:80"}, nil, `serve: PORT is "127.0.0.1:80"`},
		{[]string{"HTTP_PLATFORM_PORT=", "FUNCTIONS_CUSTOMHANDLER_PORT=", "PORT=80"}, nil, "http tcp :80"},
		{[]string{"HTTP_PLATFORM_PORT=x", "PORT=80"}, nil, `serve: HTTP_PLATFORM_PORT is "x", want a number`},
		{[]string{"FUNCTIONS_CUSTOMHANDLER_PORT=-1"}, nil, `serve: FUNCTIONS_CUSTOMHANDLER_PORT is "-1", want a number`},
	} {
		ways, err := processWith(c.env, c.files...).decide()
		got := show(ways)
		if err != nil {
			got = err.Error()
		}
		if got != c.want && !(err != nil && strings.HasPrefix(c.want, "serve: ") && strings.HasPrefix(got, c.want)) {
			t.Errorf("%q: %s, want %s", c.env, got, c.want)
		}
	}
}

// The reason names variables that do not count. Which of them are set makes no difference to its
// truth.
func TestTheReasonOfTheDefaultIsTrueWithCGIVariables(t *testing.T) {
	t.Parallel()
	ways, err := processWith([]string{"GATEWAY_INTERFACE=CGI/1.1", "SCRIPT_NAME=/app", "LISTEN_FDS=1",
		"LISTEN_PID=1"}, 3).decide()
	if err != nil {
		t.Fatal(err)
	}
	const want = "neither stdin nor GATEWAY, LISTEN_PID, REQUEST_METHOD or PORT says otherwise"
	if ways[0].why != want {
		t.Errorf("the reason is %q, want %q", ways[0].why, want)
	}
}

// The field counts before all that the environment says, and nothing of that is looked at.
func TestServerGatewayCountsBeforeTheEnvironment(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"cgi":                 "cgi",
		"scgi:unix:/a":        "scgi unix /a 0600",
		"http":                `serve: Server.Gateway is "http": want "cgi", or`,
		"http:fd:4":           `serve: Server.Gateway is "http:fd:4": file 4 is not a listening socket`,
		"uwsgi:unix:/a?x=y":   `serve: Server.Gateway is "uwsgi:unix:/a?x=y": "x" is no option`,
		"uwsgi:unix:/a?mode=": `serve: Server.Gateway is "uwsgi:unix:/a?mode=": "" is no mode`,
	} {
		p := processWith([]string{"GATEWAY=nonsense", "REQUEST_METHOD=GET", "LISTEN_PID=x", "LISTEN_FDS=x", "PORT=x"}, 0)
		p.gateway = value
		ways, err := p.decide()
		got := show(ways)
		if err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, want) {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
		for _, w := range ways {
			if w.protocol != "cgi" && w.another != "name another socket in Server.Gateway" {
				t.Errorf("%q: to have another socket, %s", value, w.another)
			}
		}
	}
}

// Where there are no sockets, package net makes some that nobody can connect to.
func TestWithoutSocketsEverythingIsCGI(t *testing.T) {
	t.Parallel()
	const no = ": there are no sockets on this system, want \"cgi\""
	for _, c := range []struct {
		env  []string
		want string
	}{
		{nil, "cgi"},
		{[]string{"PORT=80"}, "cgi"},
		{[]string{"REQUEST_METHOD=GET"}, "cgi"},
		{[]string{"GATEWAY=cgi"}, "cgi"},
		{[]string{"GATEWAY=http:tcp:127.0.0.1:0"}, `serve: GATEWAY is "http:tcp:127.0.0.1:0"` + no},
		{[]string{"GATEWAY=fcgi:unix:/a"}, `serve: GATEWAY is "fcgi:unix:/a"` + no},
		{[]string{"GATEWAY=fcgi:fd:0"}, `serve: GATEWAY is "fcgi:fd:0"` + no},
	} {
		p := processWith(c.env)
		p.noSockets = true
		ways, err := p.decide()
		got := show(ways)
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%q: %s, want %s", c.env, got, c.want)
		}
	}
}

// A way that parse accepts has everything that listening needs, and there is one way to write it.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"cgi", "lambda", "lambda:stream", "fcgi:unix:/run/app.sock", "scgi:unix:/a?mode=0660", "http:tcp:127.0.0.1:80", "uwsgi:tcp:[::1]:0",
		"http:unix:a?mode=7777777777777", "scgi:fd:0", "http:fd:03", "fcgi:unix:/a?user=x", "http:tcp::",
		"http:unix:a?proxy=unix", "http:tcp::80?proxy=10.0.0.0/8,::1", "fcgi:fd:3?proxy=unix", "fcgi:fd:3?proxy=::/0",
		"http:unix:@x", "::", "http:tcp:[:80"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		w, err := parse(value)
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without a text")
			}
			return
		}
		written := w.protocol
		switch {
		case w.protocol == "cgi":
		case w.protocol == "lambda":
			if w.stream {
				written += ":stream"
			}
		case w.network == "unix":
			if w.address == "" || w.mode&^0o777 != 0 {
				t.Errorf("%q: %+v", value, w)
			}
			written += ":unix:" + w.address + fmt.Sprintf("?mode=%o", w.mode)
		case w.network == "tcp":
			written += ":tcp:" + w.address
		case w.network == "fd":
			written += fmt.Sprint(":fd:", w.fd)
		default:
			t.Fatalf("%q: %+v", value, w)
		}
		if w.isProxied {
			written += "&proxy=unix"
			if w.network == "tcp" || len(w.proxies) > 0 {
				written = written[:len(written)-len("unix")] + proxiesOf(w, ",")
			}
			if w.network != "unix" {
				written = strings.Replace(written, "&", "?", 1)
			}
		}
		if again, err := parse(written); !reflect.DeepEqual(again, w) || err != nil {
			t.Errorf("%q is %+v, and %q %+v, %v", value, w, written, again, err)
		}
		if w.mode&fs.ModeType != 0 {
			t.Errorf("%q: the mode is %v", value, w.mode)
		}
	})
}
