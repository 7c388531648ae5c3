package form_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"example.com/gateway"
	"example.com/gateway/form"
	"example.com/gateway/gatewaytest"
	"example.com/gateway/request"
)

const ofB = "multipart/form-data; boundary=b"

// seventy is the longest boundary, of all bytes that one may have.
const seventy = "0123456789abcdefghijABCDEFGHIJ'()+_,-./:=? 0123456789abcdefghijABCDEFG"

// one is a form of one part.
func one(boundary string) string { return multipartBody(boundary, `name="a"`, "1") }

var acceptedForms = []struct {
	what, contentType, body string
	want                    []string // name and content of each part
}{
	{"one part", ofB, one("b"), []string{"a", "1"}},
	{"no part", ofB, "--b--\r\n", nil},
	{"no line break at the end", ofB, "--b--", nil},
	{"an empty value", ofB, multipartBody("b", `name="a"`, ""), []string{"a", ""}},
	{"a part without the line break before its content", ofB,
		"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n--b--\r\n", []string{"a", ""}},
	{"the same between parts", ofB,
		"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n" +
			"--b\r\nContent-Disposition: form-data; name=c\r\n\r\n1\r\n--b--",
		[]string{"a", "", "c", "1"}},
	{"white space behind boundaries", ofB,
		"--b \t\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--b-- \t\r\n",
		[]string{"a", "1"}},
	{"a preamble", ofB, "This is a form.\r\n" + one("b"), []string{"a", "1"}},
	{"an empty line before the form", ofB, "\r\n" + one("b"), []string{"a", "1"}},
	{"an epilogue, with a boundary in it", ofB, one("b") + "That was it.\r\n--b\r\n", []string{"a",
		"1"}},
	{"content that is nearly a boundary", ofB, multipartBody("b", `name="a"`,
		"\r\n-\r\n--\r\r\n--\n--b\r--b--"),
		[]string{"a", "\r\n-\r\n--\r\r\n--\n--b\r--b--"}},
	{"content that ends with a line break", ofB, multipartBody("b", `name="a"`, "1\r\n\r\n"),
		[]string{"a", "1\r\n\r\n"}},
	{"another form inside", ofB, multipartBody("b", `name="a"`, one("c")), []string{"a", one("c")}},
	{"a boundary of 70 bytes", `multipart/form-data; boundary="` + seventy + `"`, one(seventy),
		[]string{"a", "1"}},
	{"a boundary of hyphens", "multipart/form-data; boundary=----", one("----"), []string{"a",
		"1"}},
	{"a type in capitals, and another parameter",
		"Multipart/Form-Data ; charset=utf-8 ;\tBOUNDARY=b;", one("b"),
		[]string{"a", "1"}},
	{"a boundary with a space inside", `multipart/form-data; boundary="b b"`, one("b b"),
		[]string{"a", "1"}},
	{"names that come twice", ofB, multipartBody("b", `name="a"`, "1", `name="a"`, "2"),
		[]string{"a", "1", "a", "2"}},
	{"a byte-order mark, and UTF-8 that is none", ofB, multipartBody("b", "name=\"\ufeff\xff\"",
		"\xfe"),
		[]string{"\ufeff\xff", "\xfe"}},
}

func TestFormsThatAreAccepted(t *testing.T) {
	t.Parallel()
	for _, c := range acceptedForms {
		list, err := parts(post(c.contentType, c.body), form.Limits{})
		var got []string
		for _, p := range list {
			got = append(got, p.name, p.content)
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %q %v, want %q", c.what, got, err, c.want)
		}
		compareParts(t, c.contentType, c.body)
		stopsAtEveryByte(t, c.contentType, c.body)
	}
}

var refusedForms = []struct {
	what, contentType, body string
	kind                    error
	text                    string // in the error
}{
	// The boundary parameter.
	{"no type", "", one("b"), request.ErrMediaType, `"" is no form's`},
	{"another type", "application/json", one("b"), request.ErrMediaType,
		`"application/json" is no form's`},
	{"a type that has form-data in it", "multipart/form-database; boundary=b", one("b"),
		request.ErrMediaType, "is no form's"},
	{"multipart/mixed", "multipart/mixed; boundary=b", one("b"), request.ErrMediaType,
		"is no form's"},
	{"two types in one", "text/plain, multipart/form-data; boundary=b", one("b"),
		request.ErrMediaType, "is no form's"},
	{"an urlencoded form", "application/x-www-form-urlencoded", "a=1", request.ErrMediaType,
		"use Parse"},
	{"no boundary", "multipart/form-data", one("b"), request.ErrMalformed,
		`the boundary "" is not 1 to 70 bytes`},
	{"an empty boundary", `multipart/form-data; boundary=""`, one(""), request.ErrMalformed,
		`the boundary "" is not 1 to 70 bytes`},
	{"no value", "multipart/form-data; boundary", one("b"), request.ErrMalformed,
		"CONTENT_TYPE: a parameter has no name"},
	{"a boundary of 71 bytes", `multipart/form-data; boundary="` + seventy + `x"`, one(seventy +
		"x"),
		request.ErrMalformed, "is not 1 to 70 bytes"},
	{"a boundary that ends with a space", `multipart/form-data; boundary="b "`, one("b "),
		request.ErrMalformed, "is not 1 to 70"},
	{"a boundary with a byte that it may not have", "multipart/form-data; boundary=b!", one("b!"),
		request.ErrMalformed, "is not 1 to 70"},
	{"a boundary with a line break", "multipart/form-data; boundary=\"b\r\n\"", one("b"),
		request.ErrMalformed, "is not 1 to 70"},
	{"a boundary that needs quotes", "multipart/form-data; boundary=b=b", one("b=b"),
		request.ErrMalformed, "no semicolon"},
	{"a quote that does not end", `multipart/form-data; boundary="b`, one("b"),
		request.ErrMalformed, "does not end"},
	{"two boundaries", ofB + "; boundary=c", one("b"), request.ErrMalformed,
		"a parameter is there twice: "},
	{"the same boundary twice", ofB + "; Boundary=b", one("b"), request.ErrMalformed,
		"a parameter is there twice: "},
	{"a boundary of RFC 2231", "multipart/form-data; boundary*=utf-8''b", one("b"),
		request.ErrMalformed, "a boundary of RFC 2231"},
	{"a boundary in pieces", "multipart/form-data; boundary*0=b; boundary=b", one("b"),
		request.ErrMalformed, "a boundary of RFC 2231"},
	{"another parameter twice", "multipart/form-data; a=b; boundary=b; A=c", one("b"),
		request.ErrMalformed, "a parameter is there twice: A"},
	{"17 parameters", "multipart/form-data; boundary=b" + manyParameters(16), one("b"),
		request.ErrMalformed, "more than 16 parameters"},

	// The boundary in the body.
	{"an empty body", ofB, "", request.ErrMalformed,
		"before the first part: the form was cut short"},
	{"no boundary in the body", ofB, "a=1&b=2\r\n", request.ErrMalformed,
		"before the first part: the form was cut short"},
	{"another boundary in the body", ofB, one("c"), request.ErrMalformed,
		"before the first part: the form was cut short"},
	{"a longer boundary in the body", ofB, one("bb"), request.ErrMalformed,
		"before the first part: the line of the boundary"},
	{"the boundary in the middle of a line before the form", ofB, "see --b\r\n" + one("b"),
		request.ErrMalformed,
		"no CR LF before the boundary"},
	{"LF for a line break before the first boundary", ofB, "x\n" + one("b"), request.ErrMalformed,
		"no CR LF before the boundary"},
	{"LF for every line break", ofB, strings.ReplaceAll(one("b"), "\r\n", "\n"),
		request.ErrMalformed, "the line of the boundary"},
	{"LF behind the last boundary", ofB, strings.TrimSuffix(one("b"), "\r\n") + "\n",
		request.ErrMalformed, `part 1 "a": the line of the`},
	{"the boundary inside the content, with more behind", ofB, multipartBody("b", `name="a"`,
		"1\r\n--b2"), request.ErrMalformed,
		`part 1 "a": the line of the boundary has something else`},
	{"the boundary inside the content, with a hyphen", ofB, multipartBody("b", `name="a"`,
		"1\r\n--b-\r\n"), request.ErrMalformed,
		`part 1 "a": the line of the boundary has something else`},
	{"the last boundary with more behind", ofB, "--b--x\r\n", request.ErrMalformed,
		"the line of the boundary has something else"},
	{"the first boundary twice", ofB, "--b\r\n" + one("b"), request.ErrMalformed,
		"part 1 has no end before the next boundary"},

	// Cut short.
	{"no last boundary", ofB, "--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n",
		io.ErrUnexpectedEOF, `part 1 "a": the form was cut short`},
	{"half of a boundary", ofB, "--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--",
		io.ErrUnexpectedEOF, `part 1 "a": the form was cut short`},
	{"a boundary without the end of its line", ofB,
		"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--b", io.ErrUnexpectedEOF,
		`part 1 "a": the form was cut short`},
	{"a head that stops", ofB, "--b\r\nContent-Disposition: form-data; name=a\r\n",
		io.ErrUnexpectedEOF, "head of part 1: the form was cut short"},
}

func TestFormsThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range refusedForms {
		_, err := parts(post(c.contentType, c.body), form.Limits{})
		if !errors.Is(err, c.kind) || !strings.Contains(text(err), c.text) {
			t.Errorf("%s: %v\nwant %q", c.what, err, c.text)
		}
		compareParts(t, c.contentType, c.body)
		if strings.HasPrefix(c.contentType, "multipart/") {
			if values, err := form.Parse(post(c.contentType, c.body),
				form.Limits{}); values != nil || err == nil {
				t.Errorf("%s: Parse has %q, %v", c.what, values, err)
			}
		}
	}
}

var acceptedHeads = []struct {
	head, name, fileName string
}{
	{`Content-Disposition: form-data; name="a"`, "a", ""},
	{`content-disposition:form-data;name=a`, "a", ""},
	{"Content-Disposition:\t FORM-DATA ;\tNAME=\"a\" ; ", "a", ""},
	{`Content-Disposition: form-data; name=""`, "", ""},
	{`Content-Disposition: form-data; name="a;filename=b"`, "a;filename=b", ""},
	{`Content-Disposition: form-data; filename="b"; x=y; name="a"`, "a", "b"},
	{`Content-Disposition: form-data; name="a[]"; filename="b"` +
		"\r\nContent-Type: text/plain; charset=utf-8", "a[]", "b"},
	{"X-Other: 1\r\nx-other: 2\r\nContent-Disposition: form-data; name=a", "a", ""},
	{"Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: Binary", "a", ""},
	{"Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: 8bit", "a", ""},
	{"Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding:", "a", ""},

	// File names: what is behind any slash or backslash, and nothing is decoded.
	{`Content-Disposition: form-data; name=a; filename=""`, "a", ""},
	{`Content-Disposition: form-data; name=a; filename="x/y/b.txt"`, "a", "b.txt"},
	{`Content-Disposition: form-data; name=a; filename="../../etc/passwd"`, "a", "passwd"},
	{`Content-Disposition: form-data; name=a; filename="C:\Users\me\b.txt"`, "a", "b.txt"},
	{`Content-Disposition: form-data; name=a; filename="C:\\Users\\me\\b.txt"`, "a", "b.txt"},
	{`Content-Disposition: form-data; name=a; filename="\\server\share/b.txt"`, "a", "b.txt"},
	{`Content-Disposition: form-data; name="a\b(\)"; filename="c:\(b).txt"`, `a\b(\)`, "(b).txt"},
	{`Content-Disposition: form-data; name="a\"b\\"; filename="say \"b\".txt"`, `a"b\`,
		`say "b".txt`},
	{`Content-Disposition: form-data; name=a; filename="b%22%0D%0A.txt"`, "a", "b%22%0D%0A.txt"},
	{`Content-Disposition: form-data; name=a; filename="=?utf-8?B?YmIudHh0?="`, "a",
		"=?utf-8?B?YmIudHh0?="},
	{`Content-Disposition: form-data; name=a; filename="=?utf-8?Q?../b?="`, "a", "b?="},
	{`Content-Disposition: form-data; name=a; filename=" "`, "a", " "},
	{`Content-Disposition: form-data; name=a; filename="..."`, "a", "..."},
	{`Content-Disposition: form-data; name=a; filename="b.txt"; filename*=utf-8''evil.php`, "a",
		"b.txt"}, // .NET sends both
	{`Content-Disposition: form-data; filename*0=evil; name*=utf-8''c; name=a; filename=b`, "a",
		"b"},
}

func TestHeadsThatAreAccepted(t *testing.T) {
	t.Parallel()
	for _, c := range acceptedHeads {
		body := "--b\r\n" + c.head + "\r\n\r\ncontent\r\n--b--\r\n"
		list, err := parts(post(ofB, body), form.Limits{})
		if err != nil || len(list) != 1 || list[0].name != c.name ||
			list[0].fileName != c.fileName || list[0].content != "content" {
			t.Errorf("%s: %q, %v, want %q and %q", c.head, list, err, c.name, c.fileName)
		}
		compareParts(t, ofB, body)
	}
}

func TestAPartHasItsHeaders(t *testing.T) {
	t.Parallel()
	head := "X-Z:\t1 \r\nContent-Disposition: form-data; name=a\r\ncontent-TYPE: text/plain\r\nX-Z:"
	list, err := parts(post(ofB, "--b\r\n"+head+"\r\n\r\n\r\n--b--\r\n"), form.Limits{})
	want := gateway.Headers{{"X-Z", "1"}, {"Content-Disposition", "form-data; name=a"},
		{"content-TYPE", "text/plain"}, {"X-Z", ""}}
	if err != nil || len(list) != 1 || !reflect.DeepEqual(list[0].header, want) {
		t.Errorf("%q, %v, want %q", list, err, want)
	}
}

var refusedHeads = []struct{ head, text string }{
	{"", "there is no Content-Disposition"},
	{"Content-Type: text/plain", "there is no Content-Disposition"},
	{"Content-Disposition: attachment; name=a", "there is no Content-Disposition: form-data"},
	{"Content-Disposition: form-data-x; name=a", "there is no Content-Disposition: form-data"},
	{"Content-Disposition:", "there is no Content-Disposition: form-data"},
	{"Content-Disposition: form-data", "there is no name"},
	{"Content-Disposition: form-data; filename=b", "there is no name"},
	{"Content-Disposition: form-data; name*=utf-8''a", "there is no name"},
	{"Content-Disposition: form-data; name", "a parameter has no name"},
	{"Content-Disposition: form-data; name =a", "a parameter has no name"},
	{"Content-Disposition: form-data; name=", "a parameter has no name"},
	{"Content-Disposition: form-data; =a", "a parameter has no name"},
	{"Content-Disposition: form-data;; name=a", "a parameter has no name"},
	{"Content-Disposition: form-data, name=a", "no semicolon"},
	{`Content-Disposition: form-data; name="a" filename="b"`, "no semicolon"},
	{`Content-Disposition: form-data; name=a"b"`, "no semicolon"},
	{`Content-Disposition: form-data; name="a`, "a quoted value does not end"},
	{`Content-Disposition: form-data; name="a\"`, "a quoted value does not end"},
	{`Content-Disposition: form-data; name="a\`, "a quoted value does not end"},
	{"Content-Disposition: form-data; name=a; Name=b", "a parameter is there twice: Name"},
	{"Content-Disposition: form-data; name=a; b=c; B=c", "a parameter is there twice: B"},
	{"Content-Disposition: form-data; name=a" + manyParameters(16), "more than 16 parameters"},
	{"Content-Disposition: form-data; name=a; name=a", "a parameter is there twice"},
	{"Content-Disposition: form-data; name=a; filename=b; filename=c",
		"a parameter is there twice"},
	{"Content-Disposition: form-data; name=a; filename*=utf-8''b",
		"a filename* without a filename"},
	{"Content-Disposition: form-data; name=a; FileName*0=b", "a filename* without a filename"},
	{"Content-Disposition: form-data; name=a; filename=..", `no file's name: ".."`},
	{`Content-Disposition: form-data; name=a; filename="x/."`, "no file's name"},
	{`Content-Disposition: form-data; name=a; filename="x/"`, "no file's name"},
	{`Content-Disposition: form-data; name=a; filename="x\\.."`, "no file's name"},
	{"Content-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=b",
		"two headers Content-Disposition"},
	{"Content-Disposition: form-data; name=a\r\nCONTENT-DISPOSITION: form-data; name=a",
		"two headers Content-Disposition"},
	{"Content-Disposition: form-data; name=a\r\nContent-Type: a/b\r\nContent-Type: a/b",
		"two headers Content-Type"},
	{"Content-Disposition: form-data; name=a\r\n" +
		"Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: 7bit",
		"two headers Content-Transfer-Encoding"},
	{"Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64",
		`Content-Transfer-Encoding is "base64"`},
	{"Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: quoted-printable",
		"Content-Transfer-Encoding is"},
	{"Content-Disposition: form-data;\r\n name=a", "a header goes on in a second line"},
	{"X: y\r\n\tContent-Disposition: z\r\nContent-Disposition: form-data; name=a",
		"a header goes on in a second line"},
	{" Content-Disposition: form-data; name=a", "a header goes on in a second line"},
	{"Content-Disposition : form-data; name=a", "this is no header"},
	{"Content-Disposition", "this is no header"},
	{": form-data; name=a", "this is no header"},
	{"Content-Disposition: form-data; name=a\r\nX-\u00e9: 1", "this is no header"},
	{"Content-Disposition: form-data; name=\"a\x00\"", "a control character"},
	{"Content-Disposition: form-data; name=\"a\"; filename=\"b.php\x00.png\"",
		"a control character"},
	{"Content-Disposition: form-data; name=\"a\rb\"", "a control character"},
	{"Content-Disposition: form-data; name=\"a\nb\"", "a control character"},
	{"Content-Disposition: form-data; name=a\nX: y", "a control character"},
	{"Content-Disposition: form-data; name=a\x7f", "a control character"},
	{"X: y\r\n--b\r\nContent-Disposition: form-data; name=a", "no end before the next boundary"},
	{"Content-Disposition: form-data; name=a\r\n--b: x", "no end before the next boundary"},
}

func TestHeadsThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range refusedHeads {
		body := "--b\r\n" + c.head + "\r\n\r\ncontent\r\n--b--\r\n"
		list, err := parts(post(ofB, body), form.Limits{})
		if !errors.Is(err, request.ErrMalformed) || !strings.Contains(text(err), c.text) ||
			!strings.Contains(text(err), "part 1") || list != nil {
			t.Errorf("%q: %q, %v\nwant %q", c.head, list, err, c.text)
		}
		compareParts(t, ofB, body)
	}
}

// A form that was cut short is never taken for a whole one, wherever it stops, and by whatever it
// was cut.
func TestAFormThatStopsAtAnyByteIsNone(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"chromium-names", "firefox-fetch", "curl-escaped"} {
		env, body := sent(t, name)
		stopsAtEveryByte(t, env.Vars["CONTENT_TYPE"], body)
	}
}

func stopsAtEveryByte(t *testing.T, contentType, body string) {
	t.Helper()
	for n := range len(body) {
		stopsAt(t, contentType, body, n)
	}
}

// stopsAt checks that the first n bytes of a form are none: never if Input says that it was cut
// short, and only with the last boundary if a server lets it end cleanly.
func stopsAt(t *testing.T, contentType, body string, n int) {
	t.Helper()
	_, params, _ := mime.ParseMediaType(contentType)
	last := "--" + params["boundary"] + "--"
	env := post(contentType, body)
	env.Input = io.MultiReader(strings.NewReader(body[:n]), iotest.ErrReader(io.ErrUnexpectedEOF))
	_, cut := parts(env, form.Limits{})
	env.Input = strings.NewReader(body[:n])
	_, ended := parts(env, form.Limits{})
	if cut == nil || ended == nil && !strings.Contains(body[:n], last) {
		t.Fatalf("%q %q\nthe first %d bytes pass for a form", contentType, body, n)
	}
}

// A cut form has the error of the cut, of both ways to be cut, and Refuse takes it for a 400.
func TestACutFormSaysSo(t *testing.T) {
	t.Parallel()
	whole := one("b")
	for n := range len(whole) - len("\r\n") {
		for _, end := range []error{io.EOF, io.ErrUnexpectedEOF} {
			env := post(ofB, whole)
			env.Input = io.MultiReader(strings.NewReader(whole[:n]), iotest.ErrReader(end))
			_, err := parts(env, form.Limits{})
			if !errors.Is(err, io.ErrUnexpectedEOF) || !errors.Is(err, request.ErrMalformed) {
				t.Fatalf("after %d bytes, %v: %v", n, end, err)
			}
		}
	}
	env := post("application/x-www-form-urlencoded", "")
	env.Input = io.MultiReader(strings.NewReader("a=1"), iotest.ErrReader(io.ErrUnexpectedEOF))
	if values, err := form.Parse(env, form.Limits{}); values != nil || !errors.Is(err,
		io.ErrUnexpectedEOF) {
		t.Errorf("%q, %v", values, err)
	}
}

// What follows the last boundary is read, so that a form whose body was cut short there is not
// whole.
func TestTheBodyIsReadToItsEnd(t *testing.T) {
	t.Parallel()
	env := post(ofB, "")
	env.Input = io.MultiReader(strings.NewReader(one("b")+"more"),
		iotest.ErrReader(io.ErrUnexpectedEOF))
	if _, err := parts(env, form.Limits{}); !errors.Is(err, io.ErrUnexpectedEOF) ||
		!strings.Contains(err.Error(), "after the last part") {
		t.Error(err)
	}
}

// Each limit holds at its number, and not above; the error names the limit.
func TestTheLimitsOfAMultipartForm(t *testing.T) {
	t.Parallel()
	body := multipartBody("b", `name="abc"`, "1234567", `name="f"; filename="g"`,
		strings.Repeat("x", 100), `name="d"`, "")
	head := len("Content-Disposition: form-data; name=\"f\"; filename=\"g\"\r\n")
	for _, c := range []struct {
		at   form.Limits
		text string // in the error; "": the form is at the limit
	}{
		{form.Limits{MaxBytes: int64(len(body))}, ""},
		{form.Limits{MaxBytes: int64(len(body)) - 1},
			fmt.Sprint("the form passes Limits.MaxBytes, ", len(body)-1)},
		{form.Limits{MaxFields: 3}, ""},
		{form.Limits{MaxFields: 2}, "the number of parts passes Limits.MaxFields, 2"},
		{form.Limits{MaxFieldBytes: 7}, ""},
		{form.Limits{MaxFieldBytes: 6}, `part 1 "abc" passes Limits.MaxFieldBytes, 6`},
		{form.Limits{MaxFieldBytes: 2}, `part 1 "abc" passes Limits.MaxFieldBytes, 2`}, // the name
		{form.Limits{MaxHeadBytes: head}, ""},
		{form.Limits{MaxHeadBytes: head - 1},
			fmt.Sprint("the head of part 2 passes Limits.MaxHeadBytes, ", head-1)},
		{form.Limits{MaxBytes: math.MaxInt64, MaxFields: math.MaxInt, MaxFieldBytes: math.MaxInt,
			MaxHeadBytes: math.MaxInt}, ""},
		{form.Limits{MaxBytes: -1, MaxFields: -1, MaxFieldBytes: -1, MaxHeadBytes: -1}, ""},
	} {
		for _, length := range []string{fmt.Sprint(len(body)), ""} { // declared or not
			for _, wrap := range []func(io.Reader) io.Reader{asItIs, iotest.OneByteReader,
				iotest.DataErrReader} {
				env := post(ofB, body)
				env.Vars["CONTENT_LENGTH"] = length
				env.Input = wrap(env.Input)
				_, err := parts(env, c.at)
				if (err == nil) != (c.text == "") || !strings.Contains(text(err), c.text) ||
					err != nil && !errors.Is(err, request.ErrBodyTooLarge) {
					t.Errorf("%+v: %v, want %q", c.at, err, c.text)
				}
			}
		}
	}
}

func asItIs(r io.Reader) io.Reader { return r }

// The zero value has limits.
func TestTheDefaultLimits(t *testing.T) {
	t.Parallel()
	parts := func(n int) string {
		return strings.Repeat("--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n", n) +
			"--b--"
	}
	file := func(n int) string {
		return multipartBody("b", "name=a; filename=f", strings.Repeat("x",
			n))
	}
	field := func(n int) string { return multipartBody("b", "name=a", strings.Repeat("x", n)) }
	head := func(n int) string {
		const line = "Content-Disposition: form-data; name=a\r\nX: \r\n"
		return "--b\r\n" + strings.TrimSuffix(line, "\r\n") + strings.Repeat("x", n-len(line)) +
			"\r\n\r\n1\r\n--b--"
	}
	overhead := len(file(0))
	for _, c := range []struct{ at, above string }{
		{parts(1000), parts(1001)}, {file(10<<20 - overhead), file(10<<20 - overhead +
			1)}, {field(1 << 20), field(1<<20 + 1)},
		{head(8 << 10), head(8<<10 + 1)},
	} {
		if err := walk(post(ofB, c.at), form.Limits{}); err != nil {
			t.Errorf("at the limit: %v", err)
		}
		if err := walk(post(ofB, c.above), form.Limits{}); !errors.Is(err,
			request.ErrBodyTooLarge) {
			t.Errorf("above the limit: %v", err)
		}
	}
}

// walk walks the parts, and reads none.
func walk(env *gateway.Environ, limits form.Limits) (err error) {
	for _, err = range form.Parts(env, limits) {
	}
	return err
}

// A form that says that it is too large is refused before a byte is read.
func TestADeclaredLengthIsLookedAtFirst(t *testing.T) {
	t.Parallel()
	for _, contentType := range []string{ofB, "application/x-www-form-urlencoded"} {
		for length, kind := range map[string]error{"11": request.ErrBodyTooLarge,
			"x":                    request.ErrMalformed,
			"99999999999999999999": request.ErrMalformed} {
			env := post(contentType, "")
			env.Vars["CONTENT_LENGTH"] = length
			env.Input = iotest.ErrReader(errors.New("Input was read"))
			if _, err := form.Parse(env, form.Limits{MaxBytes: 10}); !errors.Is(err, kind) ||
				!errors.Is(err, gateway.ErrContentLength) {
				t.Errorf("%s, %s: %v", contentType, length, err)
			}
		}
	}
}

// Parts asks Input for one byte more than the limit, and no more.
func TestNothingIsReadBeyondTheLimit(t *testing.T) {
	t.Parallel()
	body := one("b") + strings.Repeat("x", 1000)
	for _, contentType := range []string{ofB, "application/x-www-form-urlencoded"} {
		in := strings.NewReader(body)
		env := post(contentType, "")
		delete(env.Vars, "CONTENT_LENGTH")
		env.Input = in
		_, err := form.Parse(env, form.Limits{MaxBytes: 100})
		if read := len(body) - in.Len(); read > 101 || !errors.Is(err, request.ErrBodyTooLarge) {
			t.Errorf("%s: %d bytes read, %v", contentType, read, err)
		}
	}
}

// An error of Input is passed on, and is not a kind of malformed form.
func TestAnErrorOfInputIsPassedOn(t *testing.T) {
	t.Parallel()
	failed := errors.New("the disk is on fire")
	for _, contentType := range []string{ofB, "application/x-www-form-urlencoded"} {
		for n := range 30 {
			env := post(contentType, "")
			env.Input = io.MultiReader(strings.NewReader(one("b")[:n]), iotest.ErrReader(failed))
			_, err := form.Parse(env, form.Limits{})
			if !errors.Is(err, failed) || errors.Is(err, request.ErrMalformed) ||
				!strings.HasPrefix(err.Error(), "gateway: form") {
				t.Errorf("%s, after %d bytes: %v", contentType, n, err)
			}
			env.Input = io.MultiReader(strings.NewReader(one("b")[:n]),
				iotest.ErrReader(request.ErrBodyTooLarge))
			if _, err := form.Parse(env, form.Limits{}); !errors.Is(err,
				request.ErrBodyTooLarge) { // the server's limit
				t.Errorf("%s, after %d bytes: %v", contentType, n, err)
			}
		}
	}
	env := post(ofB, "")
	env.Input = readerFunc(func([]byte) (int, error) { return 0, nil })
	if _, err := form.Parse(env, form.Limits{}); !errors.Is(err, io.ErrNoProgress) {
		t.Error(err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// A part is over when the loop goes on. After a break it can still be read.
func TestAPartIsReadInItsStep(t *testing.T) {
	t.Parallel()
	body := multipartBody("b", "name=a; filename=f", "123", "name=c; filename=g", "456")
	var first, second *form.Part
	for part, err := range form.Parts(post(ofB, body), form.Limits{}) {
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = part
			if n, err := part.Read(make([]byte, 1)); n != 1 || err != nil {
				t.Fatal(n, err)
			}
			continue // the rest is skipped
		}
		second = part
		break
	}
	if n, err := first.Read(make([]byte, 10)); n != 0 || err == nil || err == io.EOF {
		t.Errorf("a part of an earlier step gives %d bytes, %v", n, err)
	}
	if _, err := first.Value(); err == nil {
		t.Error("a part of an earlier step has a Value")
	}
	if value, err := second.Value(); value != "456" || err != nil {
		t.Errorf("%q, %v", value, err)
	}
	if n, err := second.Read(make([]byte, 10)); n != 0 || err != io.EOF {
		t.Errorf("%d, %v", n, err)
	}
}

// A part can be read in pieces, and by each of its methods.
func TestThePiecesOfAPart(t *testing.T) {
	t.Parallel()
	content := strings.Repeat("0123456789\r\n--", 10000)
	body := multipartBody("b", "name=a; filename=f", content)
	for _, wrap := range []func(io.Reader) io.Reader{iotest.OneByteReader, iotest.HalfReader,
		iotest.DataErrReader} {
		for _, size := range []int{1, 7, 100, 1 << 20} {
			env := post(ofB, body)
			env.Input = wrap(env.Input)
			for part, err := range form.Parts(env, form.Limits{}) {
				if err != nil {
					t.Fatal(err)
				}
				if n, err := part.Read(nil); n != 0 || err != nil {
					t.Fatal(n, err)
				}
				begin := make([]byte, size)
				n, err := part.Read(begin)
				if err != nil {
					t.Fatal(err)
				}
				var middle bytes.Buffer
				if _, err := io.CopyN(&middle, struct{ io.Reader }{part}, 50000); err != nil {
					t.Fatal(err)
				}
				rest, err := part.Value()
				if got := string(begin[:n]) + middle.String() + rest; got != content || err != nil {
					t.Fatalf("%d bytes, %v", len(got), err)
				}
			}
		}
	}
}

// A reader that hands over a few bytes at a time gets them at once: only what may be a boundary
// waits for more.
func TestContentIsNotHeldBack(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe()
	env := post(ofB, "")
	delete(env.Vars, "CONTENT_LENGTH")
	env.Input = r
	go func() {
		_, _ = io.WriteString(w,
			"--b\r\nContent-Disposition: form-data; name=a\r\n\r\nhello\r")
	}()
	for part, err := range form.Parts(env, form.Limits{}) {
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 10)
		if n, err := part.Read(b); string(b[:n]) != "hello" || err != nil {
			t.Fatalf("%q, %v", b[:n], err)
		}
		break
	}
	w.Close()
}

// Value is bounded for a file, too: whoever sends the form decides which part is one.
func TestAValueIsBounded(t *testing.T) {
	t.Parallel()
	body := multipartBody("b", "name=a; filename=f", strings.Repeat("x", 100000))
	for part, err := range form.Parts(post(ofB, body), form.Limits{MaxFieldBytes: 1000}) {
		if part == nil {
			if !errors.Is(err, request.ErrBodyTooLarge) {
				t.Error(err)
			}
			return
		}
		if value, err := part.Value(); value != "" || !errors.Is(err, request.ErrBodyTooLarge) ||
			err != part.Err() {
			t.Errorf("%d bytes, %v", len(value), err)
		}
	}
	t.Error("the loop does not say so")
}

// Err tells a part that fails from a writer that does.
func TestErrSaysWhoIsToBlame(t *testing.T) {
	t.Parallel()
	full := errors.New("the disk is full")
	for part, err := range form.Parts(post(ofB, one("b")), form.Limits{}) {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(writerFunc(func([]byte) (int, error) { return 0, full }),
			part); err != full || part.Err() != nil {
			t.Errorf("%v, and the part has %v", err, part.Err())
		}
		if _, err := io.Copy(writerFunc(func([]byte) (int, error) { return 0, nil }),
			part); err != io.ErrShortWrite {
			t.Error(err)
		}
	}
	cut := strings.TrimSuffix(one("b"), "--b--\r\n")
	for part, err := range form.Parts(post(ofB, cut), form.Limits{}) {
		if part == nil {
			continue
		}
		if _, err = io.Copy(io.Discard, part); err == nil || err != part.Err() {
			t.Errorf("%v, and the part has %v", err, part.Err())
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestParseRefusesAFile(t *testing.T) {
	t.Parallel()
	values, err := form.Parse(post(ofB, multipartBody("b", "name=a", "1", `name="f"; filename="g"`,
		"")), form.Limits{})
	if values != nil || !errors.Is(err, request.ErrMalformed) || !strings.Contains(err.Error(),
		`part 2 "f" is a file`) {
		t.Errorf("%q, %v", values, err)
	}
	values, err = form.Parse(post(ofB, multipartBody("b", "name=a", "1", `name="f"; filename=""`,
		"", "name=a", "2")), form.Limits{})
	if want := (form.Values{"a": {"1", "2"}, "f": {""}}); !reflect.DeepEqual(values, want) ||
		err != nil {
		t.Errorf("%q, %v, want %q", values, err, want)
	}
}

// The shapes of published advisories end with an error, or take no more memory and time than a form
// of that size: those of Go (CVE-2022-41725, CVE-2023-24536, CVE-2023-45290), Rack (CVE-2022-30122,
// CVE-2022-44571, CVE-2023-27530, CVE-2025-61770 to 61772) and werkzeug (CVE-2023-25577,
// CVE-2023-46136).
func TestShapesOfAdvisories(t *testing.T) {
	t.Parallel()
	const mega = 1 << 20
	const field = "--b\r\nContent-Disposition: form-data; name=a\r\n"
	const head = "--b\r\nContent-Disposition: form-data; name=a; filename=f\r\n"
	for what, body := range map[string]string{
		"a head without an end":        head + "X: " + strings.Repeat("x", mega),
		"a header line without an end": "--b\r\n" + strings.Repeat("x", mega),
		"many headers": head + strings.Repeat("X: y\r\n", mega/6) +
			"\r\n\r\n--b--",
		"many continuations": head + strings.Repeat(" y\r\n", mega/4) +
			"\r\n\r\n--b--",
		"many parameters": "--b\r\nContent-Disposition: form-data; name=a" +
			strings.Repeat(";a=b", mega/4) + "\r\n\r\n\r\n--b--",
		"a quoted value without an end": "--b\r\nContent-Disposition: form-data; name=\"" +
			strings.Repeat(`\`, mega) + "\r\n\r\n\r\n--b--",
		"many parts": strings.Repeat(head+"\r\n\r\n", mega/len(head)) +
			"--b--",
		"a large field":                        field + "\r\n" + strings.Repeat("x", mega),
		"a preamble without a boundary":        strings.Repeat("\r\n--", mega/4),
		"a preamble of hyphens":                strings.Repeat("-", mega),
		"a boundary line without an end":       "--b" + strings.Repeat(" ", mega) + "x",
		"a file of CR":                         head + "\r\n" + strings.Repeat("\r", mega),
		"a file of almost boundaries":          head + "\r\n" + strings.Repeat("\r\n--", mega/4),
		"a file of CR LF and no last boundary": head + "\r\n\r\n" + strings.Repeat("x", mega),
		"no last boundary, and an epilogue": strings.Repeat(head+"\r\n\r\n", 2) +
			strings.Repeat("\r\n--a--", mega/7),
	} {
		if err := walk(post(ofB, body), form.Limits{MaxFieldBytes: mega - 1}); err == nil {
			t.Errorf("%s is taken for a form", what)
		} else {
			checkError(t, err)
		}
	}
}

// A long head that comes byte by byte is not looked through from its start for each byte: this test
// would take minutes.
func TestAHeadIsScannedOnce(t *testing.T) {
	t.Parallel()
	const size = 4 << 20
	env := post(ofB, "--b\r\nContent-Disposition: form-data; name=a\r\nX: "+strings.Repeat("x",
		size)+"\r\n\r\n\r\n--b--\r\n")
	env.Input = iotest.OneByteReader(env.Input)
	if err := walk(env, form.Limits{MaxHeadBytes: size + 100}); err != nil {
		t.Error(err)
	}
}

// The memory of an upload does not depend on its size. The test is not parallel: it counts for the
// whole process.
func TestAnUploadTakesConstantMemory(t *testing.T) {
	const size = 64 << 20
	env := gatewaytest.NewEnviron("POST", "/", nil)
	env.Vars["CONTENT_TYPE"] = ofB
	env.Input = upload(size)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var n int64
	for part, err := range form.Parts(env, form.Limits{MaxBytes: 2 * size}) {
		if err != nil {
			t.Fatal(err)
		}
		n, err = io.Copy(io.Discard, part)
		if err != nil {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	if total := after.TotalAlloc - before.TotalAlloc; n != size || total > 1<<20 {
		t.Errorf("%d bytes were read, and %d allocated", n, total)
	}
}

// upload returns a form with a file of that size.
func upload(size int64) io.Reader {
	head, tail, _ := strings.Cut(multipartBody("b", `name="f"; filename="g"`, "|"), "|")
	return io.MultiReader(strings.NewReader(head), io.LimitReader(new(noise), size),
		strings.NewReader(tail))
}

// noise gives bytes like those of a compressed file, with a CR and a LF now and then.
type noise struct{ at int }

var noiseBytes = func() []byte {
	b := make([]byte, 1<<20)
	x := uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}()

func (n *noise) Read(p []byte) (int, error) {
	c := copy(p, noiseBytes[n.at:])
	n.at = (n.at + c) % len(noiseBytes)
	return c, nil
}

// manyParameters returns so many parameters.
func manyParameters(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "; p%d=v", i)
	}
	return b.String()
}
