package accesstoken

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/primecloud/primecloud/pkg/token"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func TestSchedule_refuses_to_sign_with_keys_that_nobody_knows_yet(t *testing.T) {
	for _, s := range []Schedule{
		{SignFor: time.Hour, PublishAhead: time.Minute},
		{SignFor: time.Hour, PublishAhead: time.Hour},
		{},
	} {
		if s.Check() == nil {
			t.Errorf("%+v is accepted", s)
		}
	}
	if err := (Schedule{SignFor: 24 * time.Hour, PublishAhead: time.Hour}).Check(); err != nil {
		t.Error(err)
	}
}

// However irregularly the rotation runs, as long as it does run within the time that keys
// are published ahead, one key signs at every moment, verifiers know it early enough, and
// it stays published until its last token has ended.
func TestKeys_follow_each_other_without_a_gap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Schedule{
			PublishAhead: time.Duration(rapid.IntRange(5, 120).Draw(t, "ahead")) * time.Minute,
			SignFor:      time.Duration(rapid.IntRange(121, 2000).Draw(t, "for")) * time.Minute,
		}
		var keys []Key
		now := start
		for range rapid.IntRange(2, 60).Draw(t, "runs") {
			if from, due := s.next(keys, now); due {
				k := s.life(Key{ID: now.String()}, from, now)
				if len(keys) > 0 && k.SignFrom.Sub(k.CreateTime) <= 0 {
					t.Fatal("a key signs before anybody can know it")
				}
				if k.RetireTime.Before(k.SignUntil.Add(token.MaxLifetime)) {
					t.Fatal("a key is withdrawn while its tokens live")
				}
				keys = append(keys, k)
			}
			signing, waiting := 0, 0
			for _, k := range keys {
				if k.signs(now) {
					signing++
				}
				if now.Before(k.SignFrom) {
					waiting++
				}
			}
			if signing != 1 || waiting > 1 {
				t.Fatalf("%d keys sign and %d wait at %s", signing, waiting, now)
			}
			now = now.Add(time.Duration(rapid.Int64Range(1, int64(s.PublishAhead)-1).Draw(t, "pause")))
		}
	})
}

func TestA_service_that_was_away_too_long_makes_a_key_that_signs_at_once(t *testing.T) {
	s := Schedule{SignFor: 24 * time.Hour, PublishAhead: time.Hour}
	old := s.life(Key{}, start, start)
	from, due := s.next([]Key{old}, start.Add(30*time.Hour))
	if !due || !from.Equal(start.Add(30*time.Hour)) {
		t.Errorf("next is at %s, due %v", from, due)
	}
}
