package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/pare-image/pare/slim/record/engine"
)

// maxOutput is what is kept of each of a command's streams.
const maxOutput = 1 << 20

// execution is the body of ContainerExec.
type execution struct {
	AttachStdin  bool
	AttachStdout bool
	AttachStderr bool
	User         string `json:",omitempty"`
	Cmd          []string
}

// Exec runs a command inside, as the container's user. If ctx is done first
// the command is left to end with the container: the API cannot end it.
func (c *Container) Exec(ctx context.Context, argv []string, stdin io.Reader) (engine.ExecResult, error) {
	e := execution{AttachStdin: stdin != nil, AttachStdout: true, AttachStderr: true, Cmd: argv}
	if c.spec.Sensor != nil {
		e.User = "0:0"
		e.Cmd = append([]string{sensorFile, "sensor", "exec", sensorConfig, "--"}, argv...)
	}
	out, errOut := &head{room: maxOutput}, &head{room: maxOutput}
	code, err := c.api.exec(ctx, c.id, e, stdin, out, errOut)
	if err != nil {
		return engine.ExecResult{}, fmt.Errorf("running %q in the container: %w", argv, err)
	}
	return engine.ExecResult{ExitCode: code, Stdout: out.b, Stderr: errOut.b}, nil
}

// exec runs a command to its end and returns its exit code.
func (c *client) exec(ctx context.Context, container string, e execution, stdin io.Reader, stdout, stderr io.Writer) (int, error) {
	id, s, err := c.startExec(ctx, container, e)
	if err != nil {
		return 0, err
	}
	defer s.Close()
	if stdin != nil {
		go func() {
			// A command that does not read all of it is no error.
			_, _ = io.Copy(s, stdin)
			_ = s.CloseWrite()
		}()
	}
	if err := demux(s, stdout, stderr); err != nil {
		return 0, errors.Join(context.Cause(ctx), err)
	}
	if err := context.Cause(ctx); err != nil {
		return 0, err
	}
	return c.execCode(ctx, id)
}

func (c *client) startExec(ctx context.Context, container string, e execution) (string, *stream, error) {
	var answer struct{ ID string }
	if err := c.call(ctx, http.MethodPost, "/containers/"+container+"/exec", e, &answer); err != nil {
		return "", nil, err
	}
	id := url.PathEscape(answer.ID)
	s, err := c.hijack(ctx, "/exec/"+id+"/start", struct{ Detach, Tty bool }{})
	return id, s, err
}

// execCode is known soon after the streams have ended, but not at once.
func (c *client) execCode(ctx context.Context, id string) (int, error) {
	for wait := 2 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		var answer struct {
			Running  bool
			ExitCode *int
		}
		if err := c.call(ctx, http.MethodGet, "/exec/"+id+"/json", nil, &answer); err != nil {
			return 0, err
		}
		if !answer.Running && answer.ExitCode != nil {
			return *answer.ExitCode, nil
		}
		select {
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-time.After(wait):
		}
	}
}
