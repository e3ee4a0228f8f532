package redistest

import (
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

// dieWithUs has the kernel kill the server when the thread that started it ends
// (prctl(2), PR_SET_PDEATHSIG).
func dieWithUs(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }

// A start is one request to the thread that starts servers.
type start struct {
	cmd *exec.Cmd
	err chan<- error
}

// starter is a thread that lives as long as the process. Threads of other
// goroutines may end sooner, when the goroutine has locked them, and would take
// the server with them (https://go.dev/issue/27505).
var starter = sync.OnceValue(func() chan<- start {
	starts := make(chan start)
	go func() {
		runtime.LockOSThread()
		for s := range starts {
			s.err <- s.cmd.Start()
		}
	}()
	return starts
})

func startProcess(cmd *exec.Cmd) error {
	err := make(chan error)
	starter() <- start{cmd, err}
	return <-err
}
