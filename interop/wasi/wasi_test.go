// Package wasi runs programs of the examples as a host of WASI runs a CGI program: one instance for
// one request. The host is wazero, which is why the package is a module of its own.
//
//	cd interop/wasi && go test .
package wasi

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"github.com/tetratelabs/wazero/sys"

	_ "example.com/gateway/serve" // so that a cached result is not used when it has changed
)

// A result is what is left of an instance.
type result struct {
	stdout, stderr string
	exit           uint32
}

// A host compiles each program once.
type host struct {
	runtime wazero.Runtime
	mu      sync.Mutex
	modules map[string]wazero.CompiledModule
}

func newHost(t *testing.T) *host {
	t.Helper()
	ctx := context.Background()
	// An instance lives for milliseconds: to interpret it takes less time than to compile it.
	h := &host{runtime: wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter()),
		modules: make(map[string]wazero.CompiledModule)}
	t.Cleanup(func() { h.runtime.Close(ctx) })
	wasi_snapshot_preview1.MustInstantiate(ctx, h.runtime)
	return h
}

func (h *host) compile(t *testing.T, example string) wazero.CompiledModule {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if m := h.modules[example]; m != nil {
		return m
	}
	file := filepath.Join(t.TempDir(), example+".wasm")
	build := exec.Command("go", "build", "-o", file, "example.com/gateway/examples/"+example)
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	binary, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m, err := h.runtime.CompileModule(context.Background(), binary)
	if err != nil {
		t.Fatal(err)
	}
	h.modules[example] = m
	return m
}

// run runs an example in an instance of its own.
func (h *host) run(t *testing.T, example, stdin string, env map[string]string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	config := wazero.NewModuleConfig().WithName("").WithArgs(example).WithSysWalltime().WithSysNanotime().
		WithStdin(strings.NewReader(stdin)).WithStdout(&stdout).WithStderr(&stderr)
	for name, value := range env {
		config = config.WithEnv(name, value)
	}
	m, err := h.runtime.InstantiateModule(context.Background(), h.compile(t, example), config)
	r := result{}
	if m != nil {
		m.Close(context.Background())
	}
	if exit, ok := err.(*sys.ExitError); ok {
		r.exit = exit.ExitCode()
	} else if err != nil {
		t.Fatalf("%s: %v", example, err)
	}
	r.stdout, r.stderr = stdout.String(), stderr.String()
	return r
}

var post = map[string]string{
	"GATEWAY_INTERFACE": "CGI/1.1", "SERVER_PROTOCOL": "HTTP/1.1", "SERVER_NAME": "example.com", "SERVER_PORT": "80",
	"REQUEST_METHOD": "POST", "SCRIPT_NAME": "/app", "PATH_INFO": "/x", "CONTENT_TYPE": "text/plain",
	"CONTENT_LENGTH": "11",
}

// with returns the variables of post with others.
func with(list ...string) map[string]string {
	env := make(map[string]string)
	for name, value := range post {
		env[name] = value
	}
	for _, entry := range list {
		name, value, _ := strings.Cut(entry, "=")
		env[name] = value
	}
	return env
}

const (
	hello    = "Status: 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 14\r\n\r\nHello World !\n"
	uploaded = "Status: 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 91\r\n\r\nlines: 1\nsize: 11\n" +
		"sha256: 067623b3eab4c92762a219d23cdaef7ffdfda807e13fbedd561ce621efa23dbf\n"
	cutShort = "Status: 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 26\r\n\r\n" +
		"The upload was cut short.\n"
	refused = "Status: 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 16\r\n\r\n400 Bad Request\n"
)

func TestARequestWithABody(t *testing.T) {
	h := newHost(t)
	for name, c := range map[string]struct {
		example, stdin string
		env            map[string]string
		want           result
	}{
		"no body is read":     {"function", "hello, body", post, result{hello, "", 0}},
		"a terminal":          {"function", "", nil, result{hello, "", 0}},
		"a body is read":      {"upload", "hello, body", post, result{uploaded, "", 0}},
		"a body is cut short": {"upload", "hello", post, result{cutShort, "", 0}},
		"a malformed request": {"function", "", with("REQUEST_METHOD=G T"),
			result{refused, "gateway: G T /app/x: malformed request: REQUEST_METHOD is not a token\n", 0}},
	} {
		if got := h.run(t, c.example, c.stdin, c.env); got != c.want {
			t.Errorf("%s: %+v,\nwant %+v", name, got, c.want)
		}
	}
}

// A server's socket leads nowhere in an instance. So serve.Run never waits on one.
func TestRunIsACGIProgram(t *testing.T) {
	h := newHost(t)
	for name, env := range map[string]map[string]string{
		"all variables":        post,
		"REQUEST_METHOD alone": {"REQUEST_METHOD": "GET"},
		"none":                 nil,
		"PORT":                 {"PORT": "8080"},
		"a request and PORT":   with("PORT=8080"),
	} {
		r := h.run(t, "anywhere", "", env)
		if !strings.HasPrefix(r.stdout, "Status: 200 OK\r\n") || !strings.Contains(r.stdout, "in a process of its own") ||
			r.stderr != "" || r.exit != 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
	r := h.run(t, "anywhere", "", map[string]string{"GATEWAY": "http:tcp:127.0.0.1:0"})
	const want = `serve: GATEWAY is "http:tcp:127.0.0.1:0": there are no sockets on this system, want "cgi"` + "\n"
	if !strings.HasSuffix(r.stderr, want) || r.stdout != "" || r.exit != 1 {
		t.Errorf("a socket: %+v, want %q", r, want)
	}
}
