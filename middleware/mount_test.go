package middleware_test

import (
	"context"
	"io"
	"maps"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"example.com/gateway"
	"example.com/gateway/gatewaytest"
	"example.com/gateway/middleware"
)

type (
	apps    = map[string]gateway.Application
	appFunc = gateway.ApplicationFunc
	environ = gateway.Environ
	start   = gateway.StartResponse
	body    = gateway.Body
)

var plain = gateway.Headers{{"Content-Type", "text/plain"}}

// text answers with a line of text.
func text(s string) gateway.Application {
	return appFunc(func(_ *environ, start start) (body, error) {
		_, err := start("200 OK", plain, nil)
		return gateway.Text(s), err
	})
}

// named answers with its name and the two variables.
func named(name string) gateway.Application {
	return appFunc(func(env *environ, start start) (body, error) {
		_, err := start("200 OK", plain, nil)
		script, path := env.Vars["SCRIPT_NAME"], env.Vars["PATH_INFO"]
		return gateway.Text(name + " " + strconv.Quote(script) + " " + strconv.Quote(path)), err
	})
}

// get returns a GET request for a path, which is raw, of an application mounted at script.
func get(script, path string) *environ {
	env := gatewaytest.NewEnviron("GET", "/", nil)
	env.Vars["SCRIPT_NAME"], env.Vars["PATH_INFO"] = script, path
	return env
}

// unreachable is an application that no request reaches.
var unreachable = appFunc(func(env *environ, _ start) (body, error) {
	panic("reached with PATH_INFO " + strconv.Quote(env.Vars["PATH_INFO"]))
})

func TestTheLongestPrefixOfWholeSegmentsCounts(t *testing.T) {
	t.Parallel()
	const notFound = "404"
	some := apps{
		"/git": named("git"), "/git/hub": named("hub"), "/blog": named("blog"), "/a b": named("space"),
		"/gi": named("gi"), "/\xff": named("byte"), "/100%": named("percent"),
	}
	rest := maps.Clone(some)
	rest["/"] = named("rest")
	nothing := maps.Clone(some)
	nothing[""] = named("rest")
	for _, c := range []struct{ script, path, some, rest string }{
		{"", "/git", `git "/git" ""`, ""},
		{"", "/git/", `git "/git" "/"`, ""},
		{"", "/git/x", `git "/git" "/x"`, ""},
		{"", "/git//x/", `git "/git" "//x/"`, ""},
		{"", "/git//", `git "/git" "//"`, ""},
		{"", "/git/hub", `hub "/git/hub" ""`, ""},
		{"", "/git/hub/x", `hub "/git/hub" "/x"`, ""},
		{"", "/git/hubs", `git "/git" "/hubs"`, ""},
		{"", "/git//hub", `git "/git" "//hub"`, ""},
		{"", "/gi/t", `gi "/gi" "/t"`, ""},
		{"", "/a b/c", `space "/a b" "/c"`, ""},
		{"", "/\xff/c", `byte "/\xff" "/c"`, ""},
		{"", "/100%/c", `percent "/100%" "/c"`, ""},
		{"", "/git/../blog", `git "/git" "/../blog"`, ""},
		{"", "/git/.", `git "/git" "/."`, ""},
		{"/outer", "/git/x", `git "/outer/git" "/x"`, ""},
		{"/outer", "/git", `git "/outer/git" ""`, ""},
		{"/git", "/git/git", `git "/git/git" "/git"`, ""},

		{"", "/gitx", notFound, `rest "" "/gitx"`},
		{"", "/gitx/git", notFound, `rest "" "/gitx/git"`},
		{"", "/Git", notFound, `rest "" "/Git"`},
		{"", "/g", notFound, `rest "" "/g"`},
		{"", "//git", notFound, `rest "" "//git"`},
		{"", "/./git", notFound, `rest "" "/./git"`},
		{"", "/../git", notFound, `rest "" "/../git"`},
		{"", "/x/git", notFound, `rest "" "/x/git"`},
		{"", "/a%20b", notFound, `rest "" "/a%20b"`},
		{"", "git", notFound, `rest "" "git"`},
		{"", "/", notFound, `rest "" "/"`},
		{"", "//", notFound, `rest "" "//"`},
		{"", "", notFound, `rest "" ""`},
		{"/git", "/x", notFound, `rest "/git" "/x"`},
		{"/git", "", notFound, `rest "/git" ""`},
	} {
		if c.rest == "" {
			c.rest = c.some
		}
		for _, with := range []struct {
			what string
			apps apps
			want string
		}{{"no application for the rest", some, c.some}, {`"/"`, rest, c.rest}, {`""`, nothing, c.rest}} {
			r := gatewaytest.Record(middleware.Mount(with.apps), get(c.script, c.path))
			got := r.Body()
			if r.Code() == 404 {
				got = notFound
			}
			if got != with.want || r.Err != nil {
				t.Errorf("%q and %q, with %s: %s, %v, want %s",
					c.script, c.path, with.what, got, r.Err, with.want)
			}
		}
	}
}

// PATH_INFO is what the server has decoded.
func TestAnEncodedSlashIsASlash(t *testing.T) {
	t.Parallel()
	app := middleware.Mount(apps{"/git": named("git"), "/a b": named("space")})
	for target, want := range map[string]string{
		"/git%2Fx": `git "/git" "/x"`, "/%67it": `git "/git" ""`, "/a%20b/%2e%2e": `space "/a b" "/.."`,
	} {
		env := gatewaytest.NewEnviron("GET", target, nil)
		if got := gatewaytest.Record(app, env).Body(); got != want {
			t.Errorf("%s: %s, want %s", target, got, want)
		}
		if got := env.Vars["REQUEST_URI"]; got != target {
			t.Errorf("%s: REQUEST_URI is %s", target, got)
		}
	}
}

func TestMountsInsideOfMounts(t *testing.T) {
	t.Parallel()
	app := middleware.Mount(apps{
		"/a": middleware.Mount(apps{"/": named("a"), "/b": middleware.Mount(apps{"/c/d": named("d")})}),
	})
	for path, want := range map[string]string{
		"/a": `a "/s/a" ""`, "/a/": `a "/s/a" "/"`, "/a/bc": `a "/s/a" "/bc"`,
		"/a/b/c/d/e": `d "/s/a/b/c/d" "/e"`,
		"/a/b":       "404 Not Found\n", "/b/c/d": "404 Not Found\n",
	} {
		if got := gatewaytest.Record(app, get("/s", path)).Body(); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

func TestAPathThatIsNotMountedGetsA404WithoutThePath(t *testing.T) {
	t.Parallel()
	for name, app := range (apps{
		"Mount": middleware.Mount(apps{"/git": unreachable}), "Mount of nothing": middleware.Mount(nil),
	}) {
		for _, method := range []string{"GET", "HEAD", "POST"} {
			env := get("", "/<script>secret")
			env.Vars["REQUEST_METHOD"] = method
			before := env.Clone()
			r := gatewaytest.Record(app, env)
			want := "404 Not Found\n"
			if method == "HEAD" {
				want = ""
			}
			if r.Status != "404 Not Found" || r.Body() != want || r.Err != nil || r.Errors != "" {
				t.Errorf("%s, %s: %q, %q, %v, logged %q", name, method, r.Status, r.Body(), r.Err, r.Errors)
			}
			if got := r.Headers.Get("Content-Type"); got != "text/plain" {
				t.Errorf("%s, %s: Content-Type is %q", name, method, got)
			}
			if len(r.Headers) != 2 || r.Headers.Get("Content-Length") != "14" {
				t.Errorf("%s, %s: the headers are %q", name, method, r.Headers)
			}
			if !reflect.DeepEqual(env.Vars, before.Vars) {
				t.Errorf("%s, %s: the Environ is changed", name, method)
			}
		}
	}
}

// The test calls the application by itself, as middleware around Mount does.
func TestAllElseOfTheRequestPassesOn(t *testing.T) {
	t.Parallel()
	type key struct{}
	for _, prefix := range []string{"/git", "/", ""} {
		outer := get("/s", "/git/x")
		outer.Vars["HTTP_ACCEPT"], outer.Vars["REQUEST_URI"] = "a/b", "/s/%67it/x?q"
		outer.Extra = map[string]any{"test.key": "value"}
		outer.Input, outer.Errors = strings.NewReader("body"), new(strings.Builder)
		outer.URLScheme, outer.Multithread, outer.Multiprocess, outer.RunOnce = "https", true, true, true
		outer = outer.WithContext(context.WithValue(context.Background(), key{}, "value"))
		before := outer.Clone()
		var inner *environ
		app := middleware.Mount(apps{prefix: appFunc(func(env *environ, _ start) (body, error) {
			inner = env.Clone()
			for name := range env.Vars { // the application may change its Environ in any way
				env.Vars[name] = "changed"
			}
			env.Vars["NEW"], env.Extra["test.key"], env.Extra["test.new"] = "changed", "changed", "changed"
			env.Input, env.Errors, env.URLScheme = nil, nil, "changed"
			return nil, nil
		})})
		if _, err := app.Call(outer, nil); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(outer, before) {
			t.Errorf("%q: the outer Environ is %+v, and was %+v", prefix, outer, before)
		}
		want := before.Clone()
		if prefix == "/git" {
			want.Vars["SCRIPT_NAME"], want.Vars["PATH_INFO"] = "/s/git", "/x"
		}
		if !reflect.DeepEqual(inner, want) || inner.Input != outer.Input || inner.Errors != outer.Errors {
			t.Errorf("%q: the inner Environ is %+v, want %+v", prefix, inner, want)
		}
		if inner.Context() != outer.Context() {
			t.Errorf("%q: another Context", prefix)
		}
	}
}

func TestPathTranslatedDoesNotLie(t *testing.T) {
	t.Parallel()
	translated := appFunc(func(env *environ, start start) (body, error) {
		_, err := start("200 OK", plain, nil)
		value, found := env.Vars["PATH_TRANSLATED"]
		return gateway.Text(value + " " + strconv.FormatBool(found)), err
	})
	for prefix, want := range map[string]string{"/git": " false", "/": "/srv/git/x true"} {
		env := get("", "/git/x")
		env.Vars["PATH_TRANSLATED"] = "/srv/git/x"
		app := middleware.Mount(apps{prefix: translated})
		if got := gatewaytest.Record(app, env).Body(); got != want {
			t.Errorf("%s: %s, want %s", prefix, got, want)
		}
		if env.Vars["PATH_TRANSLATED"] != "/srv/git/x" {
			t.Errorf("%s: the outer Environ is changed", prefix)
		}
	}
}

func TestAPrefixThatIsMalformedPanics(t *testing.T) {
	t.Parallel()
	const (
		isNil  = ` has a nil application: give it one, or leave the prefix out`
		noRoot = ` does not start with a slash: write `
		ends   = ` ends with a slash: leave it out, the path may have one all the same`
		empty  = ` has an empty segment: write one slash there`
		dots   = `, which Mount does not resolve: write the path without it`
		twice  = ` is the same as "": leave one of the two out`
	)
	hello := text("hello")
	for _, c := range []struct {
		name string
		apps apps
		want string
	}{
		{"no slash", apps{"git": hello}, `"git"` + noRoot + `"/git"`},
		{"a line break", apps{"a\nb": hello}, `"a\nb"` + noRoot + `"/a\nb"`},
		{"a slash at the end", apps{"/git/": hello}, `"/git/"` + ends},
		{"two slashes", apps{"//": hello}, `"//"` + ends},
		{"two slashes at the start", apps{"//git": hello}, `"//git"` + empty},
		{"two slashes inside", apps{"/git//x": hello}, `"/git//x"` + empty},
		{"a dot", apps{"/git/./x": hello}, `"/git/./x" has the segment "."` + dots},
		{"two dots", apps{"/git/..": hello}, `"/git/.." has the segment ".."` + dots},
		{"the root twice", apps{"/": hello, "": hello}, `"/"` + twice},
		{"no application", apps{"/git": nil}, `"/git"` + isNil},
		{"no application for the rest", apps{"": nil}, `""` + isNil},
		{"a nil function", apps{"/git": appFunc(nil)}, `"/git"` + isNil},
		{"two faults", apps{"b": hello, "a": hello, "c": hello}, `"a"` + noRoot + `"/a"`},
	} {
		func() {
			defer func() {
				if got := recover(); got != "middleware: Mount: the prefix "+c.want {
					t.Errorf("%s: the panic is %v, want %s", c.name, got, c.want)
				}
			}()
			middleware.Mount(c.apps)
		}()
	}
	middleware.Mount(apps{"/...": hello, "/.git": hello, "/a..": hello, "/..a": hello, "/a/b": hello})
}

func TestAChangeOfTheMapAfterMountChangesNothing(t *testing.T) {
	t.Parallel()
	list := apps{"/git": named("git")}
	app := middleware.Mount(list)
	list["/git"], list["/"] = unreachable, unreachable
	if got := gatewaytest.Record(app, get("", "/git")).Body(); got != `git "/git" ""` {
		t.Errorf("/git: %s", got)
	}
	if got := gatewaytest.Record(app, get("", "/")).Code(); got != 404 {
		t.Errorf("/: %d", got)
	}
}

func TestConcurrentRequestsToMountedApplications(t *testing.T) {
	t.Parallel()
	app := middleware.Mount(apps{"/a": named("a"), "/b": named("b"), "/": named("rest")})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				for path, want := range map[string]string{
					"/a/x": `a "/a" "/x"`, "/b/x": `b "/b" "/x"`, "/c/x": `rest "" "/c/x"`,
				} {
					if got := gatewaytest.Record(app, get("", path)).Body(); got != want {
						t.Errorf("%s: %s, want %s", path, got, want)
					}
				}
			}
		})
	}
	wg.Wait()
}

// It is not parallel: it counts for the whole process.
func TestToDispatchAllocatesNothingButTheClone(t *testing.T) {
	nothing := appFunc(func(*environ, start) (body, error) { return nil, nil })
	app := middleware.Mount(apps{"/git": nothing, "/git/hub": nothing, "/blog": nothing, "/": nothing})
	for _, path := range []string{"/git/x", "/git/hub", "/x"} {
		env := get("", path)
		env.Vars["PATH_TRANSLATED"] = "/srv"
		clone := testing.AllocsPerRun(100, func() { env.Clone() })
		got := testing.AllocsPerRun(100, func() { _, _ = app.Call(env, nil) })
		if got > clone {
			t.Errorf("%s costs %v allocations, and Clone alone %v", path, got, clone)
		}
	}
}

func TestAMountedApplicationIsAsRobustAsItWas(t *testing.T) {
	t.Parallel()
	upload := appFunc(func(env *environ, start start) (body, error) {
		if _, err := start("200 OK", plain, nil); err != nil {
			return nil, err
		}
		return gateway.Reader(env.Input, 3), nil
	})
	gatewaytest.TestApplication(t, middleware.Mount(apps{"/up": upload, "/hello": text("hello")}),
		get("", "/hello/x"), get("", "/up"), get("", "/nowhere"),
		gatewaytest.NewEnviron("POST", "/up/load", strings.NewReader("0123456789")),
		gatewaytest.NewEnviron("HEAD", "/nowhere", nil))
}

func TestMountIsBothSidesAtOnce(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"/m", "/", ""} {
		mounted := func(app gateway.Application) gateway.Application {
			return middleware.Mount(apps{prefix: app})
		}
		gatewaytest.TestMiddleware(t, mounted, nil, get("/s", "/m/x"), get("", "/m"), get("", "/m/"))
	}
}

// naive picks a prefix in the way in which Mount's comment says it.
func naive(prefixes []string, path string) (best string, found bool) {
	segments := func(s string) []string { return strings.Split(strings.TrimSuffix(s, "/"), "/") }
	for _, prefix := range prefixes {
		want, have := segments(prefix), strings.Split(path, "/")
		isRest := prefix == "" || prefix == "/"
		if isRest || len(have) >= len(want) && slices.Equal(have[:len(want)], want) {
			if !found || len(prefix) > len(best) {
				best, found = prefix, true
			}
		}
	}
	return best, found
}

func FuzzMount(f *testing.F) {
	for _, path := range []string{
		"/git", "/git/", "/git/x", "/gitx", "//git", "/git//x", "/git/../x", "", "/", "//", "git",
		"/\xff\x00/x", "/a b",
	} {
		f.Add("/git /git/hub /g", "/s", path)
		f.Add("/ /git /\xff", "", path)
		f.Add(" /git/x", "/s/git", path)
	}
	f.Add("/git/", "", "/git/")
	f.Add("git /..", "", "/../git")
	f.Fuzz(func(t *testing.T, list, script, target string) {
		prefixes := strings.Split(list, " ")
		var chosen string
		var inner *environ
		mounted := apps{}
		for _, prefix := range prefixes {
			mounted[prefix] = appFunc(func(env *environ, _ start) (body, error) {
				chosen, inner = prefix, env
				return nil, nil
			})
		}
		isMalformed := slices.Contains(prefixes, "/") && slices.Contains(prefixes, "")
		for _, prefix := range prefixes {
			isMalformed = isMalformed || prefix != "" && (prefix[0] != '/' || path.Clean(prefix) != prefix)
		}
		app, refused := func() (app gateway.Application, refused bool) {
			defer func() { refused = recover() != nil }()
			return middleware.Mount(mounted), false
		}()
		if refused != isMalformed {
			t.Fatalf("Mount panics for %q: %v", prefixes, refused)
		}
		if refused {
			return
		}

		outer := get(script, target)
		outer.Extra = map[string]any{"test.key": "value"}
		before := outer.Clone()
		status := ""
		body, err := app.Call(outer, func(s string, _ gateway.Headers, _ error) (io.Writer, error) {
			status = s
			return io.Discard, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		want, found := naive(prefixes, target)
		if (inner != nil) != found || (status == "404 Not Found") == found || chosen != want {
			t.Errorf("%q of %q gets the request for %q, and status %q; want %q, %v",
				chosen, prefixes, target, status, want, found)
		}
		if body != nil {
			for block := range body.Blocks() {
				if found || string(block) != "404 Not Found\n" {
					t.Errorf("the page is %q", block)
				}
			}
		}
		if !reflect.DeepEqual(outer, before) {
			t.Errorf("the outer Environ is %+v, and was %+v", outer, before)
		}
		if inner == nil {
			return
		}
		gotScript, gotPath := inner.Vars["SCRIPT_NAME"], inner.Vars["PATH_INFO"]
		if gotScript+gotPath != script+target || !strings.HasPrefix(gotScript, script) {
			t.Errorf("%q and %q became %q and %q", script, target, gotScript, gotPath)
		}
		if moved := gotScript[len(script):]; moved != strings.TrimSuffix(chosen, "/") {
			t.Errorf("%q was moved, want %q", moved, chosen)
		}
		shifted := before.Clone() // ShiftPath moves the same, segment by segment
		for len(shifted.Vars["SCRIPT_NAME"]) < len(gotScript) {
			shifted.ShiftPath()
		}
		if !maps.Equal(shifted.Vars, inner.Vars) {
			t.Errorf("ShiftPath makes %v, and Mount %v", shifted.Vars, inner.Vars)
		}
	})
}
