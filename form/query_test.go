package form_test

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"example.com/gateway/form"
	"example.com/gateway/gatewaytest"
	"example.com/gateway/request"
)

var queries = []struct {
	query string
	want  form.Values // nil: it is refused
	text  string      // in the error
}{
	{"", form.Values{}, ""},
	{"a=1", form.Values{"a": {"1"}}, ""},
	{"a=1&b=2&a=3&c=4&a=5", form.Values{"a": {"1", "3", "5"}, "b": {"2"}, "c": {"4"}}, ""},
	{"a", form.Values{"a": {""}}, ""},
	{"a=", form.Values{"a": {""}}, ""},
	{"=a", form.Values{"": {"a"}}, ""},
	{"=", form.Values{"": {""}}, ""},
	{"&&a=1&", form.Values{"a": {"1"}}, ""},
	{"a=b=c", form.Values{"a": {"b=c"}}, ""},
	{"a+b=c+d", form.Values{"a b": {"c d"}}, ""},
	{"%61%3d%26=%2B%253b", form.Values{"a=&": {"+%3b"}}, ""},
	{"%C3%A9=%e6%97%a5&%ff=\xfe", form.Values{"é": {"日"}, "\xff": {"\xfe"}}, ""},
	{"a=%00%0D%0a", form.Values{"a": {"\x00\r\n"}}, ""},
	{"a=%3B&a?b/c=#", form.Values{"a": {";"}, "a?b/c": {"#"}}, ""},
	{"a=1&a%5B%5D=2&a[x]=3", form.Values{"a": {"1"}, "a[]": {"2"}, "a[x]": {"3"}}, ""},
	{"%", nil, `QUERY_STRING: pair 1: a "%" without two hexadecimal digits in "%"`},
	{"a=1&b=%4", nil, `pair 2: a "%" without two hexadecimal digits in "b=%4"`},
	{"a=%zz", nil, `"%" without two`},
	{"a=%4g", nil, `"%" without two`},
	{"a=%g4", nil, `"%" without two`},
	{"a=%4\x00", nil, `"%" without two`},
	{"%%%=1", nil, `"%" without two`},
	{"a=%4&1", nil, `"%" without two`},
	{"a=1;b=2", nil, `byte 3 is a ";": write %3B`},
	{";", nil, `byte 0 is a ";"`},
	{"a=1&;&b=2", nil, `byte 4 is a ";"`},
	{"a=&lt;", nil, `byte 5 is a ";"`},
}

func TestQueries(t *testing.T) {
	t.Parallel()
	for _, c := range queries {
		env := gatewaytest.NewEnviron("GET", "/", nil)
		env.Vars["QUERY_STRING"] = c.query
		got, err := form.Query(env)
		if !reflect.DeepEqual(got, c.want) || !strings.Contains(text(err), c.text) ||
			(c.text == "") != (err == nil) {
			t.Errorf("%q: %q, %v\nwant %q, %q", c.query, got, err, c.want, c.text)
		}
		if c.text != "" && !errors.Is(err, request.ErrMalformed) {
			t.Errorf("%q: %v is not malformed", c.query, err)
		}
		got, err = form.Parse(post("application/x-www-form-urlencoded", c.query), form.Limits{})
		if !reflect.DeepEqual(got, c.want) || (c.text == "") != (err == nil) {
			t.Errorf("Parse %q: %q, %v\nwant %q", c.query, got, err, c.want)
		}
	}
}

func TestGetHasTheFirstValue(t *testing.T) {
	t.Parallel()
	values := form.Values{"a": {"1", "2"}, "empty": {}}
	if values.Get("a") != "1" || values.Get("b") != "" || values.Get("empty") != "" ||
		form.Values(nil).Get("a") != "" {
		t.Error(values)
	}
}

// To add to the values of one name changes no other name's.
func TestValuesAreOfOneName(t *testing.T) {
	t.Parallel()
	env := gatewaytest.NewEnviron("GET", "/?a=1&b=2", nil)
	values, err := form.Query(env)
	if err != nil {
		t.Fatal(err)
	}
	_ = append(values["a"], "3")
	if values.Get("b") != "2" {
		t.Errorf("%q", values)
	}
}

func TestTypesOfUrlencodedForms(t *testing.T) {
	t.Parallel()
	for contentType, kind := range map[string]error{
		"application/x-www-form-urlencoded":               nil,
		"application/x-www-form-urlencoded;charset=UTF-8": nil,
		"Application/X-WWW-Form-Urlencoded ; Charset=x;":  nil,
		"application/x-www-form-urlencoded; charset":      request.ErrMalformed,
		"application/x-www-form-urlencoded, text/plain":   request.ErrMediaType,
		"application/x-www-form-urlencoded-not":           request.ErrMediaType,
		"text/plain":                                      request.ErrMediaType,
		"":                                                request.ErrMediaType,
	} {
		values, err := form.Parse(post(contentType, "a=1"), form.Limits{})
		if kind == nil && (err != nil || values.Get("a") != "1") || kind != nil && (values != nil ||
			!errors.Is(err, kind)) {
			t.Errorf("%q: %q, %v", contentType, values, err)
		}
	}
}

func TestTheLimitsOfAnUrlencodedForm(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		at        form.Limits
		body      string
		above, is string
	}{
		{form.Limits{MaxFields: 3}, "a=1&&b=2&a=3&", "c=4",
			"form: the number of pairs passes Limits.MaxFields, 3"},
		{form.Limits{MaxFieldBytes: 3}, "a=123", "4",
			"form: pair 1 passes Limits.MaxFieldBytes, 3"},
		{form.Limits{MaxFieldBytes: 3}, "a=%31%32%33", "4",
			"pair 1 passes Limits.MaxFieldBytes, 3"},
		{form.Limits{MaxFieldBytes: 3}, "a=1&abc", "d",
			"pair 2 passes Limits.MaxFieldBytes, 3"},
		{form.Limits{MaxBytes: 5}, "a=123", "4", "the form passes Limits.MaxBytes, 5"},
		{form.Limits{}, strings.Repeat("a=1&", 999) + "a=1", "&a",
			"Limits.MaxFields, 1000"},
		{form.Limits{}, strings.Repeat("&", 100000), strings.Repeat("&a", 1001),
			"Limits.MaxFields, 1000"},
	} {
		for name, wrap := range map[string]func(io.Reader) io.Reader{"": asItIs,
			"half by half": iotest.HalfReader, "with EOF": iotest.DataErrReader} {
			for _, declared := range []bool{true, false} {
				read := func(body string) (form.Values, error) {
					env := post("application/x-www-form-urlencoded", body)
					if !declared {
						delete(env.Vars, "CONTENT_LENGTH")
					}
					env.Input = wrap(env.Input)
					return form.Parse(env, c.at)
				}
				if _, err := read(c.body); err != nil {
					t.Errorf("%+v, %s, at the limit: %v", c.at, name, err)
				}
				if values, err := read(c.body + c.above); values != nil || !errors.Is(err,
					request.ErrBodyTooLarge) || !strings.Contains(text(err), c.is) {
					t.Errorf("%+v, %s, above the limit: %v, want %q", c.at, name, err, c.is)
				}
			}
		}
	}
}

// The zero value has limits.
func TestTheDefaultLimitsOfAnUrlencodedForm(t *testing.T) {
	t.Parallel()
	field, all := "a="+strings.Repeat("x", 1<<20), "a="+strings.Repeat("x", 10<<20-2)
	for _, c := range []struct {
		limits form.Limits
		at, is string
	}{
		{form.Limits{}, field, "Limits.MaxFieldBytes, 1048576"},
		{form.Limits{MaxFieldBytes: 1 << 30}, all, "Limits.MaxBytes, 10485760"},
	} {
		if _, err := form.Parse(post("application/x-www-form-urlencoded", c.at), c.limits); err != nil {
			t.Errorf("at the limit: %v", err)
		}
		_, err := form.Parse(post("application/x-www-form-urlencoded", c.at+"x"), c.limits)
		if !errors.Is(err, request.ErrBodyTooLarge) || !strings.Contains(text(err), c.is) {
			t.Errorf("above the limit: %v, want %q", err, c.is)
		}
	}
}

// A query of 100,000 pairs is refused without a place for each.
func TestAQueryOfTooManyPairs(t *testing.T) {
	t.Parallel()
	env := gatewaytest.NewEnviron("GET", "/", nil)
	env.Vars["QUERY_STRING"] = strings.Repeat("a=1&", 100000)
	if values, err := form.Query(env); values != nil || !errors.Is(err, request.ErrBodyTooLarge) {
		t.Errorf("%d values, %v", len(values), err)
	}
	var many strings.Builder
	for i := range 100000 {
		fmt.Fprintf(&many, "n%d=%d&", i, i)
	}
	values, err := form.Parse(post("application/x-www-form-urlencoded", many.String()),
		form.Limits{MaxFields: 100000})
	if len(values) != 100000 || values.Get("n99999") != "99999" || err != nil {
		t.Errorf("%d values, %v", len(values), err)
	}
}
