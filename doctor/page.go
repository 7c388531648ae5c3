package doctor

import (
	"encoding/json"
	"html"
	"strconv"
	"strings"
)

func (p *page) json() ([]byte, error) {
	text, err := json.MarshalIndent(p, "", " ")
	return append(text, '\n'), err
}

// server names the web server for people.
func (p *page) server() string {
	if p.Server == "" {
		return "none that the doctor recognises"
	}
	return p.Server + ", by " + p.By
}

func (p *page) gateway() string {
	if p.Gateway == "" {
		return "unknown"
	}
	return p.Gateway
}

// verdict is the line at the top, and the class of its style.
func (p *page) verdict() (text, class string) {
	n := 0
	for _, f := range p.Findings {
		if !f.Note {
			n++
		}
	}
	switch n {
	case 0:
		return "This request is as it should be", "good"
	case 1:
		return "1 thing to change", "bad"
	}
	return strconv.Itoa(n) + " things to change", "bad"
}

const moreByProbe = "One request shows little. The prober sends some thirty: " +
	"go run ./examples/doctor URL"

// text is the page on a terminal.
func (p *page) text() string {
	var b strings.Builder
	verdict, _ := p.verdict()
	b.WriteString(verdict + ".\n\n")
	for _, f := range p.Findings {
		f.write(&b)
		b.WriteString("\n")
	}
	b.WriteString("web server  " + p.server() + "\n")
	b.WriteString("gateway     " + p.gateway() + ": " + p.Started + "\n")
	b.WriteString("URL         " + p.URL + "\n\n")
	for _, v := range p.Variables {
		b.WriteString(v.Name + " = " + v.shown() + "\n")
	}
	if p.Left > 0 {
		b.WriteString("and " + strconv.Itoa(p.Left) + " variables more\n")
	}
	b.WriteString("\n" + moreByProbe + "\n")
	return b.String()
}

func (v variable) shown() string {
	if v.Hidden {
		return "(hidden, " + strconv.Itoa(v.Bytes) + " bytes)"
	}
	return v.Value
}

// write writes the finding as text.
func (f Finding) write(b *strings.Builder) {
	b.WriteString("* " + f.Text)
	if f.Seen != "" {
		b.WriteString(" (" + f.Seen + ")")
	}
	b.WriteString("\n")
	if f.Advice == "" {
		return
	}
	b.WriteString("  the line to change:\n")
	for line := range strings.SplitSeq(f.Advice, "\n") {
		b.WriteString("      " + line + "\n")
	}
	b.WriteString("  as in " + f.Proof + "\n")
}

const style = `
:root{color-scheme:light dark;--bg:#f7f7f5;--card:#fff;--text:#1d2125;--dim:#5b6570;
--line:#dfe1e0;--bad:#b3261e;--good:#19703b;--note:#7a5b00;--code:#f0f1ef}
@media(prefers-color-scheme:dark){:root{--bg:#16181b;--card:#1f2327;--text:#e6e8ea;--dim:#9aa4ae;
--line:#343a40;--bad:#ff8a80;--good:#7fd39b;--note:#e5c35c;--code:#121416}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--text);font:16px/1.5 system-ui,-apple-system,
"Segoe UI",Roboto,sans-serif;overflow-wrap:anywhere}
main{max-width:60rem;margin:0 auto;padding:1.5rem 1rem 3rem}
h1{font-size:1.6rem;line-height:1.25;margin:.2rem 0 1.2rem}
h1.bad{color:var(--bad)}h1.good{color:var(--good)}
h2{font-size:1.05rem;margin:2rem 0 .6rem}
p{margin:.4rem 0}
.top{color:var(--dim);font-size:.85rem;letter-spacing:.04em;text-transform:uppercase;margin:0}
.dim{color:var(--dim);font-size:.9rem}
article{background:var(--card);border:1px solid var(--line);border-left:4px solid var(--bad);
border-radius:6px;padding:.8rem 1rem;margin:0 0 1rem}
article.note{border-left-color:var(--note)}
article p:first-child{margin-top:0;font-weight:600}
.advice{display:flex;gap:.6rem;align-items:flex-start;margin:.6rem 0}
pre{flex:1;min-width:0;margin:0;background:var(--code);border:1px solid var(--line);
border-radius:4px;padding:.6rem .7rem;font:.9rem/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,
monospace;white-space:pre-wrap;user-select:all}
button{font:inherit;font-size:.9rem;color:inherit;background:var(--card);
border:1px solid var(--line);border-radius:4px;padding:.45rem .8rem;cursor:pointer}
dl{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.3rem 1rem;margin:0}
dt{color:var(--dim)}dd{margin:0}
table{border-collapse:collapse;width:100%;table-layout:fixed;background:var(--card);
border:1px solid var(--line);border-radius:6px;font:.85rem/1.5 ui-monospace,SFMono-Regular,Menlo,
Consolas,monospace}
th,td{text-align:left;vertical-align:top;padding:.3rem .7rem;border-top:1px solid var(--line)}
tr:first-child>*{border-top:0}
th{width:16rem;font-weight:400;color:var(--dim)}
.hidden{color:var(--dim);font-style:italic}
@media(max-width:40rem){
dl{display:block}dd{margin:0 0 .5rem}
.advice{display:block}button{margin-top:.5rem;width:100%}
th,td{display:block;width:auto}td{border-top:0;padding-top:0}
}
`

// script lets a button copy the lines beside it.
const script = `
for(const b of document.querySelectorAll("button")){b.hidden=false;b.onclick=async()=>{
const p=b.previousElementSibling
try{await navigator.clipboard.writeText(p.textContent);b.textContent="Copied"}
catch{getSelection().selectAllChildren(p);b.textContent="Selected: press Ctrl-C"}}}
`

// html is the page in a browser. nonce is what its style and script are allowed by.
func (p *page) html(nonce string) string {
	var b strings.Builder
	e := html.EscapeString
	verdict, class := p.verdict()
	b.WriteString("<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n" +
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n" +
		"<meta name=\"robots\" content=\"noindex\">\n" +
		"<title>" + e(verdict) + " – doctor</title>\n" +
		"<link rel=\"icon\" href=\"data:,\">\n" +
		"<style nonce=\"" + nonce + "\">" + style + "</style>\n<main>\n" +
		"<p class=\"top\">What the web server sends</p>\n" +
		"<h1 class=\"" + class + "\">" + e(verdict) + "</h1>\n")
	for _, f := range p.Findings {
		class := "finding"
		if f.Note {
			class = "note"
		}
		b.WriteString("<article class=\"" + class + "\">\n<p>" + e(upper(f.Text)) + ".</p>\n")
		if f.Seen != "" {
			b.WriteString("<p class=\"dim\">Seen: " + e(f.Seen) + "</p>\n")
		}
		if f.Advice != "" {
			b.WriteString("<p>The line to change:</p>\n<div class=\"advice\"><pre>" + e(f.Advice) +
				"</pre><button type=\"button\" hidden>Copy</button></div>\n" +
				"<p class=\"dim\">As in " + e(f.Proof) + "</p>\n")
		}
		b.WriteString("</article>\n")
	}
	b.WriteString("<dl>\n<dt>Web server</dt><dd>" + e(p.server()) + "</dd>\n<dt>Gateway</dt><dd>" +
		e(p.gateway()+": "+p.Started) + "</dd>\n<dt>URL</dt><dd>" + e(p.URL) + "</dd>\n</dl>\n" +
		"<p class=\"dim\">" + e(moreByProbe) + "</p>\n" +
		"<h2>The variables of this request</h2>\n<table>\n")
	for _, v := range p.Variables {
		b.WriteString("<tr><th scope=\"row\">" + e(v.Name) + "</th>")
		if v.Hidden {
			b.WriteString("<td class=\"hidden\">")
		} else {
			b.WriteString("<td>")
		}
		b.WriteString(e(v.shown()) + "</td></tr>\n")
	}
	b.WriteString("</table>\n")
	if p.Left > 0 {
		b.WriteString("<p class=\"dim\">and " + strconv.Itoa(p.Left) + " variables more</p>\n")
	}
	b.WriteString("</main>\n<script nonce=\"" + nonce + "\">" + script + "</script>\n</html>\n")
	return b.String()
}

// upper returns a sentence with its first letter in upper case.
func upper(s string) string {
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return s
	}
	return string(s[0]-'a'+'A') + s[1:]
}
