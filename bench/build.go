package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A program is one variant of what is measured.
type program struct {
	name    string
	argv    []string // nil if it cannot be run here
	missing string   // why not
	exact   bool     // its response is the expected one byte for byte, not only up to the order of the headers
}

const (
	bareGo       = "bare Go (os only)"
	gatewayCGI   = "gateway/cgi"
	netHTTPCGI   = "net/http/cgi"
	withoutCgo   = ", CGO_ENABLED=0"
	helloGateway = "example.com/gateway/examples/function"
	programs     = "example.com/gateway/bench/programs/"
)

// buildHellos builds the programs that answer with a hello. The first is what the others are
// compared with.
func buildHellos(dir string) ([]program, error) {
	var list []program
	for _, p := range []struct {
		name, pkg string
		cgo       bool
	}{
		{bareGo, programs + "hello-bare", true},
		{gatewayCGI, helloGateway, true},
		{gatewayCGI + withoutCgo, helloGateway, false},
		{netHTTPCGI, programs + "hello-nethttp", true},
		{netHTTPCGI + withoutCgo, programs + "hello-nethttp", false},
	} {
		file, err := goBuild(dir, p.pkg, p.cgo)
		if err != nil {
			return nil, err
		}
		// net/http/cgi writes the headers sorted: Content-Length comes before Content-Type.
		exact := !strings.HasPrefix(p.name, netHTTPCGI)
		list = append(list, program{name: p.name, argv: []string{file}, exact: exact})
	}
	c, err := buildC(dir)
	if err != nil {
		return nil, err
	}
	python, err := buildPython(dir)
	return append(list, c, python), err
}

// buildStreams builds the programs that stream.
func buildStreams(dir string) ([]program, error) {
	var list []program
	for _, p := range []struct{ name, pkg string }{
		{netHTTPCGI, programs + "stream-nethttp"},
		{gatewayCGI, programs + "stream-gateway"},
	} {
		file, err := goBuild(dir, p.pkg, true)
		if err != nil {
			return nil, err
		}
		list = append(list, program{name: p.name, argv: []string{file}})
	}
	return list, nil
}

// goBuild builds a package as people do, with no flags; whether cgo is on by default is up to the
// machine.
func goBuild(dir, pkg string, cgo bool) (string, error) {
	file := filepath.Join(dir, filepath.Base(pkg))
	env := os.Environ()
	if !cgo {
		file += "-nocgo"
		env = append(env, "CGO_ENABLED=0")
	}
	cmd := exec.Command("go", "build", "-o", file+".linked", pkg)
	cmd.Env = env
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", cmd, err, out)
	}
	return file, install(file)
}

// install copies a program from where the linker wrote it, as a deployment does. On Linux a copy
// starts up to 10 % faster than what the linker has left in the page cache, and two copies start
// equally fast, which two builds of the same do not.
func install(file string) error {
	program, err := os.ReadFile(file + ".linked")
	if err != nil {
		return err
	}
	return os.WriteFile(file, program, 0o755)
}

// cgoState says what a default build is here: net is linked dynamically if cgo is on.
func cgoState() string {
	out, err := exec.Command("go", "env", "CGO_ENABLED").Output()
	if err != nil || strings.TrimSpace(string(out)) == "0" {
		return "without cgo"
	}
	return "with cgo"
}

func buildC(dir string) (program, error) {
	if _, err := exec.LookPath("cc"); err != nil {
		return program{name: "C", missing: "no cc here"}, nil
	}
	name, file := "C (cc -O2 -static)", filepath.Join(dir, "hello-c")
	source := filepath.Join("programs", "hello.c")
	if exec.Command("cc", "-O2", "-static", "-o", file+".linked", source).Run() != nil { // not everywhere is a static libc
		name = "C (cc -O2)"
		cmd := exec.Command("cc", "-O2", "-o", file+".linked", source)
		if out, err := cmd.CombinedOutput(); err != nil {
			return program{}, fmt.Errorf("%s: %w\n%s", cmd, err, out)
		}
	}
	return program{name: name, argv: []string{file}, exact: true}, install(file)
}

// buildPython makes a virtual environment: packages that happen to be installed may run at every
// start of the interpreter, and the python3 in the PATH may be a script that looks for the real
// one.
func buildPython(dir string) (program, error) {
	if _, err := exec.LookPath("python3"); err != nil {
		return program{name: "Python wsgiref", missing: "no python3 here"}, nil
	}
	venv := filepath.Join(dir, "python")
	if exec.Command("python3", "-m", "venv", "--without-pip", venv).Run() != nil {
		return program{name: "Python wsgiref", missing: "python3 has no venv here"}, nil
	}
	file := filepath.Join(venv, "bin", "python3")
	version, err := exec.Command(file, "-c", "import platform; print(platform.python_version())").Output()
	return program{
		name:  "Python " + strings.TrimSpace(string(version)) + " wsgiref",
		argv:  []string{file, filepath.Join("programs", "hello.py")},
		exact: true,
	}, err
}
