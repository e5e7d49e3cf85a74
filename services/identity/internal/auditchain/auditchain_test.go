package auditchain_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/seal"
	"github.com/primecloud/primecloud/services/identity/internal/auditchain"
	"github.com/primecloud/primecloud/services/identity/internal/audittrail"
	"github.com/primecloud/primecloud/services/identity/internal/unit"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// clear is a sealer that seals nothing.
type clear struct{}

func (clear) Seal(_ context.Context, plain []byte, _ seal.Context) ([]byte, error) { return plain, nil }

func (clear) Open(_ context.Context, sealed []byte, _ seal.Context) ([]byte, error) {
	return sealed, nil
}

// trail is the store of one account, acc_1, in memory.
type trail struct {
	entries    []audittrail.Entry
	head       auditchain.Head
	checkpoint auditchain.Checkpoint
	keys       []auditchain.Key
	told       []audit.Entry
	months     []string
	clock      *clock.Manual
}

func newTrail(t *testing.T) (*trail, *auditchain.Keyring) {
	t.Helper()
	tr := &trail{clock: clock.NewManual(noon), head: auditchain.Head{AccountID: "acc_1"}, months: []string{"2026-11"}}
	ring := auditchain.NewKeyring(tr, clear{}, tr.clock)
	if err := ring.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return tr, ring
}

func (t *trail) add(n int) {
	for range n {
		i := len(t.entries) + int(t.checkpoint.Sequence) + 1
		e := audittrail.Entry{
			EventID: fmt.Sprint("evt_", i), ID: fmt.Sprint("aud_", i), AccountID: "acc_1", Time: t.clock.Now(), Service: "identity",
			Action: "account.update", Severity: "INFO", Outcome: "SUCCEEDED", Actor: audittrail.Actor{Kind: "person", ID: "usr_1"},
			Target: audittrail.Target{Name: "a \"b\",\r\nc\u2028<&>" + strings.Repeat("é", i)}, Before: []byte(`{"a":1}`),
			Link: audittrail.Link{AppendTime: t.clock.Now()},
		}
		at := auditchain.After(t.head.Position, e)
		e.Link.Sequence, e.Link.Hash = at.Sequence, at.Hash
		t.entries = append(t.entries, e)
		t.head.Position, t.head.AppendTime = at, t.clock.Now()
	}
}

func (t *trail) Checkpoint(context.Context, string) (auditchain.Checkpoint, error) {
	return t.checkpoint, nil
}
func (t *trail) Head(context.Context, string) (auditchain.Head, error) { return t.head, nil }
func (t *trail) Heads(_ context.Context, from string, _ int) ([]auditchain.Head, error) {
	if from > t.head.AccountID {
		return nil, nil
	}
	return []auditchain.Head{t.head}, nil
}

func (t *trail) Extent(context.Context, string) (auditchain.Extent, error) {
	return auditchain.Extent{Head: t.head, Begin: t.checkpoint, Entries: int64(len(t.entries))}, nil
}
func (t *trail) Headless(context.Context, int) ([]string, error) { return nil, nil }

func (t *trail) EntriesAfter(_ context.Context, _ string, after int64, limit int) ([]audittrail.Entry, error) {
	var list []audittrail.Entry
	for _, e := range t.entries {
		if e.Link.Sequence > after && len(list) < limit {
			list = append(list, e)
		}
	}
	return list, nil
}

func (t *trail) InAccount(ctx context.Context, _ string, fn func(context.Context, unit.Work) error) error {
	return fn(ctx, t)
}
func (t *trail) Begin(context.Context, unit.Resource) (string, error) { return "", nil }
func (t *trail) Publish(context.Context, unit.Change) error           { return nil }
func (t *trail) Audit(_ context.Context, e audit.Entry) error {
	t.told = append(t.told, e)
	return nil
}

func (t *trail) AuditKeys(_ context.Context, first func() (auditchain.Key, error)) ([]auditchain.Key, error) {
	if len(t.keys) == 0 {
		k, err := first()
		if err != nil {
			return nil, err
		}
		t.keys = append(t.keys, k)
	}
	return t.keys, nil
}

func (t *trail) Months(context.Context) ([]string, error) { return slices.Clone(t.months), nil }
func (t *trail) MakeMonth(_ context.Context, at time.Time) error {
	if m := at.Format("2006-01"); !slices.Contains(t.months, m) {
		t.months = append(t.months, m)
	}
	return nil
}

func (t *trail) DropMonth(_ context.Context, month string, _ int64, checkpoint func(auditchain.Head) (auditchain.Checkpoint, error)) error {
	for len(t.entries) > 0 && t.entries[0].Link.AppendTime.Format("2006-01") == month {
		e := t.entries[0]
		c, err := checkpoint(auditchain.Head{AccountID: "acc_1", Position: auditchain.RecordOf(e).Position})
		if err != nil {
			return err
		}
		t.checkpoint, t.entries = c, t.entries[1:]
	}
	t.months = slices.DeleteFunc(t.months, func(m string) bool { return m == month })
	return nil
}

func (t *trail) export(test *testing.T, ring *auditchain.Keyring, w auditchain.Wanted) ([]byte, error) {
	test.Helper()
	x := auditchain.Exporter{Reader: t, Witness: t, Signer: ring, Clock: t.clock}
	var out bytes.Buffer
	w.AccountID = "acc_1"
	err := x.Export(test.Context(), w, &out)
	return out.Bytes(), err
}

func anchorer(t *trail, ring *auditchain.Keyring, dir string) *auditchain.Anchorer {
	return &auditchain.Anchorer{Directory: auditchain.Directory(dir), Every: time.Hour, Reader: t, Keys: ring, Clock: t.clock}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheHashIsTheOneOfTheDocument(t *testing.T) {
	values := strings.Split("acc_1|2026-11-23T12:00:00.000001Z|evt_1|aud_1|2026-11-23T12:00:00.000000Z|identity|/primecloud.identity.v1.AccountService/UpdateAccount|"+
		"account.update|INFO|SUCCEEDED||person|usr_1|owner|192.0.2.1|ses_1|account|acc_1|Süd|req_1||{\"display_name\":\"Nord\"}|{\"display_name\":\"Süd\"}", "|")
	first := auditchain.Hash(auditchain.Position{}, values)
	second := auditchain.Hash(auditchain.Position{Sequence: 1, Hash: first}, values)
	document, err := os.ReadFile("../../../../docs/audit.md")
	must(t, err)
	for _, hash := range []auditchain.Digest{first, second} {
		if !strings.Contains(string(document), hash.String()) {
			t.Errorf("docs/audit.md does not have %s", hash)
		}
	}
}

func TestAnExportVerifiesInBothFormsFromItsBeginningOrFromAnEarlierOne(t *testing.T) {
	tr, ring := newTrail(t)
	keys := auditchain.KeysOf(ring.PublicKeys())
	for _, format := range []auditchain.Format{auditchain.JSONLines, auditchain.CSV} {
		raw, err := tr.export(t, ring, auditchain.Wanted{Format: format})
		must(t, err)
		held, err := auditchain.VerifyExport(bytes.NewReader(raw), keys, nil)
		if err != nil || held.Last.Sequence != int64(len(tr.entries)) {
			t.Errorf("%s: %+v, %v", format, held, err)
		}
		tr.add(1203)
		for after := range map[int64]bool{0: true, 1: true, 500: true, 1203: true} {
			raw, err := tr.export(t, ring, auditchain.Wanted{Format: format, After: after})
			must(t, err)
			held, err := auditchain.VerifyExport(bytes.NewReader(raw), keys, nil)
			if err != nil || held.After.Sequence != after || held.Last != tr.head.Position || held.AccountID != "acc_1" {
				t.Errorf("%s after %d: %+v, %v", format, after, held, err)
			}
		}
	}
	if _, err := tr.export(t, ring, auditchain.Wanted{After: 10_000}); !errors.Is(err, auditchain.ErrSequenceInvalid) {
		t.Errorf("beyond the end: %v", err)
	}
	if n := len(tr.told); n != 20 || tr.told[0].Outcome != audit.Started || tr.told[1].Outcome != audit.Succeeded {
		t.Errorf("%d entries tell of the exports", n)
	}
}

func TestOneChangedByteAMissingTailAMissingOrASwappedLineMakesAnExportFail(t *testing.T) {
	tr, ring := newTrail(t)
	tr.add(3)
	keys := auditchain.KeysOf(ring.PublicKeys())
	for _, format := range []auditchain.Format{auditchain.JSONLines, auditchain.CSV} {
		raw, err := tr.export(t, ring, auditchain.Wanted{Format: format})
		must(t, err)
		fails := func(what string, file []byte) {
			t.Helper()
			if _, err := auditchain.VerifyExport(bytes.NewReader(file), keys, nil); err == nil {
				t.Errorf("%s: %s verifies", format, what)
			}
		}
		for i := range raw {
			for _, b := range []byte{raw[i] ^ 1, raw[i] ^ 0x20} {
				changed := bytes.Clone(raw)
				changed[i] = b
				fails(fmt.Sprintf("byte %d as %q", i, b), changed)
			}
			fails(fmt.Sprintf("without byte %d", i), slices.Delete(bytes.Clone(raw), i, i+1))
			fails(fmt.Sprintf("the first %d bytes", i), raw[:i])
		}
		fails("with something behind its end", append(bytes.Clone(raw), '\n'))
		// A name has a line end in it, so that in CSV an entry takes two lines.
		lines := bytes.SplitAfter(bytes.TrimSuffix(raw, []byte("\n")), []byte("}\n"))
		if format == auditchain.CSV {
			lines = bytes.SplitAfter(raw, []byte(",,,\n"))
		}
		if len(lines) < 5 {
			t.Fatalf("%d lines", len(lines))
		}
		for i := range len(lines) - 1 {
			fails(fmt.Sprintf("without line %d", i), bytes.Join(slices.Delete(slices.Clone(lines), i, i+1), nil))
			swapped := slices.Clone(lines)
			swapped[i], swapped[i+1] = swapped[i+1], swapped[i]
			fails(fmt.Sprintf("lines %d and %d swapped", i, i+1), bytes.Join(swapped, nil))
		}
	}
}

func TestAnExportOfAnotherSignerOrWithAForgedEndFails(t *testing.T) {
	tr, ring := newTrail(t)
	tr.add(2)
	raw, err := tr.export(t, ring, auditchain.Wanted{Format: auditchain.JSONLines})
	must(t, err)
	_, other := newTrail(t)
	if _, err := auditchain.VerifyExport(bytes.NewReader(raw), auditchain.KeysOf(other.PublicKeys()), nil); err == nil {
		t.Error("it verifies with another's key")
	}
	for id := range auditchain.KeysOf(ring.PublicKeys()) {
		stranger, _, err := ed25519.GenerateKey(nil)
		must(t, err)
		if _, err := auditchain.VerifyExport(bytes.NewReader(raw), auditchain.Keys{id: stranger}, nil); err == nil {
			t.Error("it verifies with another key of that id")
		}
	}
}

func TestATailThatIsMissingIsNoticedByAnAnchor(t *testing.T) {
	tr, ring := newTrail(t)
	dir := filepath.Join(t.TempDir(), "anchors")
	a := anchorer(tr, ring, dir)
	tr.add(5)
	if n, err := a.Anchor(t.Context()); err != nil || n != 1 {
		t.Fatalf("%d chains, %v", n, err)
	}
	if n, err := a.Anchor(t.Context()); err != nil || n != 0 {
		t.Fatalf("an anchor before its time: %d, %v", n, err)
	}
	short := *tr
	short.entries, short.head = tr.entries[:4], auditchain.Head{AccountID: "acc_1", Position: auditchain.RecordOf(tr.entries[3]).Position}
	tr.clock.Advance(2 * time.Hour)
	tr.add(3)
	if n, err := a.Anchor(t.Context()); err != nil || n != 1 {
		t.Fatalf("%d chains, %v", n, err)
	}
	keys, err := auditchain.Directory(dir).Keys()
	must(t, err)
	anchors, err := auditchain.Directory(dir).Load(keys)
	if err != nil || len(anchors) != 2 {
		t.Fatalf("%d anchors, %v", len(anchors), err)
	}
	if found, err := auditchain.Verify(t.Context(), tr, keys, anchors); err != nil || found.Entries != 8 || found.Anchored != 2 {
		t.Errorf("the whole chain: %+v, %v", found, err)
	}
	if _, err := auditchain.Verify(t.Context(), &short, keys, anchors); err == nil || !strings.Contains(err.Error(), "tail was cut off") {
		t.Errorf("a chain without its tail: %v", err)
	}
	raw, err := short.export(t, ring, auditchain.Wanted{})
	must(t, err)
	if _, err := auditchain.VerifyExport(bytes.NewReader(raw), keys, anchors); err == nil || !strings.Contains(err.Error(), "tail is missing") {
		t.Errorf("an export without its tail: %v", err)
	}
	raw, err = tr.export(t, ring, auditchain.Wanted{})
	must(t, err)
	if held, err := auditchain.VerifyExport(bytes.NewReader(raw), keys, anchors); err != nil || held.Anchors != 2 {
		t.Errorf("the whole export: %+v, %v", held, err)
	}
	t.Run("and so is a chain that was made anew, or is gone", func(t *testing.T) {
		anew, _ := newTrail(t)
		anew.clock.Advance(time.Second)
		anew.add(9)
		if _, err := auditchain.Verify(t.Context(), anew, keys, anchors); err == nil || !strings.Contains(err.Error(), "another one") {
			t.Errorf("made anew: %v", err)
		}
		anew.head.AccountID = "acc_0"
		if _, err := auditchain.Verify(t.Context(), anew, keys, anchors); err == nil || !strings.Contains(err.Error(), "there is none") {
			t.Errorf("gone: %v", err)
		}
	})
	t.Run("and an anchor that was changed, or is missing between two", func(t *testing.T) {
		tr.clock.Advance(2 * time.Hour)
		_, err := a.Anchor(t.Context())
		must(t, err)
		second := filepath.Join(dir, "anchor-0000000002.json")
		text, err := os.ReadFile(second)
		must(t, err)
		must(t, os.Remove(second))
		if _, err := auditchain.Directory(dir).Load(keys); err == nil {
			t.Error("one that is missing is not noticed")
		}
		must(t, os.WriteFile(second, bytes.Replace(text, []byte(`"sequence":8`), []byte(`"sequence":7`), 1), 0o600))
		if _, err := auditchain.Directory(dir).Load(keys); err == nil || !strings.Contains(err.Error(), "forged") {
			t.Errorf("one that was changed: %v", err)
		}
	})
}

func TestADroppedMonthLeavesACheckpointAndAForgedOneFails(t *testing.T) {
	tr, ring := newTrail(t)
	keys := auditchain.KeysOf(ring.PublicKeys())
	tr.add(4)
	tr.clock.Advance(31 * 24 * time.Hour)
	tr.add(3)
	tr.clock.Advance(31 * 24 * time.Hour)
	tr.add(2)
	retention := auditchain.Retention{Keep: 0, Months: tr, Signer: ring, Clock: tr.clock}
	if n, err := retention.KeepUp(t.Context()); err != nil || n != 0 || !slices.Contains(tr.months, "2027-03") {
		t.Fatalf("dropped %d without a retention, %v; months %v", n, err, tr.months)
	}
	retention.Keep = 1
	if n, err := retention.KeepUp(t.Context()); err != nil || n != 1 || tr.checkpoint.Sequence != 4 || len(tr.entries) != 5 {
		t.Fatalf("dropped %d, %v; %d entries left", n, err, len(tr.entries))
	}
	if found, err := auditchain.Verify(t.Context(), tr, keys, nil); err != nil || found.Entries != 5 || found.Checkpoints != 1 {
		t.Errorf("%+v, %v", found, err)
	}
	raw, err := tr.export(t, ring, auditchain.Wanted{})
	must(t, err)
	if held, err := auditchain.VerifyExport(bytes.NewReader(raw), keys, nil); err != nil || held.Dropped != "2026-11" {
		t.Errorf("%+v, %v", held, err)
	}
	if _, err := tr.export(t, ring, auditchain.Wanted{After: 2}); !errors.Is(err, auditchain.ErrEntriesExpired) {
		t.Errorf("behind a dropped entry: %v", err)
	}
	for name, forge := range map[string]func(*auditchain.Checkpoint){
		"of a later entry": func(c *auditchain.Checkpoint) { c.Sequence, tr.entries = 5, tr.entries[1:] },
		"of another month": func(c *auditchain.Checkpoint) { c.Month = "2026-12" },
		"of another hash":  func(c *auditchain.Checkpoint) { c.Hash[0]++ },
		"of another key":   func(c *auditchain.Checkpoint) { c.Signature.KeyID = "other" },
	} {
		genuine, entries := tr.checkpoint, tr.entries
		forge(&tr.checkpoint)
		if _, err := auditchain.Verify(t.Context(), tr, keys, nil); err == nil {
			t.Errorf("a checkpoint %s passes", name)
		}
		raw, err := tr.export(t, ring, auditchain.Wanted{})
		if err == nil {
			if _, err = auditchain.VerifyExport(bytes.NewReader(raw), keys, nil); err == nil {
				t.Errorf("an export with a checkpoint %s passes", name)
			}
		}
		tr.checkpoint, tr.entries = genuine, entries
	}
}

func TestAChangedMissingOrSwappedEntryIsFoundInTheDatabase(t *testing.T) {
	for name, harm := range map[string]func(*trail){
		"changed":                  func(t *trail) { t.entries[1].Actor.ID = "usr_2" },
		"missing":                  func(t *trail) { t.entries = slices.Delete(t.entries, 1, 2) },
		"missing at the beginning": func(t *trail) { t.entries = t.entries[1:] },
		"missing at the end":       func(t *trail) { t.entries = t.entries[:4] },
		"swapped": func(t *trail) {
			t.entries[1], t.entries[2] = t.entries[2], t.entries[1]
			t.entries[1].Link.Sequence, t.entries[2].Link.Sequence = 2, 3
		},
		"another head":        func(t *trail) { t.head.Hash[3]++ },
		"an entry moved":      func(t *trail) { t.entries[0].AccountID = "acc_2" },
		"a before taken away": func(t *trail) { t.entries[2].Before = nil },
	} {
		tr, ring := newTrail(t)
		tr.add(5)
		harm(tr)
		if _, err := auditchain.Verify(t.Context(), tr, auditchain.KeysOf(ring.PublicKeys()), nil); err == nil {
			t.Errorf("%s: it verifies", name)
		}
	}
}

func TestAnExportThatFailsOnTheWayHasNoEndAndIsInTheTrail(t *testing.T) {
	tr, ring := newTrail(t)
	tr.add(600)
	tr.entries = slices.Delete(tr.entries, 550, 551)
	raw, err := tr.export(t, ring, auditchain.Wanted{})
	if errs.ReasonOf(err) != "ENTRIES_EXPIRED" || bytes.Contains(raw, []byte(`"type":"end"`)) {
		t.Errorf("got %v", err)
	}
	if last := tr.told[len(tr.told)-1]; last.Outcome != audit.Failed || last.Reason != "ENTRIES_EXPIRED" {
		t.Errorf("told %+v", last)
	}
}

func TestKeysOfOtherBytesThanTheirIdAreRefused(t *testing.T) {
	_, ring := newTrail(t)
	k := ring.PublicKeys()[0]
	_, other := newTrail(t)
	for x, good := range map[string]bool{k.X(): true, other.PublicKeys()[0].X(): false, "": false} {
		_, err := auditchain.ReadKeys([]byte(`{"keys":[{"kid":"` + k.ID + `","kty":"OKP","crv":"Ed25519","x":"` + x + `"}]}`))
		if (err == nil) != good {
			t.Errorf("%s: %v", x, err)
		}
	}
	for _, text := range []string{"", "{}", "[]", `{"keys":[]}`} {
		if _, err := auditchain.ReadKeys([]byte(text)); err == nil {
			t.Errorf("%q gives keys", text)
		}
	}
}

func FuzzVerifyExportNeverTakesWhatNobodySigned(f *testing.F) {
	f.Add([]byte(`{"type":"begin","sequence":0,"account_id":"a","hash":"` + strings.Repeat("0", 64) + `"}` + "\n"))
	f.Add([]byte("type,sequence\nbegin,0\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if _, err := auditchain.VerifyExport(bytes.NewReader(raw), auditchain.Keys{}, nil); err == nil {
			t.Error("it verifies")
		}
	})
}
