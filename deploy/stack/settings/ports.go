package settings

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"reflect"
	"slices"
	"syscall"

	"github.com/primecloud/primecloud/pkg/servers"
)

// Free reports the first of the ports that somebody else listens on, with the setting to
// change. Whoever starts the processes asks first: what they say later is in their logs.
func (p Ports) Free(ctx context.Context) error {
	ports := reflect.ValueOf(p)
	for i := range ports.NumField() {
		field := ports.Type().Field(i)
		port := int(ports.Field(i).Int())
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", Address(port))
		if errors.Is(err, syscall.EADDRINUSE) {
			return &servers.PortTakenError{Server: field.Name, Port: port, Setting: field.Tag.Get("env")}
		}
		if err != nil {
			return fmt.Errorf("port %d: %w", port, err)
		}
		if err := listener.Close(); err != nil {
			return fmt.Errorf("port %d: %w", port, err)
		}
	}
	return nil
}

// ChoosePorts returns n ports that nobody uses now, for processes that start later. They lie
// apart from those that the system gives to outgoing connections and from those that the servers
// of pkg/servers choose: either would have taken one by then.
func ChoosePorts(ctx context.Context, n int) ([]int, error) {
	const lowest, highest, tries = 10000, 20000, 1000
	var chosen []int
	for range tries {
		if len(chosen) == n {
			return chosen, nil
		}
		port := lowest + rand.IntN(highest-lowest)
		if slices.Contains(chosen, port) {
			continue
		}
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", Address(port))
		if err != nil {
			continue
		}
		if err := listener.Close(); err != nil {
			return nil, fmt.Errorf("port %d: %w", port, err)
		}
		chosen = append(chosen, port)
	}
	return nil, fmt.Errorf("no %d free ports found between %d and %d", n, lowest, highest)
}
