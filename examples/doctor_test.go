package examples_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"example.com/gateway/doctor"
	"example.com/gateway/nethttp"
)

// The page by serve.Run, and the prober at it: the exit status says what has been found.
func TestDoctorProbesItself(t *testing.T) {
	program := filepath.Join(buildAll(t), "doctor")
	server := begin(t, program, "http:tcp:127.0.0.1:0")
	faulty := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Authorization")
		nethttp.Handler(doctor.Application("")).ServeHTTP(w, r)
	}))
	defer faulty.Close()
	for _, test := range []struct {
		url    string
		status int
		want   []string
	}{
		{server.where + "/", 0, []string{"ok     authorization", "nothing to change", "since GATEWAY says so"}},
		{faulty.URL + "/", 1, []string{"FAULT  authorization", "1 to change",
			"the Authorization header does not arrive"}},
		{server.where + "/%zz", 2, []string{"not a URL"}},
		{"http://127.0.0.1:1/", 2, []string{"there is no answer"}},
	} {
		cmd := exec.Command(program, test.url)
		cmd.Env = withoutCGI(os.Environ())
		out, err := cmd.CombinedOutput()
		status := 0
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			status = exit.ExitCode()
		}
		if status != test.status {
			t.Errorf("%s: status %d, want %d\n%s", test.url, status, test.status, out)
		}
		for _, want := range test.want {
			if !strings.Contains(string(out), want) {
				t.Errorf("%s: there is no %q in\n%s", test.url, want, out)
			}
		}
	}
	server.stop(t)
}
