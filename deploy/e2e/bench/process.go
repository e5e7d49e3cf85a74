package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// process is this program once more, as one side of a comparison.
type process struct {
	cmd   *exec.Cmd
	input io.Closer
}

// drainWithin is how long a process may take to stop.
const drainWithin = 90 * time.Second

// start runs the named part as a process of its own, gives it its configuration, and reads
// where it is. It ends when its input does, so it never outlives this process.
func start(ctx context.Context, part string, configuration, place any) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, part)
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = drainWithin
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, input: input}
	err = json.NewEncoder(input).Encode(configuration)
	if err == nil {
		err = json.NewDecoder(output).Decode(place)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", part, err), p.stop())
	}
	return p, nil
}

// stop lets the process drain and waits for its end.
func (p *process) stop() error { return errors.Join(p.input.Close(), p.cmd.Wait()) }

// Part is one side of a comparison: it reads its configuration, serves until ctx is done,
// and calls ready with where it is.
type Part func(ctx context.Context, configuration []byte, ready func(place any) error) error

// Serve runs a part in this process, which was started as one, until its input ends.
func Serve(ctx context.Context, part Part) error {
	input := bufio.NewReader(os.Stdin)
	configuration, err := input.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, input)
		stop()
	}()
	return part(ctx, configuration, func(place any) error { return json.NewEncoder(os.Stdout).Encode(place) })
}
