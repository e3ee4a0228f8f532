//go:build !unix

package redistest

import (
	"errors"
	"os/exec"
)

const canPause = false

func isolate(*exec.Cmd)                {}
func startProcess(cmd *exec.Cmd) error { return cmd.Start() }
func kill(cmd *exec.Cmd) error         { return cmd.Process.Kill() }
func pause(*exec.Cmd) error            { return errors.ErrUnsupported }
func resume(*exec.Cmd) error           { return errors.ErrUnsupported }
