package doctor

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Errors of a probe that has not begun: there is nothing to judge. Each is wrapped with what was
// seen.
var (
	// ErrURL is returned by Probe when the URL is none of http or https.
	ErrURL = errors.New("doctor: this is not a URL that can be probed")

	// ErrNoAnswer is returned by Probe when nothing answers at the URL in HTTP: no such host, no
	// connection, a certificate that is not good, garbage, or silence.
	ErrNoAnswer = errors.New("doctor: there is no answer")

	// ErrNoPage is returned by Probe when another page than the doctor's answers, or one that does
	// not let the prober look.
	ErrNoPage = errors.New("doctor: this is not a doctor's page")
)

// Probe is [Prober.Probe] with the zero Prober.
func Probe(ctx context.Context, url string) (*Report, error) { return new(Prober).Probe(ctx, url) }

// A Prober sends requests to a page of [Application] and judges what arrives. The zero value is
// ready. Its methods may be called concurrently.
type Prober struct {
	// Progress, if not nil, is called with the verdict of each probe as soon as it is known.
	Progress func(Verdict)

	// Large adds an upload of 100 MB.
	Large bool

	// Load, if it is positive, adds requests over four connections for as long, of which none may
	// be lost. Restart the application, or the web server, in that time to see what a restart
	// costs.
	Load time.Duration

	// TLSConfig is for https. nil is the default.
	TLSConfig *tls.Config

	// network is for the tests. nil is a net.Dialer's.
	network func(ctx context.Context, network, address string) (net.Conn, error)
}

// A Verdict is what one probe has found.
type Verdict struct {
	Probe string `json:"probe"` // its name, such as "path: %2F"
	Text  string `json:"text"`  // what arrived; on one line, fit for a terminal

	// Finding is nil if all is well.
	Finding *Finding `json:"finding,omitempty"`
}

// String returns the verdict as one line.
func (v Verdict) String() string {
	mark := "ok   "
	if v.Finding != nil {
		mark = "FAULT"
		if v.Finding.Note {
			mark = "note "
		}
	}
	return fmt.Sprintf("%s  %-22s %s", mark, v.Probe, v.Text)
}

// A Report is what a probe has found.
type Report struct {
	Server   string    `json:"server"`   // the web server, or "" if it is unknown
	Gateway  string    `json:"gateway"`  // the protocol: "cgi", "fcgi", "scgi", "uwsgi", "http"
	Started  string    `json:"started"`  // how the application was started, and why
	Verdicts []Verdict `json:"verdicts"` // one a probe, in their order
	Findings []Finding `json:"findings"` // of the verdicts, each once, without those that are notes
	Notes    []Finding `json:"notes"`    // of the verdicts, each once: what cannot be changed
}

// String returns the summary: the findings, each with its line to change, and the notes.
func (r *Report) String() string {
	var b strings.Builder
	server := r.Server
	if server == "" {
		server = "an unknown web server, or none"
	}
	b.WriteString(server + "; the application is " + r.Started + "\n")
	switch len(r.Findings) {
	case 0:
		b.WriteString(strconv.Itoa(len(r.Verdicts)) + " probes, nothing to change.\n")
	default:
		fmt.Fprintf(&b, "%d probes, %d to change:\n\n", len(r.Verdicts), len(r.Findings))
	}
	for _, f := range r.Findings {
		f.write(&b)
	}
	if len(r.Notes) > 0 {
		b.WriteString("\nWhat an application has to know of this web server:\n\n")
	}
	for _, f := range r.Notes {
		f.write(&b)
	}
	return b.String()
}

// whole is the time that all probes together have, without those that are asked for.
const whole = time.Minute

// A visit is one run of a Prober.
type visit struct {
	*Prober
	*client
	report *Report
	page   *page // the answer to the first request

	isSplit   bool // the path arrives in its two parts
	isRefused bool // a path behind the page's is refused
	noLength  bool // Content-Length is dropped
	isProxied bool // an HTTP server is behind a proxy
}

// Probe sends requests to the page at url, and returns what it has found. The token of the page, if
// it has one, is in the query of url, as ?token=...; it goes out as a header. A password for the
// web server is in url before the host.
//
// Probe returns an error that wraps ErrURL, ErrNoAnswer or ErrNoPage, on one line that is fit for a
// terminal, if there is no page to probe. It follows no redirect. A probe of a page that answers
// ends within a minute, and of a page in good health within a few seconds; what has not been probed
// then has a verdict that says so. Probe does the probes one after the other. Each has 4 seconds to
// be answered, and an upload of 100 MB has two minutes.
func (p *Prober) Probe(ctx context.Context, url string) (*Report, error) {
	c, err := newClient(url, p.TLSConfig)
	if err != nil {
		return nil, err
	}
	if p.network != nil {
		c.dialer = p.network
	}
	limit := whole
	if p.Large {
		limit += 2 * time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, limit+max(0, p.Load))
	defer cancel()
	v := &visit{Prober: p, client: c, report: &Report{Findings: []Finding{}, Notes: []Finding{}}}
	if err := v.begin(ctx); err != nil {
		return nil, err
	}
	for _, probe := range probes {
		if probe.wanted != nil && !probe.wanted(p) {
			continue
		}
		if ctx.Err() != nil {
			v.add(probe.name, "not probed: the time is over", nil)
			continue
		}
		text, finding := probe.run(v, ctx)
		v.add(probe.name, text, finding)
	}
	return v.report, nil
}

// begin gets the page, and knows the web server by it.
func (v *visit) begin(ctx context.Context) error {
	p, answer, err := v.look(ctx, call{})
	if answer == nil {
		return fmt.Errorf("%w: %s", ErrNoAnswer, why(err))
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoPage, err)
	}
	v.page = p
	v.report.Server, v.report.Gateway, v.report.Started = show(
		p.Server,
		40,
	), show(
		p.Gateway,
		40,
	), p.Started
	_, port, _ := net.SplitHostPort(v.address)
	ownPort, _ := p.value("SERVER_PORT")
	name := answer.header.Get("Server")
	v.isProxied = p.Gateway == "http" && (ownPort != port || name != "" || p.Server != "")
	if v.report.Server == "" {
		v.report.Server = serverOf(name)
	}
	if name == "" && v.isProxied && v.report.Server == "" {
		v.report.Server = haproxy // the others name themselves
	}
	var finding *Finding
	text := "the page is there"
	for _, f := range p.Findings {
		f := v.find(f.Symptom, f.Seen)
		v.add("page", f.Text, f)
		finding = f
	}
	if finding == nil {
		v.add("page", text, nil)
	}
	return nil
}

// look asks for the page as JSON. The answer is nil if there was none; with an answer, the error
// says why it is not the page.
func (v *visit) look(ctx context.Context, r call) (*page, *reply, error) {
	id := rand.Text()
	query := "doctor=json&id=" + id
	if r.query != "" {
		query += "&" + r.query
	}
	r.query = query
	answer, err := v.do(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	p, err := answer.page(id)
	return p, answer, err
}

// page reads a page, which is not trusted.
func (a *reply) page(id string) (*page, error) {
	switch {
	case a.code >= 300 && a.code < 400:
		return nil, fmt.Errorf(
			"it redirects to %q: probe that",
			show(a.header.Get("Location"), 200),
		)
	case a.code == 401:
		return nil, errors.New("it wants a password: put user:password@ before the host")
	case a.code == 403:
		return nil, errors.New(
			"it answers 403: from another machine the page wants ?token=... behind the URL",
		)
	case a.code != 200:
		return nil, fmt.Errorf("it answers %d %s", a.code, http.StatusText(a.code))
	case a.err != nil:
		return nil, fmt.Errorf("its answer is cut off: %s", show(a.err.Error(), 100))
	}
	p := new(page)
	if err := json.Unmarshal([]byte(a.body), p); err != nil || p.Doctor != 1 {
		return nil, errors.New("it answers 200 with something else: put doctor.Application there")
	}
	if p.ID != id {
		return nil, errors.New(
			"the answer is that to another request: there is a cache, or the query is dropped",
		)
	}
	p.clean()
	return p, nil
}

// clean makes the words of a page fit for a terminal, and leaves those out that this table does not
// know.
func (p *page) clean() {
	p.Started = plainText(p.Started, 300)
	p.Findings = slices.DeleteFunc(p.Findings, func(f Finding) bool {
		return !slices.ContainsFunc(symptoms, func(s symptom) bool { return s.name == f.Symptom })
	})
	p.Server = serverOf(p.Server)
	if !slices.Contains([]string{"cgi", "fcgi", "scgi", "uwsgi", "http", "lambda"}, p.Gateway) {
		p.Gateway = ""
	}
	for i := range p.Variables {
		p.Variables[i].Value = plainText(p.Variables[i].Value, maxValue*8)
	}
	for i := range p.Findings {
		p.Findings[i].Seen = plainText(p.Findings[i].Seen, 400)
	}
}

// plainText is show for a text that a doctor has shown already: the backslashes stay.
func plainText(s string, limit int) string {
	return strings.ReplaceAll(show(s, limit), `\\`, `\`)
}

// value returns a variable, as show shows it.
func (p *page) value(name string) (value string, found bool) {
	for _, v := range p.Variables {
		if v.Name == name {
			return v.shown(), true
		}
	}
	return "", false
}

// find returns the finding of a symptom, for this web server.
func (v *visit) find(name, seen string) *Finding {
	f := find(name, "", v.report.Server, v.report.Gateway)
	f.Seen = plainText(seen, 300)
	return &f
}

func (v *visit) add(name, text string, f *Finding) {
	verdict := Verdict{Probe: name, Text: plainText(text, 500), Finding: f}
	v.report.Verdicts = append(v.report.Verdicts, verdict)
	if v.Progress != nil {
		v.Progress(verdict)
	}
	if f == nil {
		return
	}
	list := &v.report.Findings
	if f.Note {
		list = &v.report.Notes
	}
	if !slices.ContainsFunc(*list, func(g Finding) bool { return g.Symptom == f.Symptom }) {
		*list = append(*list, *f)
	}
}
