//go:build !unix

package host

import (
	"os"
	"os/exec"
)

// These systems have neither process groups nor a signal that asks a program to end.

func makeGroup(*exec.Cmd) {}

func askToEnd(p *os.Process) { _ = p.Kill() }

func kill(p *os.Process) { _ = p.Kill() }

func hasGroup(*os.Process) bool { return false }

func explainStart(error) (why string, kind error) { return "", nil }
