package servers

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"syscall"
)

// loopback is where every server listens.
const loopback = "127.0.0.1"

// choosePort returns the wanted port if it is free, or a free one for 0. setting is named
// in the error, so that whoever reads it knows what to change.
func choosePort(ctx context.Context, server string, want int, setting string) (int, error) {
	if want != 0 {
		err := tryPort(ctx, want)
		if errors.Is(err, syscall.EADDRINUSE) {
			return 0, &PortTakenError{Server: server, Port: want, Setting: setting}
		}
		return want, err
	}
	// Below the range the kernel takes for outgoing connections: a port chosen there could be
	// gone by the time the server listens.
	const lowest, highest, tries = 20000, 32000, 50
	for range tries {
		port := lowest + rand.IntN(highest-lowest)
		if tryPort(ctx, port) == nil {
			return port, nil
		}
	}
	return 0, fmt.Errorf("start %s: no free port found between %d and %d", server, lowest, highest)
}

func tryPort(ctx context.Context, port int) error {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", address(port))
	if err != nil {
		return fmt.Errorf("port %d: %w", port, err)
	}
	return l.Close()
}

func address(port int) string { return net.JoinHostPort(loopback, strconv.Itoa(port)) }

// PortTakenError says that somebody else listens on the port a server was to have.
type PortTakenError struct {
	// Server is who wanted it, Setting what to change, empty if there is none.
	Server, Setting string
	Port            int
}

func (e *PortTakenError) Error() string {
	text := fmt.Sprintf("port %d, meant for %s, is taken", e.Port, e.Server)
	if e.Setting != "" {
		text += "; set " + e.Setting + " to a free one"
	}
	return text
}
