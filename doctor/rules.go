package doctor

import (
	"io"
	"slices"
	"strings"

	"example.com/gateway"
	"example.com/gateway/validate"
)

// A symptom is what can be wrong with what a web server sends.
type symptom struct {
	name    string
	finding string // what the web server does, and what that means for an application

	// isFault says that it is a finding also of a web server for which no rule has a line.
	// Otherwise it is a property of that web server, which an application can live with.
	isFault bool

	// shape, if the symptom shows in the variables of one request, returns what is seen, or "". The
	// prober sees the others.
	shape func(env *gateway.Environ) string
}

// A rule is a line of configuration, or a middleware, that repairs a symptom of a web server.
type rule struct {
	symptom string
	server  string // the web server
	gateway string // the protocol that it speaks to the application
	advice  string // as it stands in file, but for its indentation
	file    string // a configuration in interop/testdata that has it, and that the tests run
}

var symptoms = []symptom{
	// Paths.
	{name: "path-missing", isFault: true, shape: pathMissing,
		finding: "SCRIPT_NAME and PATH_INFO are both empty: an application cannot tell its " +
			"pages apart"},
	{name: "path-unsplit", isFault: true, shape: pathUnsplit,
		finding: "the whole path is in SCRIPT_NAME, and nothing in PATH_INFO: every page " +
			"looks like the first"},
	{name: "path-doubled", isFault: true, shape: pathDoubled,
		finding: "the whole path is in SCRIPT_NAME and once more in PATH_INFO: an " +
			"application's links have the path twice"},
	{name: "path-refused", isFault: true,
		finding: "a path behind the application's own is refused: it has no other page than " +
			"its first"},
	{name: "path-lost", isFault: true,
		finding: "what follows the application's own path does not arrive in PATH_INFO: every " +
			"page looks like the first"},
	{name: "path-first-segment", isFault: true,
		finding: "the first segment of any path is taken for SCRIPT_NAME: the application's " +
			"prefix changes with each page"},
	{name: "path-encoded", isFault: true,
		finding: "PATH_INFO is still percent-encoded: /a%20b is not found as \"/a b\""},
	{name: "path-decoded-twice", isFault: true,
		finding: "the path is decoded twice: /%2541 arrives as /A, and access rules for the " +
			"one do not hold for the other"},
	{name: "path-slashes-merged",
		finding: "// in a path arrives as /: URLs in paths, and empty segments, are lost"},
	{name: "path-slash-refused",
		finding: "a path with %2F is refused: names with a slash cannot be in a path"},
	{name: "path-changed",
		finding: "a path arrives as another than was sent"},
	{name: "target-changed",
		finding: "REQUEST_URI is not what the client sent, but encoded anew: %2F and / are " +
			"the same for the application"},
	{name: "query-changed",
		finding: "the query is not what the client sent, but encoded anew: signatures over it " +
			"do not hold"},

	{name: "contract", isFault: true,
		finding: "the request breaks a rule of the contract between servers and applications"},

	// Who asks, and for what.
	{name: "host-port", isFault: true,
		finding: "the Host lacks the port that the client sent: links and redirects lead to " +
			"another port, and forms are refused as forged"},
	{name: "host-replaced", isFault: true,
		finding: "the Host is not the one that the client sent: links and redirects lead to a " +
			"name that nobody else knows"},
	{name: "scheme", shape: schemeLost, isFault: true,
		finding: "the client has come by https, and the application thinks http: links are " +
			"insecure, cookies are not Secure, redirects may go in circles"},
	{name: "scheme-untold", isFault: true,
		finding: "the client has come by https, and nobody tells the application, which thinks http: " +
			"links are insecure, cookies are not Secure"},
	{name: "address-of-proxy", isFault: true, shape: addressOfProxy,
		finding: "the application takes the web server for its client: REMOTE_ADDR is the web server's, " +
			"and nobody reads where the client's is"},
	{name: "address-forged", isFault: true,
		finding: "REMOTE_ADDR is what the client has written into a header: anybody can be " +
			"anybody"},
	{name: "forwarded-for-missing", isFault: true,
		finding: "the address of the client does not arrive, only that of the web server, and " +
			"X-Forwarded-For is the client's own word"},
	{name: "forwarded-proto-forged", isFault: true,
		finding: "X-Forwarded-Proto is the client's own word: an application that trusts it " +
			"takes http for https"},
	{name: "authorization-missing", isFault: true,
		finding: "the Authorization header does not arrive: nobody can log in with it"},
	{name: "authorization-kept",
		finding: "the web server keeps the Authorization header to itself: log in with a form and a cookie"},
	{name: "user-unchecked", isFault: true,
		finding: "REMOTE_USER is the name that the client says, and nobody has checked the password: " +
			"anybody is anybody"},
	{name: "authorization-elsewhere", isFault: true, shape: authorizationElsewhere,
		finding: "the Authorization header is in another variable, where no application looks"},
	{name: "cookies-comma",
		finding: "two Cookie headers, as HTTP/2 may send, are joined with a comma: a parser " +
			"that is not told may see one cookie"},
	{name: "underscores",
		finding: "a header X_Name passes for X-Name: a client can forge a header that the web " +
			"server sets under the other name"},
	{name: "headers-refused",
		finding: "20 kB of headers are refused: large cookies or tokens do not get through"},

	// The body of a request.
	{name: "upload-malformed", isFault: true,
		finding: "an upload arrives with another length than the client has sent, and is " +
			"refused: forms fail, most of them or all"},
	{name: "upload-refused", isFault: true,
		finding: "an upload of 1 MiB and a byte is refused before the application sees it"},
	{name: "upload-large-refused",
		finding: "an upload of 100 MB is refused"},
	{name: "upload-cut", isFault: true,
		finding: "an upload arrives with other bytes than were sent"},
	{name: "chunked-refused",
		finding: "a body of unknown length (chunked) is refused: git push, and curl -T -, fail"},
	{name: "chunked-lost", isFault: true,
		finding: "a body of unknown length (chunked) arrives empty, and nobody is told"},
	{name: "continue-late",
		finding: "Expect: 100-continue is not answered: a client waits a second before it " +
			"sends a large body"},

	// The response.
	{name: "stream-collected", isFault: true,
		finding: "a response is kept back until it is complete: progress, events and long " +
			"downloads come at the end"},
	{name: "stream-cut", isFault: true,
		finding: "a response that takes a second does not arrive whole"},
	{name: "broken-hangs", isFault: true,
		finding: "a response that breaks leaves the client hanging"},
	{name: "broken-late",
		finding: "a response that breaks leaves a client whose connection is kept waiting, " +
			"until the web server's time for idle connections is over"},
	{name: "broken-declared-whole", isFault: true,
		finding: "a response with a length that breaks passes for a whole one: half a " +
			"download looks complete"},
	{name: "broken-whole",
		finding: "a response without a length that breaks passes for a whole one: declare a " +
			"Content-Length where half an answer does harm"},
	{name: "length-dropped",
		finding: "the application's Content-Length is dropped: no progress for downloads, and " +
			"one that breaks passes for a whole one"},
	{name: "head-body", isFault: true,
		finding: "the answer to HEAD has a body, or another status: the client takes the body " +
			"for the next answer"},
	{name: "no-content", isFault: true,
		finding: "204 or 304 does not arrive as it was sent"},
	{name: "leave-idle",
		finding: "a client that leaves is not noticed while the application has nothing to " +
			"write: work goes on for nobody"},
	{name: "leave-never",
		finding: "a client that leaves is not noticed at all: a stream for it goes on to its end"},
	{name: "not-kept",
		finding: "the connection is closed after each answer: each request costs a new one, " +
			"with TLS a slow one"},
	{name: "load-lost", isFault: true,
		finding: "requests are lost under load, or in the restart that went on: the listening " +
			"socket has to outlive the process"},
	{name: "compressed",
		finding: "the web server compresses, which may hold streams back"},
	{name: "http10", shape: spokenHTTP10,
		finding: "the web server speaks HTTP/1.0 to the application: it cannot keep " +
			"connections, and a response without a length has no end of its own"},
}

func symptomOf(name string) *symptom {
	i := slices.IndexFunc(symptoms, func(s symptom) bool { return s.name == name })
	if i < 0 {
		panic("doctor: there is no symptom " + name)
	}
	return &symptoms[i]
}

const (
	nginxCGI       = "nginx.conf"
	nginxFCGI      = "server-nginx-fcgi.conf"
	nginxSCGI      = "server-nginx-scgi.conf"
	nginxUWSGI     = "server-nginx-uwsgi.conf"
	nginxHTTPS     = "server-nginx-https.conf"
	nginxHTTP      = "server-nginx-http.conf"
	apacheCGI      = "apache-prefork.conf"
	apacheFCGI     = "server-apache-fcgi.conf"
	apacheHandler  = "server-apache-fcgi-handler.conf"
	apacheSetEnvIf = "server-apache-fcgi-setenvif.conf"
	apacheSCGI     = "server-apache-scgi.conf"
	apacheUWSGI    = "server-apache-uwsgi.conf"
	lightyCGI      = "lighttpd.conf"
	lightyFCGI     = "server-lighttpd-fcgi.conf"
	lightySCGI     = "server-lighttpd-scgi.conf"
	caddyFCGI      = "Caddyfile"
	haproxyFCGI    = "server-haproxy-fcgi.cfg"
	haproxyHTTP    = "server-haproxy-http.cfg"
	h2oHTTP        = "server-h2o-http.conf"
	uwsgiRouter    = "server-uwsgi-router.ini"
)

const (
	splitByNginx = "fastcgi_split_path_info ^(/cgi-bin/[^/]+)(.*)$;\n" +
		"fastcgi_param PATH_INFO $fastcgi_path_info;"
	allIsPathInfo = "fastcgi_param SCRIPT_NAME \"\";\nfastcgi_param PATH_INFO $document_uri;"
	streamFromCGI = "fastcgi_param NO_BUFFERING 1;\nfastcgi_buffering off;"
	readForwarded = `app = middleware.Forwarded(middleware.Proxies{From: proxies, For: 1, Proto: 1})(app)`
	forwardFor    = "proxy_set_header X-Forwarded-For $remote_addr;"
	forwardScheme = "proxy_set_header X-Forwarded-Proto $scheme;"
	forwardProto  = "http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]"
)

// rules is the table. docs/doctor.md is made of it. Each row has a planted fault in
// interop/doctor_test.go, and the lines of its advice are in its file.
var rules = []rule{
	{"path-refused", nginx, "cgi", splitByNginx, nginxCGI},
	{"path-lost", nginx, "cgi", splitByNginx, nginxCGI},
	{"path-slashes-merged", nginx, "cgi", "merge_slashes off;", nginxCGI},
	{"host-port", nginx, "cgi", "fastcgi_param HTTP_HOST $http_host;", nginxCGI},
	{"user-unchecked", nginx, "cgi", "fastcgi_param REMOTE_USER \"\";", nginxCGI},
	{"upload-refused", nginx, "cgi", "client_max_body_size 32m;", nginxCGI},
	{"stream-collected", nginx, "cgi", streamFromCGI, nginxCGI},

	{"path-unsplit", nginx, "fcgi", allIsPathInfo, nginxFCGI},
	{"path-doubled", nginx, "fcgi", "fastcgi_param SCRIPT_NAME \"\";", nginxFCGI},
	{"path-missing", nginx, "fcgi", "fastcgi_param PATH_INFO $document_uri;", nginxFCGI},
	{"path-slashes-merged", nginx, "fcgi", "merge_slashes off;", nginxFCGI},
	{"host-port", nginx, "fcgi", "fastcgi_param HTTP_HOST $http_host;", nginxFCGI},
	{"user-unchecked", nginx, "fcgi", "fastcgi_param REMOTE_USER \"\";", nginxFCGI},
	{"upload-refused", nginx, "fcgi", "client_max_body_size 32m;", nginxFCGI},
	{"stream-collected", nginx, "fcgi", "fastcgi_buffering off;", nginxFCGI},

	{"path-missing", nginx, "scgi", `app = quirks.DocumentURI("/app")(app)`, nginxSCGI},
	{"path-slashes-merged", nginx, "scgi", "merge_slashes off;", nginxSCGI},
	{"host-port", nginx, "scgi", "scgi_param HTTP_HOST $http_host;", nginxSCGI},
	{"upload-refused", nginx, "scgi", "client_max_body_size 32m;", nginxSCGI},
	{"upload-malformed", nginx, "scgi", "scgi_request_buffering on;", nginxSCGI},
	{"stream-collected", nginx, "scgi", "scgi_buffering off;", nginxSCGI},

	{"path-slashes-merged", nginx, "uwsgi", "merge_slashes off;", nginxUWSGI},
	{"host-port", nginx, "uwsgi", "uwsgi_param HTTP_HOST $http_host;", nginxUWSGI},
	{"upload-refused", nginx, "uwsgi", "client_max_body_size 32m;", nginxUWSGI},
	{"stream-collected", nginx, "uwsgi", "uwsgi_buffering off;", nginxUWSGI},

	{"target-changed", nginx, "http", "proxy_pass http://app;", nginxHTTP},
	{"host-replaced", nginx, "http", "proxy_set_header Host $http_host;", nginxHTTP},
	{"address-of-proxy", nginx, "http", readForwarded, "client-nginx-http.conf"},
	{"address-forged", nginx, "http", forwardFor, nginxHTTP},
	{"forwarded-for-missing", nginx, "http", forwardFor, nginxHTTP},
	{"forwarded-proto-forged", nginx, "http", forwardScheme, nginxHTTP},
	{"scheme", nginx, "http", readForwarded, nginxHTTPS},
	{"scheme-untold", nginx, "http", forwardScheme, nginxHTTPS},
	{"upload-refused", nginx, "http", "client_max_body_size 32m;", nginxHTTP},
	{"stream-collected", nginx, "http", "proxy_buffering off;", nginxHTTP},
	{"http10", nginx, "http", "proxy_http_version 1.1;", nginxHTTP},

	{"authorization-missing", apache, "cgi", "CGIPassAuth On", apacheCGI},
	{"authorization-elsewhere", apache, "cgi", `app = quirks.Authorization()(app)`, apacheSetEnvIf},
	{"path-slash-refused", apache, "cgi", "AllowEncodedSlashes On", apacheCGI},
	{"length-dropped", apache, "cgi", "SetEnv ap_trust_cgilike_cl 1", apacheCGI},

	{"path-unsplit", apache, "fcgi", `app = quirks.RequestURI("/app")(app)`, apacheFCGI},
	{"authorization-elsewhere", apache, "fcgi", `app = quirks.Authorization()(app)`, apacheSetEnvIf},
	{"authorization-missing", apache, "fcgi", "CGIPassAuth On", apacheFCGI},
	{"path-slash-refused", apache, "fcgi", "AllowEncodedSlashes On", apacheFCGI},
	{"length-dropped", apache, "fcgi", "SetEnv ap_trust_cgilike_cl 1", apacheHandler},
	{"stream-collected", apache, "fcgi", "flushpackets=on", apacheFCGI},

	{"path-unsplit", apache, "scgi", `app = quirks.RequestURI("/app")(app)`, apacheSCGI},
	{"authorization-missing", apache, "scgi", "CGIPassAuth On", apacheSCGI},
	{"path-slash-refused", apache, "scgi", "AllowEncodedSlashes On", apacheSCGI},
	{"length-dropped", apache, "scgi", "SetEnv ap_trust_cgilike_cl 1", apacheHandler},

	{"path-slash-refused", apache, "uwsgi", "AllowEncodedSlashes On", apacheUWSGI},

	{"stream-collected", lighttpd, "cgi", "server.stream-response-body = 1", lightyCGI},
	{"path-first-segment", lighttpd, "fcgi", `"fix-root-scriptname" => "enable",`, lightyFCGI},
	{"stream-collected", lighttpd, "fcgi", "server.stream-response-body = 1", lightyFCGI},
	{"stream-collected", lighttpd, "scgi", "server.stream-response-body = 1", lightySCGI},

	{"address-of-proxy", lighttpd, "http", readForwarded, "client-lighttpd-http.conf"},
	{"stream-collected", lighttpd, "http", "server.stream-response-body = 1", lightyFCGI},

	{"stream-collected", caddy, "fcgi", "flush_interval -1", caddyFCGI},
	{"address-of-proxy", caddy, "http", readForwarded, "client-caddyfile"},

	{"address-of-proxy", apache, "http", readForwarded, "client-apache-http.conf"},

	{"user-unchecked", haproxy, "fcgi", "set-param REMOTE_USER %[var(txn.user)]", haproxyFCGI},
	{"path-unsplit", haproxy, "fcgi", "path-info ^(/app)(/.*)?$", haproxyFCGI},
	{"address-of-proxy", haproxy, "http", readForwarded, "client-haproxy-http.cfg"},
	{"address-forged", haproxy, "http", "option forwardfor", haproxyHTTP},
	{"forwarded-for-missing", haproxy, "http", "option forwardfor", haproxyHTTP},
	{"forwarded-proto-forged", haproxy, "http", forwardProto, haproxyHTTP},
	{"leave-idle", haproxy, "http", "option abortonclose", haproxyHTTP},

	{"address-of-proxy", h2o, "http", readForwarded, h2oHTTP},
	{"host-replaced", h2o, "http", "proxy.preserve-host: ON", h2oHTTP},

	{"chunked-refused", uwsgi, "uwsgi", "http-chunked-input = true", uwsgiRouter},
	{"broken-late", uwsgi, "uwsgi", "http-keepalive = 0", uwsgiRouter},
}

// A Finding is something that a web server does wrong, with the line that repairs it.
type Finding struct {
	Symptom string `json:"symptom"`          // its name in docs/doctor.md
	Text    string `json:"text"`             // what the web server does, and what that means
	Seen    string `json:"seen,omitempty"`   // what has shown it
	Advice  string `json:"advice,omitempty"` // the lines, or the middleware; "" if none is known
	Proof   string `json:"proof,omitempty"`  // the configuration that has them

	// Note says that nothing has to be changed: the web server cannot be had otherwise, and the
	// application has to know.
	Note bool `json:"note,omitempty"`
}

// find returns the finding of a symptom. seen is not trusted.
func find(name, seen, server, protocol string) Finding {
	s := symptomOf(name)
	f := Finding{Symptom: name, Text: s.finding, Seen: show(seen, 300), Note: !s.isFault}
	for _, r := range rules {
		if r.symptom == name && r.server == server && (r.gateway == protocol || protocol == "") {
			if f.Advice != "" {
				f.Advice += "\n" // the protocol is not known: one of these
			} else {
				f.Proof = "interop/testdata/" + r.file
			}
			f.Advice += r.advice
			f.Note = false
		}
	}
	return f
}

// The shapes.

func pathMissing(env *gateway.Environ) string {
	v := env.Vars
	if v["SCRIPT_NAME"] == "" && v["PATH_INFO"] == "" && v["REQUEST_METHOD"] != "OPTIONS" {
		return "REQUEST_URI is " + hideInQuery(v["REQUEST_URI"])
	}
	return ""
}

func pathUnsplit(env *gateway.Environ) string {
	v := env.Vars
	name := v["SCRIPT_NAME"]
	_, isSplit := v["PATH_INFO"] // if only into all and nothing
	if name != "" && name == v["DOCUMENT_URI"] && !isSplit && !env.RunOnce {
		return "SCRIPT_NAME is " + name + ", as DOCUMENT_URI, and there is no PATH_INFO"
	}
	return ""
}

func pathDoubled(env *gateway.Environ) string {
	v := env.Vars
	name := v["SCRIPT_NAME"]
	target, _, _ := strings.Cut(v["REQUEST_URI"], "?")
	if name != "" && name == v["PATH_INFO"] && target != "" && unescape(target) == name {
		return "both are " + name
	}
	return ""
}

func schemeLost(env *gateway.Environ) string {
	v := env.Vars
	isForwarded := strings.EqualFold(v["HTTP_X_FORWARDED_PROTO"], "https")
	if env.URLScheme != "https" && isForwarded && gatewayOf(env) == "http" {
		return "X-Forwarded-Proto is https"
	}
	return ""
}

func addressOfProxy(env *gateway.Environ) string {
	v := env.Vars
	if v["SERVER_SOFTWARE"] != "net/http" {
		return ""
	}
	for name := range env.Extra {
		if strings.HasPrefix(name, "middleware.") {
			return "" // middleware.Forwarded has read them
		}
	}
	for _, name := range []string{"HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED"} {
		if v[name] != "" {
			return "REMOTE_ADDR is " + v["REMOTE_ADDR"] + ", and there is " + name
		}
	}
	return ""
}

func authorizationElsewhere(env *gateway.Environ) string {
	v := env.Vars
	if v["HTTP_AUTHORIZATION"] != "" {
		return ""
	}
	for _, name := range []string{"REDIRECT_HTTP_AUTHORIZATION", "Authorization"} {
		if v[name] != "" {
			return "it is in " + name
		}
	}
	return ""
}

func spokenHTTP10(env *gateway.Environ) string {
	v := env.Vars
	if v["SERVER_SOFTWARE"] == "net/http" && v["SERVER_PROTOCOL"] == "HTTP/1.0" {
		return "SERVER_PROTOCOL is HTTP/1.0"
	}
	return ""
}

// A page is what the doctor knows from one request.
type page struct {
	Doctor    int        `json:"doctor"` // 1: the prober knows the page by it
	ID        string     `json:"id"`     // the prober's, of the request
	Gateway   string     `json:"gateway"`
	Started   string     `json:"started"`
	Server    string     `json:"server"`
	By        string     `json:"recognised_by"`
	Scheme    string     `json:"scheme"`
	URL       string     `json:"url"`
	RunOnce   bool       `json:"run_once"`
	Findings  []Finding  `json:"findings"`
	Variables []variable `json:"variables"`
	Left      int        `json:"variables_left_out"`
}

// examine judges one request.
func examine(env *gateway.Environ) *page {
	p := &page{Doctor: 1, Gateway: gatewayOf(env), Started: show(started(env), 300),
		Scheme: env.URLScheme,
		URL:    show(hideInQuery(env.URL()), maxValue), RunOnce: env.RunOnce, Findings: []Finding{}}
	p.Server, p.By = recognise(env)
	for _, s := range symptoms {
		if s.shape == nil {
			continue
		}
		if seen := s.shape(env); seen != "" {
			p.Findings = append(p.Findings, find(s.name, seen, p.Server, p.Gateway))
		}
	}
	if len(p.Findings) == 0 { // or else what the contract says follows from one that has a line
		for _, broken := range lint(env) {
			p.Findings = append(p.Findings, find("contract", broken, p.Server, p.Gateway))
		}
	}
	p.Variables, p.Left = variables(env)
	return p
}

// lint returns the rules of the contract that the request breaks, as package validate finds them.
// It leaves the values out, which may be secrets.
func lint(env *gateway.Environ) (list []string) {
	nothing := gateway.ApplicationFunc(func(
		_ *gateway.Environ, start gateway.StartResponse,
	) (gateway.Body, error) {
		return start.Answer(204, nil, nil)
	})
	linter := validate.Linter{Report: func(f validate.Finding) {
		if f.Side == validate.SideServer && len(list) < 10 {
			seen, sentence, _ := strings.Cut(f.Text, "; the rule: ")
			name, _, _ := strings.Cut(seen, " ")
			list = append(list, f.Rule+", "+name+": "+sentence)
		}
	}}
	body, err := linter.Application(nothing).Call(env.Clone(),
		func(string, gateway.Headers, error) (io.Writer, error) { return io.Discard, nil })
	if err == nil {
		for range body.Blocks() {
		}
		body.Close()
	}
	return list
}
