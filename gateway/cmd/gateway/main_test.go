package main

import (
	"net/http/httptest"
	"testing"

	"github.com/primecloud/primecloud/pkg/admin"
	"github.com/primecloud/primecloud/pkg/config"
)

func TestHealthcheck_asks_a_gateway_that_speaks_TLS_itself(t *testing.T) {
	server := httptest.NewTLSServer(admin.Handler(admin.Config{}))
	t.Cleanup(server.Close)
	environment := config.Source{
		"PRIMECLOUD_GATEWAY_LISTEN":   server.Listener.Addr().String(),
		"PRIMECLOUD_GATEWAY_TLS_CERT": "tls.crt",
	}
	if err := healthcheck(t.Context(), environment); err != nil {
		t.Error(err)
	}
}
