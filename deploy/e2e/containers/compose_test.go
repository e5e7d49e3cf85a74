package containers_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/primecloud/primecloud/deploy/stack/handout"
	"github.com/primecloud/primecloud/gateway"
	"github.com/primecloud/primecloud/pkg/config"
	"github.com/primecloud/primecloud/pkg/servers"
	"github.com/primecloud/primecloud/services/identity"
	storage "github.com/primecloud/primecloud/services/storage-provisioning"
)

// mounted is where every container finds what was handed out to it.
const mounted = "/run/primecloud"

// once are the containers that end when their work is done.
var once = []string{"secrets", "database", "identity-migrate", "storage-provisioning-migrate"}

func root(t *testing.T) string {
	t.Helper()
	dir, err := servers.Root()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// load reads docker-compose.yml as the engine does, with these variables and no others.
func load(t *testing.T, environment ...string) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{filepath.Join(root(t), "docker-compose.yml")}, cli.WithEnv(environment))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

// handOut writes what the containers get and returns the folder.
func handOut(t *testing.T, project *types.Project) string {
	t.Helper()
	var c handout.Config
	if err := config.Load(&c, variables(project.Services["secrets"])); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	c.Vault, c.Dir = filepath.Join(dir, "vault"), filepath.Join(dir, "handout")
	c.User, c.PostgresUser = os.Getuid(), os.Getuid()
	if err := handout.Write(c); err != nil {
		t.Fatal(err)
	}
	return c.Dir
}

func variables(service types.ServiceConfig) config.Source {
	source := config.Source{}
	for name, value := range service.Environment {
		if value != nil {
			source[name] = *value
		}
	}
	return source
}

// given returns which folder of the handout a container mounts.
func given(service types.ServiceConfig) string {
	for _, volume := range service.Volumes {
		if volume.Target == mounted {
			return strings.TrimPrefix(volume.Source, "for-")
		}
	}
	return ""
}

// TestWhatIsHandedOut holds one handout, which costs hashing passwords, from two sides.
func TestWhatIsHandedOut(t *testing.T) {
	project := load(t)
	dir := handOut(t, project)
	t.Run("every process accepts the settings of its container", func(t *testing.T) { accepted(t, project, dir) })
	t.Run("each container mounts its own folder and nobody else's", func(t *testing.T) { apart(t, project, dir) })
}

func accepted(t *testing.T, project *types.Project, dir string) {
	programs := map[string]struct {
		prefix   string
		settings func() any
	}{
		"identity":             {"PRIMECLOUD_IDENTITY_", func() any { return &identity.Config{} }},
		"storage-provisioning": {"PRIMECLOUD_STORAGE_", func() any { return &storage.Config{} }},
		"gateway":              {"PRIMECLOUD_GATEWAY_", func() any { return &gateway.Config{} }},
		"setup":                {"PRIMECLOUD_SETUP_", func() any { return &handout.Config{} }},
	}
	seen := map[string]bool{}
	for name, service := range project.Services {
		if service.Build == nil || service.Build.Args["COMMAND"] == nil {
			continue
		}
		command := *service.Build.Args["COMMAND"]
		program, known := programs[command]
		if !known {
			t.Errorf("%s runs %s, which this test does not know", name, command)
			continue
		}
		seen[command] = true
		t.Run(name, func(t *testing.T) {
			source := variables(service)
			for variable, value := range source {
				if strings.HasPrefix(variable, "PRIMECLOUD_") && !strings.HasPrefix(variable, program.prefix) {
					t.Errorf("%s is none of %s's settings", variable, command)
				}
				if file, inside := strings.CutPrefix(value, mounted); inside {
					source[variable] = filepath.Join(dir, given(service), file)
					if _, err := os.Stat(source[variable]); err != nil {
						t.Errorf("%s names %s, which is not handed out: %v", variable, value, err)
					}
				}
			}
			if slices.Contains([]string(service.Command), "migrate") {
				// It needs the owner's address alone; `serve` would miss the rest.
				if source[program.prefix+"DATABASE_OWNER_URL_FILE"] == "" {
					t.Error("the owner's address is not set")
				}
				source[program.prefix+"DATABASE_URL"], source[program.prefix+"SEAL_KEYSET"] = "x", "x"
				source[program.prefix+"PAGE_KEY"] = strings.Repeat("x", 32)
				source[program.prefix+"OIDC_ISSUER"] = "http://x"
				if command == "storage-provisioning" {
					delete(source, program.prefix+"OIDC_ISSUER")
					source[program.prefix+"BACKEND_ENDPOINT"] = "http://x"
					source[program.prefix+"BACKEND_ADMIN_USER"], source[program.prefix+"BACKEND_ADMIN_PASSWORD"] = "x", "x"
				}
			}
			if err := config.Load(program.settings(), source, program.prefix); err != nil {
				t.Error(err)
			}
		})
	}
	for command := range programs {
		if !seen[command] {
			t.Errorf("no container runs %s", command)
		}
	}
}

func TestTheDoorsSettingsAreThoseOfItsConfiguration(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(root(t), "deploy/thirdparty/caddy/Caddyfile"))
	if err != nil {
		t.Fatal(err)
	}
	door := variables(load(t).Services["door"])
	for name := range door {
		if strings.HasPrefix(name, "PRIMECLOUD_") && !strings.Contains(string(raw), "{$"+name) {
			t.Errorf("%s is in no use in the Caddyfile", name)
		}
	}
	if door["PRIMECLOUD_DOOR_UPSTREAM"] == "" {
		t.Error("the door leads nowhere")
	}
}

func TestOnlyTheDoorAndStorageProvisioningReachMinIO(t *testing.T) {
	project := load(t)
	want := map[string][]string{
		"storage":  {"door", "minio", "storage-provisioning"},
		"data":     {"database", "identity", "identity-migrate", "nats", "postgres", "storage-provisioning", "storage-provisioning-migrate"},
		"services": {"gateway", "identity", "storage-provisioning"},
		"login":    {"dex", "gateway", "identity"},
		"edge":     {"dex", "door", "gateway"},
	}
	got := map[string][]string{}
	for name, service := range project.Services {
		if len(service.Networks) == 0 && service.NetworkMode != "none" {
			t.Errorf("%s is on the default network", name)
		}
		for network := range service.Networks {
			got[network] = append(got[network], name)
		}
		if len(service.Ports) > 0 && !slices.Contains(want["edge"], name) {
			t.Errorf("%s is published", name)
		}
		for _, port := range service.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s is published on %q", name, port.HostIP)
			}
		}
	}
	for network, members := range want {
		slices.Sort(got[network])
		if !slices.Equal(got[network], members) {
			t.Errorf("on %s there are %v, not %v", network, got[network], members)
		}
		if internal := project.Networks[network].Internal; internal != (network != "edge") {
			t.Errorf("%s is without a way out: %v", network, internal)
		}
	}
}

func apart(t *testing.T, project *types.Project, dir string) {
	var handedOut []string
	for _, volume := range project.Services["secrets"].Volumes {
		if folder, is := strings.CutPrefix(volume.Target, "/handout/"); is {
			handedOut = append(handedOut, folder)
			if volume.Source != "for-"+folder {
				t.Errorf("what is for %s goes into the volume %s", folder, volume.Source)
			}
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var written []string
	for _, entry := range entries {
		written = append(written, entry.Name())
	}
	slices.Sort(handedOut)
	if !slices.Equal(written, handedOut) {
		t.Errorf("written is %v, mounted in `secrets` %v", written, handedOut)
	}
	for name, service := range project.Services {
		if name == "secrets" {
			continue
		}
		for _, volume := range service.Volumes {
			if volume.Source == "vault" || strings.HasPrefix(volume.Source, "for-") && (volume.Source != "for-"+name || volume.Target != mounted || !volume.ReadOnly) {
				t.Errorf("%s mounts %s at %s, read-only %v", name, volume.Source, volume.Target, volume.ReadOnly)
			}
		}
	}
}

func TestEveryContainerHasNoMoreRightsAndResourcesThanItNeeds(t *testing.T) {
	for name, service := range load(t).Services {
		t.Run(name, func(t *testing.T) {
			if !service.ReadOnly || service.Privileged || !slices.Equal(service.CapDrop, []string{"ALL"}) ||
				!slices.Contains(service.SecurityOpt, "no-new-privileges:true") {
				t.Errorf("read-only %v, privileged %v, rights dropped %v, security %v", service.ReadOnly, service.Privileged, service.CapDrop, service.SecurityOpt)
			}
			if (len(service.CapAdd) > 0 || strings.HasPrefix(service.User, "0")) != (name == "secrets") {
				t.Errorf("it runs as %q with %v", service.User, service.CapAdd)
			}
			if service.Deploy == nil || service.Deploy.Resources.Limits == nil || service.Deploy.Resources.Limits.MemoryBytes == 0 || service.Deploy.Resources.Limits.Pids == 0 {
				t.Error("nothing limits its memory and processes")
			}
			if want := map[bool]string{true: "no", false: "unless-stopped"}[slices.Contains(once, name)]; service.Restart != want {
				t.Errorf("the restart policy is %q, not %q", service.Restart, want)
			}
			ours := service.Build != nil && service.Build.Args["COMMAND"] != nil // its image says how to check it
			if checked := service.HealthCheck != nil && !service.HealthCheck.Disable; !slices.Contains(once, name) && !ours && !checked {
				t.Error("nothing checks its health")
			}
		})
	}
}

func TestEveryImageIsBuiltFromWhatIsThere(t *testing.T) {
	for name, service := range load(t).Services {
		if service.Build == nil {
			if name != "postgres" {
				t.Errorf("%s is not built here", name)
			}
			continue
		}
		args := service.Build.Args
		paths := []string{service.Build.Dockerfile}
		if args["MODULE"] != nil {
			paths = append(paths, filepath.Join(*args["MODULE"], "go.mod"), filepath.Join(*args["MODULE"], "cmd", *args["COMMAND"], "main.go"))
		} else {
			paths = append(paths, filepath.Join("deploy/thirdparty", *args["NAME"], "go.mod"))
		}
		for _, path := range paths {
			if _, err := os.Stat(filepath.Join(root(t), path)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestPublicAddressesAreSettingsApartFromInternalOnes(t *testing.T) {
	before := load(t)
	after := load(t, "GATEWAY_URL=https://panel.example", "S3_URL=https://s3.example", "LOGIN_URL=https://login.example")
	want := map[string]string{
		"gateway PRIMECLOUD_GATEWAY_PUBLIC_URL":                           "https://panel.example",
		"gateway PRIMECLOUD_GATEWAY_OIDC_ISSUER":                          "https://login.example/dex",
		"identity PRIMECLOUD_IDENTITY_OIDC_ISSUER":                        "https://login.example/dex",
		"storage-provisioning PRIMECLOUD_STORAGE_BACKEND_PUBLIC_ENDPOINT": "https://s3.example",
		"secrets PRIMECLOUD_SETUP_GATEWAY_URL":                            "https://panel.example",
		"secrets PRIMECLOUD_SETUP_OIDC_ISSUER":                            "https://login.example/dex",
		"secrets PRIMECLOUD_SETUP_S3_URL":                                 "https://s3.example",
	}
	got := map[string]string{}
	for name, service := range after.Services {
		old := variables(before.Services[name])
		for variable, value := range variables(service) {
			if value != old[variable] {
				got[name+" "+variable] = value
			}
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("public addresses change %v, not %v", got, want)
	}
	t.Run("inside, containers know each other by name", func(t *testing.T) {
		for service, variables := range map[string]map[string]string{
			"storage-provisioning": {"PRIMECLOUD_STORAGE_BACKEND_ENDPOINT": "http://minio:9000", "PRIMECLOUD_STORAGE_IDENTITY_TARGET": "dns:///identity:7001"},
			"gateway":              {"PRIMECLOUD_GATEWAY_OIDC_INTERNAL_URL": "http://dex:5556", "PRIMECLOUD_GATEWAY_STORAGE": "dns:///storage-provisioning:7002"},
		} {
			for name, value := range variables {
				if got := after.Services[service].Environment[name]; got == nil || *got != value {
					t.Errorf("%s of %s is %v, not %s", name, service, got, value)
				}
			}
		}
	})
}

func TestTextSortsInContainersAsItDoesEverywhere(t *testing.T) {
	told := variables(load(t).Services["postgres"])["POSTGRES_INITDB_ARGS"]
	if want := strings.Join(servers.ClusterLocale(), " "); told != want {
		t.Errorf("initdb is told %q, not %q", told, want)
	}
}
