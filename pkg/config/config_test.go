package config_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/config"
)

type database struct {
	Host string        `env:"HOST" required:"true" doc:"Host and port of the database."`
	Pass config.Secret `env:"PASSWORD" doc:"Password of the role."`
}

type settings struct {
	Listen string        `env:"T_LISTEN" default:"127.0.0.1:1" doc:"Address to listen on."`
	Debug  bool          `env:"T_DEBUG" doc:"Say more."`
	Limit  int           `env:"T_LIMIT" default:"10" doc:"Calls at once."`
	Bytes  int64         `env:"T_BYTES" doc:"Largest body, in bytes."`
	Wait   time.Duration `env:"T_WAIT" default:"5s" doc:"How long to wait."`
	Ratio  float64       `env:"T_RATIO" default:"0.01" doc:"Share of traces kept, 0 to 1."`
	Names  []string      `env:"T_NAMES" doc:"Names | aliases."`
	Base   url.URL       `env:"T_BASE" doc:"Public address."`
	Key    config.Secret `env:"T_KEY" required:"true" doc:"Signing key."`
	DB     database      `prefix:"T_DB_"`
	Level  slog.Level    `env:"T_LEVEL" default:"info" doc:"Least level logged."`
	From   netip.Addr    `env:"T_FROM" doc:"Address to call from."`
	Told   string        `env:"-"`
}

func minimal() config.Source {
	return config.Source{"T_KEY": "hush", "T_DB_HOST": "db:5432"}
}

func TestLoad_reads_every_type_and_leaves_defaults_where_nothing_is_set(t *testing.T) {
	source := minimal()
	for name, value := range map[string]string{
		"T_DEBUG": "true", "T_BYTES": "1048576", "T_WAIT": "300ms", "T_RATIO": "0.5",
		"T_NAMES": "a, b,,c", "T_BASE": "https://files.example.com/x", "T_LISTEN": "", "T_LEVEL": "warn", "T_FROM": "::1", "OTHER": "ignored",
	} {
		source[name] = value
	}
	got := settings{Limit: 77}
	if err := config.Load(&got, source, "T_"); err != nil {
		t.Fatal(err)
	}
	if got.Listen != "127.0.0.1:1" || !got.Debug || got.Limit != 10 || got.Bytes != 1<<20 ||
		got.Wait != 300*time.Millisecond || got.Ratio != 0.5 || got.Level != slog.LevelWarn || !got.From.IsLoopback() || got.Base.Host != "files.example.com" ||
		got.Key.Reveal() != "hush" || got.DB.Host != "db:5432" || got.DB.Pass != "" {
		t.Errorf("loaded %+v", got)
	}
	if !slices.Equal(got.Names, []string{"a", "b", "c"}) {
		t.Errorf("names are %q", got.Names)
	}
}

func TestLoad_reports_all_problems_at_once_and_no_secret(t *testing.T) {
	source := config.Source{
		"T_DEBUG": "perhaps", "T_WAIT": "30", "T_LIMIT": "1e3", "T_RATIO": "NaN",
		"T_BASE": "postgres://u:hunter2@h:bad", "T_LISTNE": "x", "T_COMPLETELY_ELSE": "y", "T_LEVEL": "loud", "T_KEY": "",
	}
	err := config.Load(&settings{}, source, "T_")
	var problems *config.Error
	if !errors.As(err, &problems) || len(problems.Problems) != 10 {
		t.Fatalf("want 10 problems, got %v", err)
	}
	for _, want := range []string{
		`T_DEBUG is "perhaps", but must be true or false`,
		`T_WAIT is "30", but must be a number with a unit`,
		`T_LIMIT is "1e3", but must be a whole number`,
		`T_RATIO is "NaN", but must be a decimal number`,
		"T_BASE must be a URL",
		`T_LEVEL is "loud", but must be a valid level: Least level logged.`,
		"T_KEY is required: Signing key. Set it, or T_KEY_FILE to a file that holds it.",
		"T_DB_HOST is required",
		"T_LISTNE is not a setting; did you mean T_LISTEN?",
		"T_COMPLETELY_ELSE is not a setting; remove it",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a password is in: %v", err)
	}
}

func TestLoad_reads_a_secret_from_a_file(t *testing.T) {
	dir := t.TempDir()
	full, empty := filepath.Join(dir, "full"), filepath.Join(dir, "empty")
	if err := errors.Join(os.WriteFile(full, []byte("from file\r\n"), 0o600), os.WriteFile(empty, []byte("\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, value, file, problem string }{
		{"its last line end is dropped", "", full, ""},
		{"the value and the file are not both accepted", "x", full, "T_KEY and T_KEY_FILE are both set"},
		{"an empty file is refused", "", empty, "T_KEY_FILE names an empty file"},
		{"a missing file is refused", "", filepath.Join(dir, "none"), "T_KEY_FILE names a file that cannot be read"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			source := minimal()
			source["T_KEY"], source["T_KEY_FILE"] = tt.value, tt.file
			var got settings
			err := config.Load(&got, source, "T_")
			switch {
			case tt.problem == "" && (err != nil || got.Key.Reveal() != "from file"):
				t.Errorf("key %q, error %v", got.Key.Reveal(), err)
			case tt.problem != "" && (err == nil || !strings.Contains(err.Error(), tt.problem)):
				t.Errorf("want %q, got %v", tt.problem, err)
			}
		})
	}
	t.Run("only a secret has a file", func(t *testing.T) {
		source := minimal()
		source["T_LISTEN_FILE"] = full
		if err := config.Load(&settings{}, source, "T_"); err == nil {
			t.Error("T_LISTEN_FILE was accepted")
		}
	})
}

type pair struct {
	Low  int `env:"T_LOW" default:"1" doc:"Lower bound."`
	High int `env:"T_HIGH" default:"2" doc:"Upper bound."`
}

func (p *pair) Validate() error {
	if p.Low > p.High {
		return errors.New("T_LOW is above T_HIGH")
	}
	return nil
}

func TestLoad_asks_a_nested_struct_whether_its_values_fit(t *testing.T) {
	var dst struct{ Pair pair }
	if err := config.Load(&dst, config.Source{"T_LOW": "3"}); err == nil || !strings.Contains(err.Error(), "T_LOW is above T_HIGH") {
		t.Errorf("got %v", err)
	}
}

func TestLoad_refuses_a_struct_with_defects(t *testing.T) {
	for name, dst := range map[string]any{
		"no pointer": settings{},
		"nil":        (*settings)(nil),
		"no env tag": &struct{ A string }{},
		"no doc": &struct {
			A string `env:"A"`
		}{},
		"unsupported type": &struct {
			A []int `env:"A" doc:"d"`
		}{},
		"bad default": &struct {
			A int `env:"A" default:"x" doc:"d"`
		}{},
		"required, default": &struct {
			A int `env:"A" default:"1" required:"true" doc:"d"`
		}{},
		"secret, default": &struct {
			A config.Secret `env:"A" default:"1" doc:"d"`
		}{},
		"two read the same": &struct {
			A, B int `env:"A" doc:"d"`
		}{},
		"tag not exported": &struct {
			a int `env:"A" doc:"d"`
		}{},
	} {
		if err := config.Load(dst, config.Source{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestSecret_shows_itself_only_when_asked(t *testing.T) {
	s := config.Secret("hunter2")
	holder := struct{ Key config.Secret }{s}
	encoded, err := json.Marshal([]any{s, holder})
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("m", "a", s, "b", holder)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "a", s, "b", &holder)
	shown := fmt.Sprintf("%v %+v %#v %s %q %x %d %+v %#v", s, s, s, s, s, s, s, holder, holder) + s.String() + string(encoded) + log.String()
	if strings.Contains(shown, "hunter2") || strings.Contains(shown, "68756e") {
		t.Errorf("shown: %s", shown)
	}
	if s.Reveal() != "hunter2" {
		t.Errorf("revealed %q", s.Reveal())
	}
}

func TestDocument_writes_one_row_per_setting(t *testing.T) {
	var b strings.Builder
	if err := config.Document(&b, &settings{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| `T_WAIT` | duration | `5s` |  | How long to wait. |\n",
		"| `T_KEY` or `T_KEY_FILE` | secret |  | yes | Signing key. |\n",
		"| `T_DB_HOST` | text |  | yes | Host and port of the database. |\n",
		`Names \| aliases.`,
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in:\n%s", want, b.String())
		}
	}
	if rows := strings.Count(b.String(), "\n"); rows != 2+13 {
		t.Errorf("%d rows", rows)
	}
}

func TestEnviron_has_the_variables_of_this_process(t *testing.T) {
	t.Setenv("T_ENVIRON", "a=b")
	if got := config.Environ()["T_ENVIRON"]; got != "a=b" {
		t.Errorf("got %q", got)
	}
}
