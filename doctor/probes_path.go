package doctor

import (
	"context"
	"fmt"
	"strings"
)

// How paths and queries arrive.

// paths returns the two variables, as they are shown.
func (p *page) paths() (script, info string) {
	script, _ = p.value("SCRIPT_NAME")
	info, _ = p.value("PATH_INFO")
	return script, info
}

// path: is the path split into what is the application's and what is behind that?
func (v *visit) path(ctx context.Context) (string, *Finding) {
	const extra = "/doctor-probe/x"
	p, text := v.ask(ctx, call{path: extra})
	if p == nil {
		v.isRefused = true
		return text, v.find("path-refused", extra+": "+text)
	}
	script, info := p.paths()
	base := show(unescape(v.client.path), maxValue)
	all := base + extra
	seen := fmt.Sprintf("SCRIPT_NAME %q, PATH_INFO %q", script, info)
	switch {
	case script+info == all && info == "":
		return seen, v.find("path-unsplit", seen)
	case script+info == all && len(script) > len(base):
		return seen, v.find("path-first-segment", seen)
	case script+info == all:
		v.isSplit = true
		return seen, nil
	case script == "" && info == "":
		return seen, v.find("path-missing", seen)
	case script == all && info == all:
		return seen, v.find("path-doubled", seen)
	case script == v.client.path+extra && info == "":
		return seen, v.find("path-unsplit", seen)
	case script+info == base || script+info == base+v.slash:
		return seen, v.find("path-lost", seen)
	case script != "" && script == base && info == all:
		return seen, v.find("path-doubled", seen)
	}
	return seen, v.find("path-changed", seen+", of "+all)
}

// pathEmpty: the page's own path, as its URL has it.
func (v *visit) pathEmpty(ctx context.Context) (string, *Finding) {
	p, text := v.ask(ctx, call{})
	if p == nil {
		return text, v.find("path-changed", text)
	}
	script, info := p.paths()
	seen := fmt.Sprintf("SCRIPT_NAME %q, PATH_INFO %q", script, info)
	if v.isSplit && script+info != show(unescape(v.client.path)+v.slash, maxValue) {
		return seen, v.find("path-changed", seen)
	}
	return seen, nil
}

// special returns a probe of a path that web servers treat in ways of their own. symptom is what it
// is a case of, if it is refused or changed in the way that the symptom says.
func special(extra, symptom string) func(v *visit, ctx context.Context) (string, *Finding) {
	return func(v *visit, ctx context.Context) (string, *Finding) {
		if v.isRefused {
			return "not judged, since no path behind the page is answered", nil
		}
		p, text := v.ask(ctx, call{path: extra})
		if p == nil {
			if symptom == "path-slash-refused" {
				return text, v.find(symptom, text)
			}
			return text, v.find("path-changed", extra+": "+text)
		}
		script, info := p.paths()
		got := script + info
		want := show(unescape(v.client.path+extra), maxValue)
		target, hasTarget := p.value("REQUEST_URI")
		target, _, _ = strings.Cut(target, "?")
		// Who sends the target anew, without the slash that was encoded, cannot be told by
		// PATH_INFO.
		if hasTarget && symptom == "path-slash-refused" &&
			!strings.Contains(strings.ToUpper(target), "%2F") {
			return "REQUEST_URI " + target, v.find("target-changed", target)
		}
		if !v.isSplit {
			return "not judged, since the path is not split", nil
		}
		seen := fmt.Sprintf(
			"arrives as %q",
			strings.TrimPrefix(got, show(unescape(v.client.path), maxValue)),
		)
		switch {
		case got == want:
			return seen, nil
		case strings.Contains(got, "%20"),
			got == show(v.client.path+extra, maxValue) && strings.Contains(extra, "%"):
			return seen, v.find("path-encoded", seen)
		case symptom == "path-slashes-merged" && got == strings.ReplaceAll(want, "//", "/"),
			symptom == "path-decoded-twice" && strings.HasSuffix(got, "/A"):
			return seen, v.find(symptom, seen)
		}
		return seen, v.find("path-changed", extra+" "+seen)
	}
}

// pathNUL: most refuse it, and so should all.
func (v *visit) pathNUL(ctx context.Context) (string, *Finding) {
	p, text := v.ask(ctx, call{path: "/doctor-probe/a%00b"})
	if p == nil {
		return text, nil
	}
	script, info := p.paths()
	seen := fmt.Sprintf("arrives as %q", script+info)
	if strings.Contains(info, `\x00`) {
		return seen, nil
	}
	return seen, v.find("path-changed", "%00 "+seen)
}

func (v *visit) query(ctx context.Context) (string, *Finding) {
	const sent = "a=%e9+%2B&&b;c=d/?e"
	p, text := v.ask(ctx, call{query: sent})
	if p == nil {
		return text, v.find("query-changed", text)
	}
	got, _ := p.value("QUERY_STRING")
	seen := "arrives as " + got
	if !strings.HasSuffix(got, sent) {
		return seen, v.find("query-changed", seen)
	}
	return "arrives as it was sent", nil
}
