package host

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/gateway"
	"example.com/gateway/gatewaytest"
)

// www makes a folder of scripts, and one beside it that has secrets.
func www(t testing.TB) (root string) {
	dir := t.TempDir()
	root = filepath.Join(dir, "www")
	for _, name := range []string{
		"www/i.php", "www/index.php", "www/x.jpg", "www/sub/index.php", "www/sub/a b.php",
		"www/x.php.d/y.txt", "www/dir.php/z.php",
		"www/none/a.txt", "www/ſ.php", "www/ȺȺ.phpx", "secret/s.php",
	} {
		name = filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o777),
			os.WriteFile(name, nil, 0o666)); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{
		"inside.php": "i.php", "outside.php": "../secret/s.php", "out": "../secret",
		"broken.php": "nothing.php", "circle.php": "circle.php",
		"absolute.php": filepath.Join(dir, "secret/s.php"), "innerdir": "sub",
	} {
		if err := os.Symlink(to, filepath.Join(root, link)); err != nil {
			t.Skip("no symbolic links here: ", err) // Windows, without the right to make them
		}
	}
	return root
}

func TestThePathLeadsToAScript(t *testing.T) {
	root := www(t)
	php := Scripts{Root: root, Suffix: ".php", Index: "index.php"}
	front, links, bare := php, php, Scripts{Root: root}
	front.Front = "/index.php"
	links.Symlinks = true
	climbing, leaving := php, php
	climbing.Index, leaving.Index = "../secret/s.php", "out/s.php"
	deep, away, picture := front, front, front
	deep.Front, away.Front, picture.Front = "/innerdir/index.php", "/out/s.php", "/x.jpg"
	for _, test := range []struct {
		scripts    *Scripts
		path       string
		name, info string
	}{
		{&php, "/i.php", "/i.php", ""},
		{&php, "/i.php/", "/i.php", "/"},
		{&php, "/i.php/a/../b//c", "/i.php", "/a/../b//c"},
		{&php, "/i.php/x.php", "/i.php", "/x.php"},
		{&php, "/", "/index.php", ""},
		{&php, "/sub/", "/sub/index.php", ""},
		{&php, "/sub/a b.php", "/sub/a b.php", ""},
		{&php, "/dir.php/z.php/i", "/dir.php/z.php", "/i"},
		{&php, "/inside.php", "/inside.php", ""},
		{&php, "/innerdir/", "/innerdir/index.php", ""},
		{&php, "/ſ.php", "/ſ.php", ""},
		{&php, "/sub", "folder", ""},
		{&php, "", "folder", ""},
		{&php, "/x.jpg", "", ""},
		{&php, "/x.jpg/a.php", "", ""},
		{&php, "/ȺȺ.phpx/a.php", "", ""}, // CVE-2026-27590
		{&php, "/ȺȺ.php", "", ""},
		{&php, "/I.PHP", "", ""},
		{&php, "/i.php\x00", "", ""},
		{&php, "/i.php\x00.jpg", "", ""},
		{&php, "/none", "folder", ""},
		{&php, "/none/", "", ""},
		{&php, "/nothing.php", "", ""},
		{&php, "/../secret/s.php", "", ""},
		{&php, "/sub/../i.php", "", ""},
		{&php, "/./i.php", "", ""},
		{&php, "//i.php", "", ""},
		{&php, "/sub//index.php", "", ""},
		{&php, "//", "", ""},
		{&php, "i.php", "", ""},
		{&php, "*", "", ""},
		{&php, "/outside.php", "", ""},
		{&php, "/absolute.php", "", ""},
		{&php, "/out/s.php", "", ""},
		{&php, "/broken.php", "", ""},
		{&php, "/circle.php", "", ""},
		{&links, "/outside.php", "/outside.php", ""},
		{&links, "/out/s.php/a", "/out/s.php", "/a"},
		{&links, "/../secret/s.php", "", ""},
		{&links, "/broken.php", "", ""},
		{&front, "/blog/2026", "/index.php", "/blog/2026"},
		{&front, "/x.jpg/a.php", "/index.php", "/x.jpg/a.php"},
		{&front, "/../secret/s.php", "/index.php", "/../secret/s.php"},
		{&front, "/i.php/a", "/i.php", "/a"},
		{&front, "/sub", "folder", ""},
		{&climbing, "/", "", ""},
		{&leaving, "/", "", ""},
		{&deep, "/blog", "/innerdir/index.php", "/blog"},
		{&away, "/blog", "", ""},
		{&picture, "/blog", "/x.jpg", "/blog"}, // the deployer's own word
		{&bare, "/x.jpg/a", "/x.jpg", "/a"},
		{&bare, "/", "", ""},
		{&bare, "/sub", "", ""},
	} {
		found, err := test.scripts.find(test.path)
		switch test.name {
		case "":
			if !errors.Is(err, ErrNotFound) || err == errFolder {
				t.Errorf("%q: %+v, %v; want a 404", test.path, found, err)
			}
		case "folder":
			if err != errFolder {
				t.Errorf("%q: %+v, %v; want that it is a folder", test.path, found, err)
			}
		default:
			if want := (script{test.name, test.info}); found != want || err != nil {
				t.Errorf("%q: %+v, %v; want %+v", test.path, found, err, want)
			}
		}
	}
}

func TestARootThatIsNoFolderIsUnavailable(t *testing.T) {
	root := www(t)
	for _, bad := range []string{filepath.Join(root, "nothing"), filepath.Join(root, "i.php")} {
		for _, s := range []Scripts{{Root: bad}, {Root: bad, Front: "/i.php"}, {Root: bad, Symlinks: true}} {
			if found, err := s.find("/a"); !errors.Is(err, ErrUnavailable) {
				t.Errorf("%+v: %+v, %v; want ErrUnavailable", s, found, err)
			}
		}
	}
}

// serveScripts hosts a program that says which variables of a script it gets.
func serveScripts(t *testing.T, s Scripts) gateway.Application {
	p := program(func(p *process) error {
		text := "A: b\n\n"
		for _, name := range []string{"SCRIPT_NAME", "PATH_INFO", "SCRIPT_FILENAME",
			"DOCUMENT_ROOT", "PATH_TRANSLATED"} {
			text += " " + p.vars[name]
		}
		return p.print(text)
	})
	return gateway.ApplicationFunc(func(env *gateway.Environ,
		start gateway.StartResponse) (gateway.Body, error) {
		return new(Options).serveScript(env, start, &s, func(string) protocol {
			return protocol{name: "program x", open: p.open}
		})
	})
}

func TestTheVariablesOfAScript(t *testing.T) {
	root := www(t)
	for _, test := range []struct {
		name, mount, path, remote, want string
	}{
		{"a script", "", "/i.php", "", " /i.php  R/i.php R "},
		{"with a path", "", "/i.php/a/b", "", " /i.php /a/b R/i.php R R/a/b"},
		{"with a path that climbs", "", "/i.php/../../etc", "", " /i.php /../../etc R/i.php R "},
		{"with a path that stays", "", "/i.php/./a", "", " /i.php /./a R/i.php R "},
		{"below a mount", "/blog", "/sub/", "", " /blog/sub/index.php  R/sub/index.php R "},
		{"in a container", "/blog", "/i.php/a", "/var/www/",
			" /blog/i.php /a /var/www/i.php /var/www /var/www/a"},
	} {
		env := gatewaytest.NewEnviron("GET", "/", nil)
		env.Vars["SCRIPT_NAME"], env.Vars["PATH_INFO"], env.Vars["PATH_TRANSLATED"] = test.mount, test.path, "/wrong"
		r := gatewaytest.Record(serveScripts(t, Scripts{Root: root, Suffix: ".php",
			Index: "index.php", RemoteRoot: test.remote}), env)
		if got := strings.ReplaceAll(r.Body(), root, "R"); got != test.want || r.Err != nil {
			t.Errorf("%s: %q, want %q (%v)", test.name, got, test.want, r.Errors)
		}
	}
}

func TestPathsThatLeadToNoScript(t *testing.T) {
	root := www(t)
	for _, test := range []struct{ root, mount, path, query, status, location, says string }{
		{root, "", "/nothing.php", "", "404 Not Found", "", `"/nothing.php" does not exist`},
		{root, "", "/x.jpg/a.php", "", "404 Not Found", "", "does not end in .php"},
		{root, "/blog", "/sub", "a=b", "301 Moved Permanently", "/blog/sub/?a=b", ""},
		{root, "/blog", "", "", "301 Moved Permanently", "/blog/", ""},
		{root + "/none/nowhere", "", "/i.php", "", "502 Bad Gateway", "", "nowhere"},
	} {
		env := gatewaytest.NewEnviron("GET", "/", nil)
		env.Vars["SCRIPT_NAME"], env.Vars["PATH_INFO"], env.Vars["QUERY_STRING"] = test.mount, test.path, test.query
		r := gatewaytest.Record(serveScripts(t,
			Scripts{Root: test.root, Suffix: ".php", Index: "index.php"}), env)
		if r.Status != test.status || r.Headers.Get("Location") != test.location ||
			!strings.Contains(r.Errors, test.says) {
			t.Errorf("%q: %s %q %q", test.path, r.Status, r.Headers, r.Errors)
		}
		if strings.Contains(r.Body(), "php") || strings.Contains(r.Body(), root) {
			t.Errorf("%q: the page says %q", test.path, r.Body())
		}
	}
}

// Whatever the path, a script is a regular file below the root whose name ends as it must, and the
// path is its name and what follows.
func FuzzScripts(f *testing.F) {
	root := www(f)
	for _, path := range []string{"/i.php/a", "/sub/", "/out/s.php", "/../secret/s.php",
		"/ȺȺ.phpx/a.php", "/dir.php/z.php/..", "//"} {
		f.Add(path)
	}
	s := Scripts{Root: root, Suffix: ".php", Index: "index.php"}
	f.Fuzz(func(t *testing.T, path string) {
		found, err := s.find(path)
		if err != nil {
			if !errors.Is(err, ErrNotFound) {
				t.Errorf("%q: %v", path, err)
			}
			return
		}
		if got := found.name + found.info; got != path && got != path+"index.php" ||
			!strings.HasSuffix(found.name, ".php") {
			t.Errorf("%q: %+v", path, found)
		}
		real, err := filepath.EvalSymlinks(filepath.Join(root, found.name))
		home, _ := filepath.EvalSymlinks(root)
		info, err2 := os.Stat(real)
		if err != nil || err2 != nil || !info.Mode().IsRegular() ||
			!strings.HasPrefix(real, home+string(filepath.Separator)) {
			t.Errorf("%q: %+v is %s", path, found, real)
		}
	})
}
