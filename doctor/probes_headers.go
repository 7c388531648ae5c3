package doctor

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// How headers arrive, and what the web server says of the client.

func (v *visit) hostHeader(context.Context) (string, *Finding) {
	got, _ := v.page.value("HTTP_HOST")
	name, _, hasPort := cutPort(v.client.host)
	seen := fmt.Sprintf("HTTP_HOST %q, sent %q", got, show(v.client.host, maxValue))
	switch {
	case strings.EqualFold(got, show(v.client.host, maxValue)):
		return seen, nil
	case hasPort && strings.EqualFold(got, show(name, maxValue)):
		return seen, v.find("host-port", seen)
	}
	return seen, v.find("host-replaced", seen)
}

// cutPort cuts a Host in two.
func cutPort(host string) (name, port string, found bool) {
	i := strings.LastIndexByte(host, ':')
	if i < 0 || strings.IndexByte(host[i:], ']') >= 0 {
		return host, "", false
	}
	return host[:i], host[i+1:], true
}

func (v *visit) schemeSeen(context.Context) (string, *Finding) {
	seen := fmt.Sprintf(
		"wsgi.url_scheme is %s, the URL %s",
		plainText(v.page.Scheme, 20),
		v.scheme(),
	)
	if v.page.Scheme != v.scheme() {
		if told, _ := v.page.value("HTTP_X_FORWARDED_PROTO"); told != v.scheme() {
			return seen, v.find("scheme-untold", seen)
		}
		return seen, v.find("scheme", seen)
	}
	return seen, nil
}

// forged is an address of nobody's (RFC 5737).
const forged = "203.0.113.77"

func (v *visit) clientAddress(ctx context.Context) (string, *Finding) {
	p, text := v.ask(
		ctx,
		call{fields: []string{"X-Forwarded-For: " + forged, "X-Real-IP: " + forged,
			"Forwarded: for=" + forged}},
	)
	if p == nil {
		return text + "; give the page a token to have this judged", nil
	}
	address, _ := p.value("REMOTE_ADDR")
	list, _ := p.value("HTTP_X_FORWARDED_FOR")
	seen := "REMOTE_ADDR " + address
	if list != "" {
		seen += ", X-Forwarded-For " + list
	}
	last := list[strings.LastIndexByte(list, ',')+1:]
	switch {
	case address == forged:
		return seen, v.find("address-forged", seen)
	case v.isProxied && (last == "" || strings.TrimSpace(last) == forged):
		return seen, v.find("forwarded-for-missing", seen)
	}
	return seen, nil
}

func (v *visit) forwardedProto(ctx context.Context) (string, *Finding) {
	other := "https"
	if v.scheme() == "https" {
		other = "http"
	}
	p, text := v.ask(ctx, call{fields: []string{"X-Forwarded-Proto: " + other}})
	if p == nil {
		return text, nil
	}
	got, _ := p.value("HTTP_X_FORWARDED_PROTO")
	seen := fmt.Sprintf("sent %s, arrives as %q", other, got)
	if v.isProxied && got == other {
		return seen, v.find("forwarded-proto-forged", seen)
	}
	if p.Scheme != v.page.Scheme {
		return seen, v.find("forwarded-proto-forged", "wsgi.url_scheme follows it")
	}
	return seen, nil
}

func (v *visit) authorization(ctx context.Context) (string, *Finding) {
	if v.auth != "" {
		return "not probed, since the URL has a password", nil
	}
	p, text := v.ask(ctx, call{fields: []string{"Authorization: " + probeCredentials}})
	if p == nil {
		return text, v.find("authorization-missing", text)
	}
	for _, f := range p.Findings {
		if f.Symptom == "authorization-elsewhere" {
			return f.Seen, v.find(f.Symptom, f.Seen)
		}
	}
	if user, _ := p.value("REMOTE_USER"); user == "doctor" { // nobody knows such a user
		return "REMOTE_USER is the name in it", v.find("user-unchecked", "REMOTE_USER is doctor")
	}
	if got, _ := p.value("HTTP_AUTHORIZATION"); got == probeCredentials {
		return "arrives", nil
	}
	if v.report.Server == haproxy && v.report.Gateway == "fcgi" { // it knows no other way
		return "does not arrive", v.find("authorization-kept", "")
	}
	return "does not arrive", v.find("authorization-missing", "")
}

func (v *visit) cookies(ctx context.Context) (string, *Finding) {
	p, text := v.ask(
		ctx,
		call{fields: []string{"Cookie: " + probeCookie1, "Cookie: " + probeCookie2}},
	)
	if p == nil {
		return text, v.find("cookies-comma", text)
	}
	got, _ := p.value("HTTP_COOKIE")
	if strings.ReplaceAll(got, " ", "") != probeCookie1+";"+probeCookie2 {
		return got, v.find("cookies-comma", got)
	}
	return got, nil
}

func (v *visit) underscores(ctx context.Context) (string, *Finding) {
	p, text := v.ask(ctx, call{fields: []string{"X_Doctor_Probe: 1"}})
	if p == nil {
		return text, nil
	}
	if _, found := p.value("HTTP_X_DOCTOR_PROBE"); found {
		return "X_Name arrives as X-Name does", v.find("underscores", "")
	}
	return "do not arrive", nil
}

func (v *visit) largeHeaders(ctx context.Context) (string, *Finding) {
	var fields []string
	for i := range 4 {
		fields = append(fields, "X-Doctor-Large-"+strconv.Itoa(i)+": "+strings.Repeat("h", 5000))
	}
	p, text := v.ask(ctx, call{fields: fields})
	if p == nil {
		return text, v.find("headers-refused", text)
	}
	total := 0
	for _, header := range p.Variables {
		if strings.HasPrefix(header.Name, "HTTP_X_DOCTOR_LARGE_") {
			total += header.Bytes
		}
	}
	text = strconv.Itoa(total) + " bytes arrive"
	if total != 20_000 {
		return text, v.find("headers-refused", text)
	}
	return text, nil
}
