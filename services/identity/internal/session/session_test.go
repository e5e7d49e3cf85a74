package session_test

import (
	"testing"
	"time"

	"github.com/primecloud/primecloud/services/identity/internal/session"
)

func TestLimits_end_a_session(t *testing.T) {
	login := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	limits := session.Limits{Idle: 12 * time.Hour, Absolute: 7 * 24 * time.Hour}
	at := func(used time.Duration) session.Session {
		return session.Session{CreateTime: login, LastUseTime: login.Add(used), ExpireTime: login.Add(limits.Absolute)}
	}
	ended := at(0)
	ended.EndTime = login.Add(time.Minute)
	cases := []struct {
		name    string
		session session.Session
		now     time.Duration
		alive   bool
	}{
		{"just begun", at(0), time.Second, true},
		{"the last moment before the idle limit", at(0), 12*time.Hour - 1, true},
		{"at the idle limit", at(0), 12 * time.Hour, false},
		{"used in between", at(11 * time.Hour), 22 * time.Hour, true},
		{"the last moment before the absolute limit", at(7*24*time.Hour - time.Minute), 7*24*time.Hour - 1, true},
		{"at the absolute limit, however busy", at(7*24*time.Hour - time.Minute), 7 * 24 * time.Hour, false},
		{"logged out", ended, 2 * time.Minute, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := limits.Alive(c.session, login.Add(c.now)); got != c.alive {
				t.Errorf("alive is %v", got)
			}
		})
	}
	if got := limits.IdleExpireTime(at(7*24*time.Hour - time.Minute)); !got.Equal(login.Add(limits.Absolute)) {
		t.Errorf("the idle limit %s lies behind the absolute one", got)
	}
}
