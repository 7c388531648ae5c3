package form_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"example.com/gateway"
	"example.com/gateway/form"
	"example.com/gateway/gatewaytest"
)

// sent returns a request of testdata, as Chromium 156, Firefox 153, curl 7.88 or Node 20 has sent
// it: lines for variables, an empty line, and the body.
func sent(t testing.TB, name string) (env *gateway.Environ, body string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	head, body, _ := strings.Cut(string(data), "\n\n")
	env = gatewaytest.NewEnviron("POST", "/", strings.NewReader(body))
	for line := range strings.Lines(head) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		env.Vars[name] = value
	}
	return env, body
}

const octets = "application/octet-stream"

// Browsers send names as the HTML Standard has it: a quote and a line break are percent-encoded,
// and nothing else is.
func TestWhatClientsSendAsMultipart(t *testing.T) {
	t.Parallel()
	type part struct{ name, fileName, contentType, content string }
	fromABrowser := []part{
		{"plain", "", "", "a value"},
		{"quote%22name", "", "", "q"},
		{"line%0D%0Aname", "", "", "l"},
		{`back\name`, "", "", "b"},
		{"naïve 日本 😀", "", "", "grüße 😀"},
		{"area", "", "", "one\r\ntwo\r\nthree\r\n"},
		{"empty", "", "", ""},
		{"percent%22", "", "", "%22"},
		{"none", "", octets, ""}, // two file inputs in which nothing was chosen
		{"lone", "", octets, ""},
		{"files", "plain.txt", "text/plain", "plain\n"},
		{"files", "qu%22ote.txt", "text/plain", "quote"},
		{"files", "ünï-日本-😀.txt", "text/plain", "utf"},
		{"files", "slash.txt", octets, "back"}, // back\slash.txt
		{"files", "new%0D%0Aline.bin", octets, "line"},
		{"files", "percent%22.bin", octets, "percent"},
		{"files", "semi;colon='x'.bin", octets, "semi"},
		{"files", "empty.bin", octets, ""},
		{"files", "boundary.bin", octets,
			"\r\n--\r\n------WebKitFormBoundary\r\n-----------------------------\r\n\r\n"},
		{"files", "binary", "image/png", "\x00\x01\x02\xff\r\n\r\n\xfe"},
	}
	var hundred []part
	for i := range 100 {
		hundred = append(hundred, part{"files", fmt.Sprintf("file%d.txt", i), "text/plain",
			fmt.Sprintf("content %d", i)})
	}
	fetched := []part{{"blob", "blob", octets, "b"}, {"quo%22te%0D%0A", "", "", "v\r\nw"}}
	for _, c := range []struct {
		file string
		want []part
	}{
		{"chromium-names", fromABrowser}, {"firefox-names", fromABrowser},
		{"chromium-hundred", hundred}, {"firefox-hundred", hundred},
		{"chromium-nothing", nil}, {"firefox-nothing", nil}, // a form without a field
		{"chromium-fetch", fetched}, {"firefox-fetch", fetched},
		{"node-names", []part{{"plain", "", "", "a value"}, {"quo%22te%0D%0A", "", "", "v\r\nw"},
			{"file", "n%22a%0D%0Ame ü.txt", "text/plain", "x"}, {"empty", "e", octets, ""}}},
		{"curl-names", []part{{"plain", "", "", "a value"}, {`quo%22t\e`, "", "", "v"},
			{"file", "b ü.txt", "text/plain", "x"}, {"typed", "", "text/html", "y"}}},
		{"curl-escaped", []part{{`quo"t\e`, "", "", "v"}, {"file", "b ü.txt", "text/plain", "x"}}},
	} {
		env, body := sent(t, c.file)
		list, err := parts(env, form.Limits{})
		var got []part
		for _, p := range list {
			got = append(got, part{p.name, p.fileName, p.header.Get("Content-Type"), p.content})
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v\ngot  %q\nwant %q", c.file, err, got, c.want)
		}
		compareParts(t, env.Vars["CONTENT_TYPE"], body)
	}
}

func TestWhatBrowsersSendUrlencoded(t *testing.T) {
	t.Parallel()
	filled := form.Values{"plain": {"a value"}, "sp ace&amp=;+%": {"&=;+%22 /?#\x00~*-._"},
		"naïve 日本": {"grüße 😀"},
		"area":     {"one\r\ntwo\r\n"}, "empty": {""}, "twice": {"1", "2"}, "none": {""}}
	params := form.Values{"a;b": {"c'd (e)!"}, "": {""}, "x": {"é"}}
	for _, browser := range []string{"chromium-", "firefox-"} {
		for file, want := range map[string]form.Values{"post": filled, "params": params} {
			env, _ := sent(t, browser+file)
			if got, err := form.Parse(env, form.Limits{}); err != nil || !reflect.DeepEqual(got,
				want) {
				t.Errorf("%s: %v\ngot  %q\nwant %q", browser+file, err, got, want)
			}
		}
		env, _ := sent(t, browser+"get")
		if got, err := form.Query(env); err != nil || !reflect.DeepEqual(got, filled) {
			t.Errorf("%s: %v\ngot  %q\nwant %q", browser, err, got, filled)
		}
	}
}

// A script may set any cookie. Those that SetCookie cannot have set are left out.
func TestWhatBrowsersSendAsCookies(t *testing.T) {
	t.Parallel()
	for browser, bare := range map[string]string{"chromium-get": "bare", "firefox-get": "bare="} {
		env, _ := sent(t, browser)
		// The site has set utf=é日, back=a\b, and a cookie that has no name.
		if want := `; utf=é日; quoted="x y"; space=x y; comma=a,b; ` + bare +
			"; "; !strings.Contains(env.Vars["HTTP_COOKIE"], want) {
			t.Fatalf("%s has sent %q", browser, env.Vars["HTTP_COOKIE"])
		}
		got := cookies(env)
		want := [][2]string{{"deep", "1"}, {"plain", "1"}, {"quoted", "x y"}, {"space", "x y"},
			{"comma", "a,b"}}
		if bare == "bare=" {
			want = append(want, [2]string{"bare", ""}) // to Firefox it is a cookie with a name
		}
		want = append(want, [2]string{"eq", "a=b=="}, [2]string{"empty", ""})
		if !slices.Equal(got, want) {
			t.Errorf("%s:\ngot  %q\nwant %q", browser, got, want)
		}
	}
}

// cookies returns what Cookies walks.
func cookies(env *gateway.Environ) (list [][2]string) {
	for name, value := range form.Cookies(env) {
		list = append(list, [2]string{name, value})
	}
	return list
}
