package settings

import (
	"context"
	"errors"
	"fmt"
	"net"
	"reflect"
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
