package quirks_test

import (
	"fmt"
	"strings"
	"testing"

	"example.com/gateway"
	"example.com/gateway/gatewaytest"
	"example.com/gateway/quirks"
)

// paths answers with the two variables.
var paths = gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
	_, err := start("200 OK", gateway.Headers{{"Content-Type", "text/plain"}}, nil)
	return gateway.Text(fmt.Sprintf("%q %q", env.Vars["SCRIPT_NAME"], env.Vars["PATH_INFO"])), err
})

type vars map[string]string

func TestPathsAreWhatTheRuleSays(t *testing.T) {
	for _, test := range []struct {
		name string
		rule gateway.Middleware
		vars vars
		want string // the answer, or a code
	}{
		{"nginx, fastcgi_params", quirks.DocumentURI(""),
			vars{"SCRIPT_NAME": "/a/b", "DOCUMENT_URI": "/a/b"}, `"" "/a/b"`},
		{"nginx, uwsgi_params", quirks.DocumentURI("/a"),
			vars{"PATH_INFO": "/a/b", "DOCUMENT_URI": "/a/b"}, `"/a" "/b"`},
		{"nginx, scgi_params", quirks.DocumentURI("/a"), vars{"DOCUMENT_URI": "/a"}, `"/a" ""`},
		{"nginx, decoded already", quirks.DocumentURI("/a"), vars{"DOCUMENT_URI": "/a/%41\xff"}, `"/a" "/%41\xff"`},
		{"not below the prefix", quirks.DocumentURI("/a"), vars{"DOCUMENT_URI": "/ab"}, "404"},
		{"no DOCUMENT_URI", quirks.DocumentURI("/a"), vars{"SCRIPT_NAME": "/s", "PATH_INFO": "/p"}, `"/s" "/p"`},
		{"nginx, NUL", quirks.DocumentURI("/a"), vars{"DOCUMENT_URI": "/a/b\x00c"}, "400"},
		{"nginx, NUL, not below the prefix", quirks.DocumentURI("/a"), vars{"DOCUMENT_URI": "/b\x00c"}, "400"},
		{"the root as a prefix", quirks.DocumentURI("/"), vars{"DOCUMENT_URI": "/a"}, `"" "/a"`},

		{"mod_proxy_fcgi, ProxyPass", quirks.RequestURI(""),
			vars{"SCRIPT_NAME": "/a%20b", "REQUEST_URI": "/a%20b?q=1"}, `"" "/a b"`},
		{"mod_proxy_scgi", quirks.RequestURI("/m"),
			vars{"SCRIPT_NAME": "/m", "PATH_INFO": "/%e9", "REQUEST_URI": "/m/%e9"}, `"/m" "/\xe9"`},
		{"lighttpd at the root", quirks.RequestURI(""),
			vars{"SCRIPT_NAME": "/a", "PATH_INFO": "/b", "REQUEST_URI": "/a/b"}, `"" "/a/b"`},
		{"lighttpd at the root, one segment", quirks.RequestURI(""),
			vars{"SCRIPT_NAME": "/a b", "REQUEST_URI": "/a%20b?q"}, `"" "/a b"`},
		{"lighttpd at the root, none", quirks.RequestURI(""), vars{"SCRIPT_NAME": "/", "REQUEST_URI": "/"}, `"" "/"`},
		{"an encoded slash is a slash", quirks.RequestURI(""), vars{"REQUEST_URI": "/a%2Fb//c"}, `"" "/a/b//c"`},
		{"an encoded prefix", quirks.RequestURI("/a b"), vars{"REQUEST_URI": "/a%20b/c"}, `"/a b" "/c"`},
		{"absolute-form", quirks.RequestURI(""), vars{"REQUEST_URI": "http://h/p?x=http://y"}, `"" "/p"`},
		{"absolute-form without a path", quirks.RequestURI(""), vars{"REQUEST_URI": "http://h"}, `"" "/"`},
		{"a URL in the path", quirks.RequestURI(""), vars{"REQUEST_URI": "/p/http://h/q"}, `"" "/p/http://h/q"`},
		{"above the prefix", quirks.RequestURI("/m"), vars{"REQUEST_URI": "/m/../admin"}, "400"},
		{"above the prefix, encoded", quirks.RequestURI("/m"), vars{"REQUEST_URI": "/m/%2e%2e%2Fadmin"}, "400"},
		{"a dot", quirks.RequestURI(""), vars{"REQUEST_URI": "/./a"}, "400"},
		{"three dots", quirks.RequestURI(""), vars{"REQUEST_URI": "/.../a"}, `"" "/.../a"`},
		{"half an escape", quirks.RequestURI(""), vars{"REQUEST_URI": "/a%4"}, "400"},
		{"no escape", quirks.RequestURI(""), vars{"REQUEST_URI": "/a%zz"}, "400"},
		{"NUL", quirks.RequestURI(""), vars{"REQUEST_URI": "/a%00"}, "400"},
		{"not a path", quirks.RequestURI(""), vars{"REQUEST_URI": "*"}, "404"},
		{"no REQUEST_URI", quirks.RequestURI("/m"), vars{"SCRIPT_NAME": "/s", "PATH_INFO": "/p"}, `"/s" "/p"`},

		{"IIS, a program", quirks.IIS("/s"), vars{"SCRIPT_NAME": "/s", "PATH_INFO": "/s/p"}, `"/s" "/p"`},
		{"IIS, a program, nothing behind", quirks.IIS("/s"), vars{"SCRIPT_NAME": "/s", "PATH_INFO": "/s"}, `"/s" ""`},
		{"IIS, every path", quirks.IIS(""), vars{"SCRIPT_NAME": "/a/b", "PATH_INFO": "/a/b"}, `"" "/a/b"`},
		{"IIS, every path below a prefix", quirks.IIS("/a"), vars{"SCRIPT_NAME": "/a/b", "PATH_INFO": "/a/b"}, `"/a" "/b"`},
		{"IIS, a longer name", quirks.IIS("/s"), vars{"SCRIPT_NAME": "/s", "PATH_INFO": "/sp"}, "404"},

		{"OPTIONS *, DocumentURI", quirks.DocumentURI(""),
			vars{"REQUEST_METHOD": "OPTIONS", "SCRIPT_NAME": "*", "DOCUMENT_URI": "*"}, `"" ""`},
		{"OPTIONS *, RequestURI", quirks.RequestURI("/m"),
			vars{"REQUEST_METHOD": "OPTIONS", "SCRIPT_NAME": "", "PATH_INFO": "", "REQUEST_URI": "*"}, `"/m" ""`},
		{"OPTIONS *, IIS", quirks.IIS("/s"), vars{"REQUEST_METHOD": "OPTIONS", "PATH_INFO": "*"}, `"/s" ""`},
	} {
		t.Run(test.name, func(t *testing.T) {
			env := gatewaytest.NewEnviron("GET", "/", nil)
			for _, name := range []string{"SCRIPT_NAME", "PATH_INFO", "REQUEST_URI"} {
				delete(env.Vars, name)
			}
			for name, value := range test.vars {
				env.Vars[name] = value
			}
			r := gatewaytest.Record(test.rule(paths), env)
			got := r.Body()
			if r.Code() != 200 {
				got = fmt.Sprint(r.Code())
			}
			if got != test.want || r.Err != nil {
				t.Errorf("got %s (%v), want %s", got, r.Err, test.want)
			}
		})
	}
}

func TestAuthorizationIsTakenOnlyWhereItIsMissing(t *testing.T) {
	app := gateway.ApplicationFunc(func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		_, err := start("200 OK", nil, nil)
		return gateway.Text(env.Header("Authorization")), err
	})
	for _, test := range []struct {
		vars vars
		want string
	}{
		{vars{}, ""},
		{vars{"HTTP_AUTHORIZATION": "a", "REDIRECT_HTTP_AUTHORIZATION": "b"}, "a"},
		{vars{"REDIRECT_HTTP_AUTHORIZATION": "b", "Authorization": "c"}, "b"},
		{vars{"Authorization": "c"}, "c"},
	} {
		env := gatewaytest.NewEnviron("GET", "/", nil)
		for name, value := range test.vars {
			env.Vars[name] = value
		}
		if got := gatewaytest.Record(quirks.Authorization()(app), env).Body(); got != test.want {
			t.Errorf("%v gives %q, want %q", test.vars, got, test.want)
		}
	}
}

func TestPrefixThatCanNeverMatchPanics(t *testing.T) {
	for _, prefix := range []string{"a", "/a/", "a/"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%q was taken", prefix)
				}
			}()
			quirks.RequestURI(prefix)
		}()
	}
}

// Whatever REQUEST_URI is, PATH_INFO has no segment that leads out of the prefix.
func FuzzRequestURI(f *testing.F) {
	for _, seed := range []string{"/m/a", "/m/%2e%2e/x", "/m//", "http://h/m/?q", "*", "/m/%00", "/%6d/x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, target string) {
		env := gatewaytest.NewEnviron("GET", "/", nil)
		env.Vars["REQUEST_URI"] = target
		called := false
		gatewaytest.Record(quirks.RequestURI("/m")(gateway.ApplicationFunc(
			func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				called = true
				path := env.Vars["PATH_INFO"]
				if env.Vars["SCRIPT_NAME"] != "/m" || path != "" && path[0] != '/' ||
					strings.Contains(path+"/", "/../") || strings.Contains(path, "\x00") {
					t.Errorf("%q gives %q and %q", target, env.Vars["SCRIPT_NAME"], path)
				}
				_, err := start("200 OK", nil, nil)
				return gateway.Text(""), err
			})), env)
		if strings.HasPrefix(target, "/m/") && !strings.ContainsAny(target, "%.") &&
			!strings.Contains(target, "://") && !strings.Contains(target, "\x00") && !called {
			t.Errorf("%q was refused", target)
		}
	})
}
