package serve

import (
	"fmt"
	"io/fs"
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
	{"CGI", []string{"REQUEST_METHOD=GET", "GATEWAY_INTERFACE=CGI/1.1"}, nil, "cgi"},
	{"PORT", []string{"PORT=8080"}, nil, "http tcp :8080"},
}

func show(ways []way) string {
	var list []string
	for _, w := range ways {
		s := w.protocol
		switch w.network {
		case "":
		case "fd":
			s += fmt.Sprint(" fd ", w.fd)
		default:
			s += " " + w.network + " " + w.address
		}
		if w.network == "unix" {
			s += fmt.Sprintf(" %04o", w.mode)
		}
		list = append(list, s)
	}
	return strings.Join(list, ", ")
}

func processWith(env []string, files ...int) *process {
	return &process{
		env: func(name string) (string, bool) {
			for _, entry := range env {
				if key, value, _ := strings.Cut(entry, "="); key == name {
					return value, true
				}
			}
			return "", false
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
		{[]string{"GATEWAY=fcgi:unix:/run/app.sock"}, nil, "fcgi unix /run/app.sock 0600"},
		{[]string{"GATEWAY=uwsgi:unix:app.sock?mode=0660"}, nil, "uwsgi unix app.sock 0660"},
		{[]string{"GATEWAY=http:unix:/a:b?c?mode=666"}, nil, "http unix /a:b?c 0666"},
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
		{[]string{own}, nil, `serve: LISTEN_FDS is ""`},
		{[]string{"LISTEN_PID=me", "LISTEN_FDS=1"}, nil, `serve: LISTEN_PID is "me"`},
		{[]string{"LISTEN_PID=-5", "LISTEN_FDS=1"}, nil, `serve: LISTEN_PID is "-5"`},
		{[]string{own, "LISTEN_FDS=2"}, []int{3}, `serve: LISTEN_FDS is "2", but file 4 is not a listening socket`},

		// RFC 3875, 4.1.4 and 4.1.12: both are always there, and neither alone makes a CGI request
		// (C8, C18).
		{[]string{"REQUEST_METHOD=GET"}, nil, byDefault},
		{[]string{"GATEWAY_INTERFACE=CGI/1.1"}, nil, byDefault},
		{[]string{"REQUEST_METHOD=", "GATEWAY_INTERFACE=CGI/1.1"}, nil, byDefault},
		{[]string{"REQUEST_METHOD=GET", "GATEWAY_INTERFACE="}, nil, "cgi"},

		{[]string{"PORT="}, nil, byDefault},
		{[]string{"PORT=0"}, nil, "http tcp :0"},
		{[]string{"PORT=65535"}, nil, "http tcp :65535"},
		{[]string{"PORT=65536"}, nil, `serve: PORT is "65536", want a number`},
		{[]string{"PORT=080"}, nil, `serve: PORT is "080"`},
		{[]string{"PORT=-1"}, nil, `serve: PORT is "-1"`},
		{[]string{"PORT=http"}, nil, `serve: PORT is "http"`},
		{[]string{"PORT=127.0.0.1:80"}, nil, `serve: PORT is "127.0.0.1:80"`},
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

// A way that parse accepts has everything that listening needs, and there is one way to write it.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"cgi", "fcgi:unix:/run/app.sock", "scgi:unix:/a?mode=0660", "http:tcp:127.0.0.1:80", "uwsgi:tcp:[::1]:0",
		"http:unix:a?mode=7777777777777", "http:tcp::", "http:unix:@x", "::", "http:tcp:[:80"} {
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
		case w.network == "unix":
			if w.address == "" || w.mode&^0o777 != 0 {
				t.Errorf("%q: %+v", value, w)
			}
			written += ":unix:" + w.address + fmt.Sprintf("?mode=%o", w.mode)
		case w.network == "tcp":
			written += ":tcp:" + w.address
		default:
			t.Fatalf("%q: %+v", value, w)
		}
		if again, err := parse(written); again != w || err != nil {
			t.Errorf("%q is %+v, and %q %+v, %v", value, w, written, again, err)
		}
		if w.mode&fs.ModeType != 0 {
			t.Errorf("%q: the mode is %v", value, w.mode)
		}
	})
}
