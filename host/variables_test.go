package host

import (
	"errors"
	"maps"
	"testing"

	"example.com/gateway/gatewaytest"
	"example.com/gateway/request"
)

func variablesOf(t *testing.T, o Options, set map[string]string, length int64) map[string]string {
	t.Helper()
	env := gatewaytest.NewEnviron("GET", "/a/b?c=d", nil)
	maps.Copy(env.Vars, set)
	script := map[string]string{"SCRIPT_FILENAME": "/srv/a", "PATH_TRANSLATED": ""}
	list, err := o.variables(env, script, length)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	last := ""
	for _, v := range list {
		if v.name <= last {
			t.Errorf("%s comes after %s", v.name, last)
		}
		got[v.name], last = v.value, v.name
	}
	return got
}

// A program gets what is listed, and nothing else: under a CGI server Vars has the process's
// environment.
func TestTheVariablesAreAListOfTheAllowed(t *testing.T) {
	o := Options{Vars: map[string]string{"GIT_PROJECT_ROOT": "/srv/git", "HTTP_X_DEPLOYER": "yes",
		"REMOTE_HOST": "", "QUERY_STRING": "q"}}
	got := variablesOf(t, o, map[string]string{
		"AWS_SECRET_ACCESS_KEY": "secret", "PATH": "/bin", "LD_PRELOAD": "/tmp/x.so",
		"HOME": "/root", "HTTPS": "off",
		"PHP_ADMIN_VALUE": "auto_prepend_file=/etc/passwd", "PHP_VALUE": "x",
		"SCRIPT_FILENAME": "/etc/passwd",
		"DOCUMENT_ROOT":   "/srv", "REMOTE_USER": "ada", "AUTH_TYPE": "Basic", "REMOTE_HOST": "host",
		"REMOTE_ADDR": "192.0.2.1",
		"SERVER_ADDR": "192.0.2.2", "REMOTE_PORT": "4711", "PATH_TRANSLATED": "/srv/a",
		"GATEWAY_INTERFACE": "CGI/9", "REDIRECT_STATUS": "404",
		"HTTP_ACCEPT": "a/b", "HTTP_PROXY": "http://evil", "HTTP_CONTENT_LENGTH": "7",
		"HTTP_CONTENT_TYPE": "x", "HTTP_X-USER": "x",
		"HTTP_CONNECTION": "close", "HTTP_TE": "x", "HTTP_UPGRADE": "h2c", "HTTP_KEEP_ALIVE": "5",
		"HTTP_PROXY_AUTHORIZATION": "x",
		"HTTP_TRANSFER_ENCODING":   "chunked", "HTTP_AUTHORIZATION": "Basic x", "HTTP_": "x",
		"HTTP_LOWER_case": "x", "HTTP_GIT_PROTOCOL": "version=2",
		"HTTP_EMPTY": "", "CONTENT_LENGTH": "99",
	}, 5)
	want := map[string]string{
		"AUTH_TYPE": "Basic", "CONTENT_LENGTH": "5", "DOCUMENT_ROOT": "/srv",
		"GATEWAY_INTERFACE": "CGI/1.1",
		"GIT_PROJECT_ROOT":  "/srv/git", "HTTP_ACCEPT": "a/b", "HTTP_GIT_PROTOCOL": "version=2",
		"HTTP_HOST":       got["HTTP_HOST"],
		"HTTP_X_DEPLOYER": "yes", "PATH_INFO": "/a/b", "QUERY_STRING": "q",
		"REDIRECT_STATUS": "200", "REMOTE_ADDR": "192.0.2.1",
		"REMOTE_PORT": "4711", "REMOTE_USER": "ada", "REQUEST_METHOD": "GET",
		"REQUEST_SCHEME": "http", "REQUEST_URI": "/a/b?c=d",
		"SCRIPT_FILENAME": "/srv/a", "SCRIPT_NAME": "", "SERVER_ADDR": "192.0.2.2",
		"SERVER_NAME": got["SERVER_NAME"],
		"SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1",
		"SERVER_SOFTWARE": got["SERVER_SOFTWARE"],
	}
	for name, value := range got {
		if w, ok := want[name]; !ok || w != value {
			t.Errorf("%s=%q, want %q, there: %v", name, value, w, ok)
		}
	}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s=%q, want %q", name, got[name], value)
		}
	}
}

// RFC 3875 has both in each request, also where the server of the request has left them out.
func TestAnEmptyNameOfTheScriptAndAnEmptyQueryAreThere(t *testing.T) {
	env := gatewaytest.NewEnviron("GET", "/a", nil)
	delete(env.Vars, "SCRIPT_NAME")
	delete(env.Vars, "QUERY_STRING")
	list, err := new(Options).variables(env, nil, -1)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for _, v := range list {
		got[v.name] = v.value
	}
	for _, name := range []string{"SCRIPT_NAME", "QUERY_STRING"} {
		if value, found := got[name]; !found || value != "" {
			t.Errorf("%s is %q, there: %v", name, value, found)
		}
	}
}

func TestVariablesThatDependOnTheRequest(t *testing.T) {
	for _, test := range []struct {
		name          string
		options       Options
		set           map[string]string
		length        int64
		variable, got string
	}{
		{"no length", Options{}, nil, -1, "CONTENT_LENGTH", ""},
		{"a length of 0", Options{}, nil, 0, "CONTENT_LENGTH", "0"},
		{"chunks, of which nothing else tells", Options{},
			map[string]string{"HTTP_TRANSFER_ENCODING": "chunked"}, -1, "HTTP_TRANSFER_ENCODING",
			"chunked"},
		{"chunks that were counted", Options{},
			map[string]string{"HTTP_TRANSFER_ENCODING": "chunked"}, 3, "HTTP_TRANSFER_ENCODING",
			""},
		{"a password", Options{Authorization: true},
			map[string]string{"HTTP_AUTHORIZATION": "Basic x"}, 0, "HTTP_AUTHORIZATION", "Basic x"},
		{"a proxy, with passwords", Options{Authorization: true},
			map[string]string{"HTTP_PROXY_AUTHORIZATION": "Basic x"}, 0, "HTTP_PROXY_AUTHORIZATION",
			""},
		{"lines in a path", Options{}, map[string]string{"PATH_INFO": "/a\nb"}, 0, "PATH_INFO",
			"/a\nb"},
	} {
		if got := variablesOf(t, test.options, test.set,
			test.length)[test.variable]; got != test.got {
			t.Errorf("%s: %s=%q, want %q", test.name, test.variable, got, test.got)
		}
	}
	env := gatewaytest.NewEnviron("GET", "https://a.example/", nil)
	list, err := new(Options).variables(env, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	https := map[string]string{}
	for _, v := range list {
		https[v.name] = v.value
	}
	if https["HTTPS"] != "on" || https["REQUEST_SCHEME"] != "https" {
		t.Errorf("HTTPS=%q REQUEST_SCHEME=%q", https["HTTPS"], https["REQUEST_SCHEME"])
	}
}

func TestANulInAVariableIsRefused(t *testing.T) {
	env := gatewaytest.NewEnviron("GET", "/", nil)
	env.Vars["PATH_INFO"] = "/a\x00b"
	if _, err := new(Options).variables(env, nil, 0); !errors.Is(err, request.ErrMalformed) {
		t.Errorf("%v", err)
	}
	app := program(echo).app(t, Options{}, true)
	if r := gatewaytest.Record(app, env); r.Code() != 400 {
		t.Errorf("%s", r.Status)
	}
}
