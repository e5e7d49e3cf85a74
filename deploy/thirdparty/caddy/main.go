// The door is Caddy with its standard modules and the few handlers of package guard.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/primecloud/primecloud/deploy/thirdparty/caddy/guard"
)

func main() { caddycmd.Main() }
