package gatewaytest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"example.com/gateway"
)

// refusal returns the element of list that the request asks for, and whether the application is to
// ignore the error of start. Query 2i is element i with the error returned, 2i+1 is element i with
// the error ignored.
func refusal[T any](env *gateway.Environ, list []T) (v T, ignored bool) {
	i, err := strconv.Atoi(env.Vars["QUERY_STRING"])
	if err != nil {
		return v, false
	}
	return list[i/2], i%2 == 1
}

// wantRefusals asks for each of n refusals, with the error returned and with the error ignored.
// Both are a 500, and nothing of the refused head reaches the client.
func (x *exchange) wantRefusals(n int) {
	x.t.Helper()
	for i := range 2 * n {
		r := x.get("/?" + strconv.Itoa(i))
		x.wantErrorPage(r)
		if strings.Contains(strings.ToLower(r.head), "evil") {
			x.errorf("what start has refused reached the client: %s", abridged(r.head))
		}
	}
}

// refusedHeaders is a case for lists of headers that start refuses with an error that wraps want.
func refusedHeaders(rule, name string, want error, lists ...gateway.Headers) serverCase {
	return serverCase{
		rule: rule, name: name,
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			headers, ignored := refusal(env, lists)
			_, err := start("200 OK", headers, nil)
			if !errors.Is(err, want) {
				x.errorf("start with %q returned %v, want %v", headers, err, want)
			}
			if ignored {
				err = nil
			}
			return gateway.Text("never"), err
		},
		run: func(x *exchange) { x.wantRefusals(len(lists)) },
	}
}

// values returns a list of headers for each value of one header.
func values(name string, values ...string) (lists []gateway.Headers) {
	for _, v := range values {
		lists = append(lists, gateway.Headers{{"X-Old", "1"}, {name, v}})
	}
	return lists
}

// names returns a list of headers for each name.
func names(names ...string) (lists []gateway.Headers) {
	for _, n := range names {
		lists = append(lists, gateway.Headers{{"X-Old", "1"}, {n, "x"}})
	}
	return lists
}

// headerCases are about the headers of the response.
var headerCases = []serverCase{
	refusedHeaders("R69", "a-value-with-a-line-break-is-refused", gateway.ErrHeader,
		values("X-A", "a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\rX-Evil: 1", "a\r\n\r\nevil", "a\r\n", "a\n", "\r\na",
			"a\r\n b")...),
	refusedHeaders("R69", "a-value-with-a-nul-is-refused", gateway.ErrHeader,
		values("X-A", "\x00", "a\x00evil", "a\x00")...),
	refusedHeaders("R69", "a-value-with-a-delete-is-refused", gateway.ErrHeader, values("X-A", "a\x7f", "\x7f")...),
	refusedHeaders("R69", "a-value-with-any-other-control-character-is-refused", gateway.ErrHeader,
		values("X-A", "\x01", "a\x08b", "a\x0b", "\x0c", "a\x1bb", "\x1f")...),
	refusedHeaders("R68", "a-name-that-is-no-token-is-refused", gateway.ErrHeader,
		names("", " ", "X A", "X-A ", " X-A", "X-A:", "X(A)", "X@A", "X/A", "X\tA", "X\x00A", "X\x7fA", "X-\xe9",
			"X-\u00e9", "\"X\"", "X{A}")...),
	refusedHeaders("R68", "a-name-with-a-line-break-is-refused", gateway.ErrHeader,
		names("X\r\nEvil", "X\nEvil", "X\rEvil", "X: 1\r\nEvil", "X\r\n", "\r\nEvil")...),
	refusedHeaders("R72", "a-hop-by-hop-header-is-refused", gateway.ErrHeader,
		names("Connection", "connection", "Keep-Alive", "KEEP-ALIVE", "Proxy-Authorization", "TE", "te",
			"Trailer", "Trailers", "Upgrade", "upgrade", "Proxy-Connection", "proxy-connection")...),
	refusedHeaders("R91", "a-transfer-encoding-is-refused", gateway.ErrHeader,
		append(values("Transfer-Encoding", "chunked", "gzip", "identity", ""),
			values("transfer-ENCODING", "chunked")...)...),
	refusedHeaders("D4", "a-header-called-status-is-refused", gateway.ErrHeader,
		names("Status", "status", "STATUS")...),
	refusedHeaders("C46", "two-content-types-are-refused", gateway.ErrHeader,
		gateway.Headers{{"Content-Type", "text/plain"}, {"X-Old", "1"}, {"content-type", "text/plain"}}),
	refusedHeaders("C46", "two-locations-are-refused", gateway.ErrHeader,
		gateway.Headers{{"Location", "http://127.0.0.1/a"}, {"LOCATION", "http://127.0.0.1/evil"}}),
	refusedHeaders("D3", "two-lengths-are-refused", gateway.ErrContentLength,
		gateway.Headers{{"Content-Length", "5"}, {"Content-Length", "5"}},
		gateway.Headers{{"Content-Length", "5"}, {"content-length", "6"}}),
	refusedHeaders("D3", "a-length-that-is-not-plain-digits-is-refused", gateway.ErrContentLength,
		values("Content-Length", "", "-1", "+5", " 5", "5 ", "5,5", "5, 5", "0x5", "5.0", "five", "1e3", "\u0665",
			"99999999999999999999")...),
	{
		rule: "R69", name: "a-tab-inside-a-value-is-not-refused",
		app: headed(gateway.Headers{{"X-Tab", "a\tb"}}),
		run: func(x *exchange) { x.wantHeader(x.get("/"), "X-Tab", "a\tb") },
	},
	{
		rule: "R9", name: "the-bytes-of-a-value-arrive",
		app: headed(gateway.Headers{{"X-Latin", "\xe9\xff\x80"}, {"X-Utf", "\u00e9\u65e5"},
			{"X-Odd", `"a"; b='%41', \n (c)`}}),
		run: func(x *exchange) {
			r := x.get("/")
			x.wantHeader(r, "X-Latin", "\xe9\xff\x80")
			x.wantHeader(r, "X-Utf", "\u00e9\u65e5")
			x.wantHeader(r, "X-Odd", `"a"; b='%41', \n (c)`)
		},
	},
	{
		rule: "R68", name: "any-token-is-a-name",
		app: headed(gateway.Headers{{"x", "1"}, {"X-1", "2"}, {"X!#$%&'*+.^_`|~", "3"}, {"TEA", "4"},
			{"Statuses", "5"}, {"Upgrades", "6"}}),
		run: func(x *exchange) {
			head := strings.ToLower(x.get("/").head)
			for _, line := range []string{"x: 1", "x-1: 2", "x!#$%&'*+.^_`|~: 3", "tea: 4", "statuses: 5",
				"upgrades: 6"} {
				if !strings.Contains(head, "\r\n"+line+"\r\n") {
					x.errorf("%q is missing in %s", line, abridged(head))
				}
			}
		},
	},
	{
		rule: "R67", name: "headers-of-one-name-keep-their-order",
		app: headed(gateway.Headers{{"Set-Cookie", "b=1; Path=/"}, {"X-Between", "1"}, {"Set-Cookie", "a=2"},
			{"set-cookie", "b=1; Path=/"}, {"Set-Cookie", "c=3, 4"}}),
		run: func(x *exchange) {
			x.wantHeader(x.get("/"), "Set-Cookie", "b=1; Path=/", "a=2", "b=1; Path=/", "c=3, 4")
		},
	},
	{
		rule: "R67", name: "many-headers-arrive",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			headers := plain
			for i := range 100 {
				headers = headers.Append(fmt.Sprint("X-Many-", i), strconv.Itoa(i))
			}
			return headed(headers)(x, env, start)
		},
		run: func(x *exchange) {
			r := x.get("/")
			for i := range 100 {
				x.wantHeader(r, fmt.Sprint("X-Many-", i), strconv.Itoa(i))
			}
		},
	},
	{
		rule: "R67", name: "a-large-value-arrives",
		app: headed(gateway.Headers{{"X-Large", strings.Repeat("0123456789", 400)}}),
		run: func(x *exchange) { x.wantHeader(x.get("/"), "X-Large", strings.Repeat("0123456789", 400)) },
	},
	{
		rule: "R67", name: "no-headers-at-all-is-a-response",
		app: headed(nil),
		run: func(x *exchange) { x.want(x.get("/"), 200, "headed") },
	},
	{
		rule: "D4", name: "a-response-without-a-content-type-gets-none", // CVE-2020-24553
		app: textAs("200 OK", nil, "<html><script>alert(1)</script>"),
		run: func(x *exchange) {
			r := x.get("/")
			x.want(r, 200, "<html><script>alert(1)</script>")
			x.wantHeader(r, "Content-Type")
		},
	},
	{
		rule: "C48", name: "the-content-type-is-the-applications",
		app: textAs("200 OK", gateway.Headers{{"content-TYPE", "text/x-odd; charset=\"utf-8\""}}, "<html>"),
		run: func(x *exchange) { x.wantHeader(x.get("/"), "Content-Type", "text/x-odd; charset=\"utf-8\"") },
	},
	{
		rule: "C45", name: "a-redirect-with-a-document-passes",
		app: textAs("302 Found", plain.With("Location", "http://127.0.0.1/there?a=b"), "there"),
		run: func(x *exchange) {
			r := x.get("/")
			x.want(r, 302, "there")
			x.wantHeader(r, "Location", "http://127.0.0.1/there?a=b")
		},
	},
	{
		rule: "C43", name: "a-location-beside-another-status-redirects-nothing",
		app: textAs("201 Created", plain.With("Location", "/made"), "made"),
		run: func(x *exchange) {
			r := x.get("/")
			x.want(r, 201, "made")
			x.wantHeader(r, "Location", "/made")
		},
	},
	{
		rule: "R71", name: "a-length-is-found-under-a-name-in-any-case",
		app: textAs("200 OK", gateway.Headers{{"cOnTeNt-LeNgTh", "4"}}, "four and more"),
		run: func(x *exchange) {
			r := x.get("/")
			x.want(r, 200, "four")
			x.wantHeader(r, "Content-Length", "4")
		},
	},
	{
		rule: "R70", name: "a-date-that-the-application-gives-is-the-only-one",
		app: headed(gateway.Headers{{"Date", "Tue, 15 Nov 1994 08:12:31 GMT"}, {"Server", "application/1"}}),
		run: func(x *exchange) {
			r := x.get("/")
			x.wantHeader(r, "Date", "Tue, 15 Nov 1994 08:12:31 GMT")
			if n := len(r.header.Values("Server")); n > 1 {
				x.errorf("there are %d headers Server", n)
			}
		},
	},
	{
		rule: "R70", name: "a-response-has-a-date",
		app: headed(plain),
		run: func(x *exchange) {
			if n := len(x.get("/").header.Values("Date")); n != 1 {
				x.errorf("there are %d headers Date, want one (RFC 9110, 6.6.1)", n)
			}
		},
	},
	{
		rule: "D8", name: "a-list-that-is-changed-after-start-changes-nothing",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			headers := gateway.Headers{{"Content-Type", "text/plain"}, {"X-A", "as it was"}}
			x.wantStart(start, "200 OK", headers, nil, nil)
			headers[0] = [2]string{"Transfer-Encoding", "chunked"}
			headers[1][1] = "evil\r\nX-Evil: 1"
			return gateway.Text("headed"), nil
		},
		run: func(x *exchange) {
			r := x.get("/")
			x.want(r, 200, "headed")
			x.wantHeader(r, "X-A", "as it was")
			x.wantHeader(r, "X-Evil")
		},
	},
	{
		rule: "D8", name: "a-list-that-was-handed-over-is-not-written-to",
		app: func(x *exchange, env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			room := make(gateway.Headers, 2, 8) // with room for what the server adds
			room[0], room[1] = [2]string{"x-lower", "1"}, [2]string{"Content-Length", "6"}
			status := "200 OK"
			if env.Vars["REQUEST_METHOD"] == "DELETE" {
				status = "204 No Content"
			}
			x.keep("list", room)
			x.wantStart(start, status, room, nil, nil)
			return gateway.Text("headed"), nil
		},
		run: func(x *exchange) {
			for _, method := range []string{"GET", "HEAD", "DELETE"} {
				x.send(method, "/", "")
				x.awaitEnd()
				list := kept[gateway.Headers](x, "list")
				if got := fmt.Sprint(list[:4]); got != "[[x-lower 1] [Content-Length 6] [ ] [ ]]" {
					x.errorf("after %s the list, and the room behind it, is %s", method, got)
				}
			}
		},
	},
}

// headed is an answer with headers.
func headed(headers gateway.Headers) application {
	return textAs("200 OK", headers, "headed")
}
