//go:build interop && linux

package interop

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/gateway/doctor"
)

var update = flag.Bool("update", false, "write the figures to docs/doctor.md")

// A deployment is a configuration that runs the doctor's page, and the faults that are planted in
// it.
type deployment struct {
	host
	conf   string      // in testdata
	repair [][2]string // what the configuration lacks for the doctor: old text, new text
	plants []plant
}

// behindProxy has the deployments of an HTTP server behind a proxy: the application has
// middleware.Forwarded around it.
var behindProxy = map[string]string{
	"nginx-http":    "x-forwarded:127.0.0.1",
	"nginx-https":   "x-forwarded:127.0.0.1",
	"haproxy-http":  "x-forwarded:127.0.0.1",
	"h2o-http":      "x-forwarded:127.0.0.1",
	"caddy-http":    "x-forwarded:127.0.0.1",
	"apache-http":   "x-forwarded:127.0.0.1",
	"lighttpd-http": "x-forwarded:",
}

var unread = noQuirk("address-of-proxy", "middleware.Forwarded(")

// A plant is one line of a configuration that is taken out, or spoilt, and what the doctor has to
// say of it.
type plant struct {
	symptom string
	line    string // in the configuration, and so in the advice
	instead string // of the line: "" is nothing
	quirk   string // the application's instead of the configuration's: line is then what the advice names
	bare    bool   // the application has no quirk either
	also    string // symptoms, with spaces between, that follow from the same line, or from more
	advice  string // what the advice names, if it is not the line
	module  string // of Apache's, that the fault needs
	more    string // a line that is taken out too, since it would hide the fault
}

const (
	trusted   = "CGIPassAuth On\n"
	trustLine = "CGIPassAuth On\n\tSetEnv ap_trust_cgilike_cl 1\n"
	loadAuthz = "LoadModule authz_core_module"
	loadEnv   = "LoadModule env_module /usr/lib/apache2/modules/mod_env.so\nLoadModule authz_core_module"
)

// trustsLength makes Apache pass on the length that an application has declared, which some of the
// configurations do not on purpose: what they do without is in the list of differences.
var trustsLength = [][2]string{{trusted, trustLine}, {loadAuthz, loadEnv}}

var (
	maxBody   = plant{symptom: "upload-refused", line: "client_max_body_size 32m;"}
	slashes   = plant{symptom: "path-slashes-merged", line: "merge_slashes off;"}
	passAuth  = plant{symptom: "authorization-missing", line: "CGIPassAuth On"}
	encoded   = plant{symptom: "path-slash-refused", line: "AllowEncodedSlashes On"}
	trust     = plant{symptom: "length-dropped", line: "SetEnv ap_trust_cgilike_cl 1"}
	flush     = plant{symptom: "stream-collected", line: "flushpackets=on"}
	lightyOut = plant{symptom: "stream-collected", line: "server.stream-response-body = 1"}
)

func noQuirk(symptom, line string) plant {
	return plant{symptom: symptom, line: line, quirk: "none"}
}

func nginxPlants(kind string, more ...plant) []plant {
	return append([]plant{maxBody, slashes,
		{symptom: "host-port", line: kind + "_param HTTP_HOST $http_host;"},
	}, more...)
}

func collected(line string) plant { return plant{symptom: "stream-collected", line: line} }

var unchecked = plant{symptom: "user-unchecked", line: `fastcgi_param REMOTE_USER "";`}

var fcgiPaths = []plant{
	unchecked,
	{symptom: "path-doubled", line: `fastcgi_param SCRIPT_NAME "";`},
	{symptom: "path-missing", line: "fastcgi_param PATH_INFO $document_uri;"},
	{
		symptom: "path-unsplit",
		line:    "fastcgi_param PATH_INFO $document_uri;",
		more:    `fastcgi_param SCRIPT_NAME "";`,
	},
}

func named(name string) host {
	for _, h := range slices.Concat(hosts, servers) {
		if h.name == name {
			return h
		}
	}
	panic("there is no host " + name)
}

func behindH2o(name, protocol, network, conf string) host {
	return host{name, func(t *testing.T, s *site) {
		s.serve(t, protocol, network, "")
		s.run(t, "h2o", "-c", s.configure(t, conf))
	}}
}

var deployments = []deployment{
	{named("nginx"), "nginx.conf", nil, nginxPlants("fastcgi", collected("fastcgi_buffering off;"),
		plant{symptom: "path-refused", line: "fastcgi_split_path_info ^(/cgi-bin/[^/]+)(.*)$;"},
		plant{symptom: "path-lost", line: "fastcgi_param PATH_INFO $fastcgi_path_info;"},
		plant{symptom: "stream-collected", line: "fastcgi_param NO_BUFFERING 1;"}, unchecked)},
	{named("nginx-cgibin"), "nginx.conf", nil, nil},
	{named("nginx-fcgi"), "server-nginx-fcgi.conf", nil,
		append(nginxPlants("fastcgi", fcgiPaths...), collected("fastcgi_buffering off;"))},
	{named("nginx-fcgi-tcp"), "server-nginx-fcgi.conf", nil, nil},
	{
		named("nginx-fcgi-keep"),
		"server-nginx-fcgi-keep.conf",
		nil,
		nginxPlants("fastcgi", fcgiPaths...),
	},
	{named("nginx-fcgi-keep-tcp"), "server-nginx-fcgi-keep.conf", nil, nil},
	{
		named("nginx-scgi"),
		"server-nginx-scgi.conf",
		nil,
		nginxPlants(
			"scgi",
			collected("scgi_buffering off;"),
			noQuirk("path-missing", `quirks.DocumentURI("/app")`),
			plant{
				symptom: "upload-malformed",
				line:    "scgi_request_buffering on;",
				instead: "scgi_request_buffering off;",
			},
		),
	},
	{
		named("nginx-uwsgi"),
		"server-nginx-uwsgi.conf",
		nil,
		nginxPlants("uwsgi", collected("uwsgi_buffering off;")),
	},
	{named("nginx-http"), "server-nginx-http.conf", nil, []plant{maxBody, unread,
		{symptom: "address-forged", line: "proxy_set_header X-Forwarded-For $remote_addr;"},
		{symptom: "host-replaced", line: "proxy_set_header Host $http_host;"},
		{
			symptom: "forwarded-for-missing",
			line:    "proxy_set_header X-Forwarded-For $remote_addr;",
			bare:    true,
		},
		{symptom: "forwarded-proto-forged", line: "proxy_set_header X-Forwarded-Proto $scheme;"},
		// Over connections that nginx keeps it passes on what it has.
		{
			symptom: "stream-collected",
			line:    "proxy_buffering off;",
			more:    "proxy_http_version 1.1;",
			also:    "http10",
		},
		{symptom: "http10", line: "proxy_http_version 1.1;"},
		{
			symptom: "target-changed",
			line:    "proxy_pass http://app;",
			instead: "proxy_pass http://app/;",
			also:    "path-slashes-merged",
		},
	}},
	{host{"nginx-https", func(t *testing.T, s *site) {
		s.serve(t, "http", "tcp", "")
		runNginx(t, s, "server-nginx-https.conf")
	}}, "server-nginx-https.conf", nil, []plant{
		{symptom: "scheme", line: unread.line, quirk: unread.quirk, also: "address-of-proxy"},
		{
			symptom: "scheme-untold",
			line:    "proxy_set_header X-Forwarded-Proto $scheme;",
			also:    "forwarded-proto-forged",
		},
	}},
	{named("apache"), "apache.conf", trustsLength, []plant{passAuth, encoded, trust}},
	{
		named("apache-prefork"),
		"apache-prefork.conf",
		nil,
		[]plant{passAuth, encoded, trust, elsewhere},
	},
	{
		named("apache-fcgi"),
		"server-apache-fcgi.conf",
		trustsLength,
		[]plant{flush, passAuth, encoded, trust,
			noQuirk("path-unsplit", `quirks.RequestURI("/app")`)},
	},
	{
		named("apache-fcgi-handler"),
		"server-apache-fcgi-handler.conf",
		nil,
		[]plant{flush, passAuth, encoded, trust},
	},
	{
		named("apache-scgi"),
		"server-apache-scgi.conf",
		trustsLength,
		[]plant{passAuth, encoded, trust,
			noQuirk("path-unsplit", `quirks.RequestURI("/app")`)},
	},
	{named("apache-uwsgi"), "server-apache-uwsgi.conf", nil, []plant{encoded}},
	{host{"apache-fcgi-setenvif", func(t *testing.T, s *site) {
		s.serve(t, "fcgi", "unix", "authorization")
		s.script = "/app"
		runApache(t, s, "server-apache-fcgi-setenvif.conf")
	}}, "server-apache-fcgi-setenvif.conf", nil, []plant{
		noQuirk("authorization-elsewhere", "quirks.Authorization()"), flush, encoded, trust}},
	{named("lighttpd"), "lighttpd.conf", nil, []plant{lightyOut}},
	{named("lighttpd-fcgi"), "server-lighttpd-fcgi.conf", nil, []plant{lightyOut,
		{symptom: "path-first-segment", line: `"fix-root-scriptname" => "enable",`}}},
	{named("lighttpd-fcgi-root"), "server-lighttpd-fcgi-root.conf", nil, []plant{lightyOut}},
	{named("lighttpd-scgi"), "server-lighttpd-scgi.conf", nil, []plant{lightyOut}},
	{named("lighttpd-spawn"), "server-lighttpd-spawn.conf", nil, []plant{lightyOut}},
	{
		named("caddy-fcgi"),
		"Caddyfile",
		nil,
		[]plant{{symptom: "stream-collected", line: "flush_interval -1"}},
	},
	{named("haproxy-fcgi"), "server-haproxy-fcgi.cfg", nil, []plant{
		{symptom: "user-unchecked", line: "set-param REMOTE_USER %[var(txn.user)]"},
		{symptom: "path-unsplit", line: "path-info ^(/app)(/.*)?$"}}},
	{named("haproxy-http"), "server-haproxy-http.cfg", nil, []plant{
		unread,
		{symptom: "address-forged", line: "option forwardfor"},
		{symptom: "forwarded-for-missing", line: "option forwardfor", bare: true},
		{
			symptom: "forwarded-proto-forged",
			line:    "http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]",
		},
		{symptom: "leave-idle", line: "option abortonclose"}}},
	{host{"caddy-http", func(t *testing.T, s *site) {
		s.serve(t, "http", "tcp", "")
		s.run(t, "env", "HOME="+s.path("tmp"), "caddy", "run", "--adapter", "caddyfile", "--config",
			s.configure(t, "client-caddyfile"))
	}}, "client-caddyfile", nil, []plant{unread}},
	{host{"apache-http", func(t *testing.T, s *site) {
		s.serve(t, "http", "tcp", "")
		runApache(t, s, "client-apache-http.conf")
	}}, "client-apache-http.conf", nil, []plant{
		// Apache replaces the Host: middleware.Forwarded reads that, too.
		{symptom: unread.symptom, line: unread.line, quirk: unread.quirk, also: "host-replaced"}}},
	{host{"lighttpd-http", func(t *testing.T, s *site) {
		s.serve(t, "http", "unix", "")
		runLighttpd(t, s, "client-lighttpd-http.conf")
	}}, "client-lighttpd-http.conf", [][2]string{{`( "mod_proxy" )`, "( \"mod_proxy\" )\n" + lightyOut.line}},
		[]plant{unread, lightyOut}},
	{
		behindH2o("h2o-fcgi", "fcgi", "unix", "server-h2o-fcgi.conf"),
		"server-h2o-fcgi.conf",
		nil,
		nil,
	},
	{
		behindH2o("h2o-http", "http", "tcp", "server-h2o-http.conf"),
		"server-h2o-http.conf",
		nil,
		[]plant{
			unread,
			{symptom: "host-replaced", line: "proxy.preserve-host: ON"}},
	},
	{host{"uwsgi-router", func(t *testing.T, s *site) {
		s.serve(t, "uwsgi", "unix", "")
		s.run(t, "uwsgi", "--ini", s.configure(t, "server-uwsgi-router.ini"))
	}}, "server-uwsgi-router.ini", nil, []plant{
		{symptom: "chunked-refused", line: "http-chunked-input = true"},
		{symptom: "broken-late", line: "http-keepalive = 0", instead: "http-keepalive = 5"}}},
}

// elsewhere is an Apache that was told to put the header into a variable, and an application that
// was not told to look there.
var elsewhere = plant{symptom: "authorization-elsewhere", line: "CGIPassAuth On",
	instead: `SetEnvIf Authorization "(.+)" Authorization=$1`, advice: "quirks.Authorization()",
	module: "setenvif"}

// A trial is a configuration that is run, intact or with a planted fault.
type trial struct {
	name string
	deployment
	plant *plant
}

// TestDoctorNamesTheLineThatIsMissing: the doctor names the line that was taken out of a
// configuration, and no other; of the configuration as it was it has nothing to say.
//
//	go test -tags interop -run DoctorNames -v ./interop
func TestDoctorNamesTheLineThatIsMissing(t *testing.T) {
	program := filepath.Join(t.TempDir(), "doctor")
	if out, err := exec.Command("go", "build", "-o", program, "./doctorapp").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var trials []trial
	for _, d := range deployments {
		trials = append(trials, trial{d.name + " intact", d, nil})
		for _, p := range d.plants {
			trials = append(
				trials,
				trial{
					d.name + " without " + strings.ReplaceAll(p.line, "/", ":") + ": " + p.symptom,
					d,
					&p,
				},
			)
		}
	}
	var right, wrong, silent atomic.Int32
	queue := make(chan trial)
	var wg sync.WaitGroup
	for range 16 { // the trials wait more than they work; -parallel is for what works
		wg.Go(func() {
			for trial := range queue {
				t.Run(trial.name, func(t *testing.T) {
					isRight := trial.run(t, program)
					switch {
					case !isRight:
						wrong.Add(1)
					case trial.plant == nil:
						silent.Add(1)
					default:
						right.Add(1)
					}
				})
			}
		})
	}
	plants := 0
	for _, trial := range trials {
		if trial.plant != nil {
			plants++
		}
		queue <- trial
	}
	close(queue)
	wg.Wait()
	checkProved(t)
	figures := fmt.Sprintf(
		"Right advice: %d of %d planted faults. False advice: %d of %d intact configurations.",
		right.Load(),
		plants,
		int32(len(deployments))-silent.Load(),
		len(deployments),
	)
	fmt.Println(figures)
	checkFigures(t, figures)
}

var proved sync.Map // rules that have named the line of a planted fault

// checkProved: each row of the table has had a planted fault.
func checkProved(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile("../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, " | ")
		if len(cells) != 5 || strings.HasPrefix(cells[1], "web server") {
			continue
		}
		rows++
		key := strings.Join([]string{strings.TrimPrefix(cells[0], "| "), cells[1], cells[2]}, " ")
		if _, found := proved.Load(key); !found {
			t.Errorf("no planted fault has shown the rule %s", key)
		}
	}
	if rows < 40 {
		t.Errorf("docs/doctor.md has %d rules", rows)
	}
}

// run runs a trial, and reports whether the doctor has said what it has to say.
func (trial trial) run(t *testing.T, program string) bool {
	s := newSite(t, trial.deployment.host.name, program)
	s.edit = func(conf string) string { return trial.edit(t, conf) }
	s.quirk = behindProxy[trial.deployment.name]
	if trial.plant != nil {
		s.quirk = cmp.Or(trial.plant.quirk, s.quirk)
		if trial.plant.bare {
			s.quirk = "none"
		}
	}
	roots := s.certify(t)
	trial.start(t, s)
	s.ready(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var log strings.Builder
	p := doctor.Prober{
		TLSConfig: &tls.Config{RootCAs: roots},
		Progress:  func(v doctor.Verdict) { fmt.Fprintln(&log, v) },
	}
	scheme := "http"
	if strings.HasSuffix(trial.deployment.name, "-https") {
		scheme = "https"
	}
	report, err := p.Probe(ctx, scheme+"://localhost:"+s.port+s.script+"?token=interop")
	if err != nil {
		t.Error(err)
		return false
	}
	isRight := trial.plant == nil
	for _, f := range report.Findings {
		switch {
		case trial.plant == nil:
			isRight = false
			t.Errorf("false advice: %s: %s", f.Symptom, f.Advice)
		case f.Symptom == trial.plant.symptom && strings.Contains(f.Advice, cmp.Or(trial.plant.advice, trial.plant.line)):
			proved.Store(
				strings.Join([]string{f.Symptom, report.Server, report.Gateway}, " "),
				true,
			)
			isRight = true
		case !slices.Contains(strings.Fields(trial.plant.also), f.Symptom):
			defer func() { isRight = false }()
			t.Errorf("false advice: %s: %s", f.Symptom, f.Advice)
		}
	}
	if !isRight {
		t.Errorf("the doctor has not named the line:\n%s\n%s", &log, report)
	}
	return isRight && !t.Failed()
}

// certify writes a certificate of localhost to the folder of the site, with its key, and returns
// whom a client has to trust for it.
func (s *site) certify(t *testing.T) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
	for name, data := range map[string][]byte{"cert.pem": text,
		"key.pem": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})} {
		if err := os.WriteFile(s.path(name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return pool
}

// edit returns the configuration, with what the doctor wants repaired, and the fault planted.
func (trial trial) edit(t *testing.T, conf string) string {
	replace := func(old, with string) {
		t.Helper()
		if !strings.Contains(conf, old) {
			t.Fatalf("%s does not have %q", trial.conf, old)
		}
		conf = strings.Replace(conf, old, with, 1)
	}
	for _, r := range trial.repair {
		replace(r[0], r[1])
	}
	if trial.plant != nil && trial.plant.quirk == "" {
		replace(trial.plant.line, trial.plant.instead)
		replace(trial.plant.more, "")
		if m := trial.plant.module; m != "" {
			replace(
				loadAuthz,
				"LoadModule "+m+"_module /usr/lib/apache2/modules/mod_"+m+".so\n"+loadAuthz,
			)
		}
	}
	return conf
}

// checkFigures compares the figures with those of docs/doctor.md, or writes them there.
func checkFigures(t *testing.T, figures string) {
	t.Helper()
	const page = "../docs/doctor.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "\n"+figures+"\n") {
		return
	}
	if !*update {
		t.Errorf(
			"%s has other figures: go test -tags interop ./interop -run DoctorNames -update writes them",
			page,
		)
		return
	}
	before, rest, _ := strings.Cut(string(text), "\nRight advice:")
	_, rest, _ = strings.Cut(rest, "\n")
	if err := os.WriteFile(page, []byte(before+"\n"+figures+"\n"+rest), 0o666); err != nil {
		t.Fatal(err)
	}
}
