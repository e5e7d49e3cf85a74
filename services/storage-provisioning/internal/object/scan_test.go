package object

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// A search that is read to its end finds each of what there is once, and no call of it looks at
// more than it may.
func TestSearch_finds_all_within_bounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		total, every := rapid.IntRange(0, 25_000).Draw(t, "objects"), rapid.IntRange(200, 9_000).Draw(t, "every")
		want := rapid.IntRange(1, 1000).Draw(t, "page size")
		key := func(i int) string { return fmt.Sprintf("%06d", i) }
		list := func(in Listing) (Page, error) {
			from := 0
			if in.After != "" {
				if _, err := fmt.Sscanf(in.After, "%06d", &from); err != nil {
					return Page{}, err
				}
				from++
			}
			var p Page
			for i := from; i < total && len(p.Objects) < in.Limit; i++ {
				o := Object{Ref: Ref{Key: key(i)}}
				if i%every == 0 {
					o.Tags = map[string]string{"hit": ""}
				}
				p.Objects, p.NextKey = append(p.Objects, o), o.Key
			}
			p.More = from+len(p.Objects) < total
			return p, nil
		}
		q := Search{Tags: map[string]string{"hit": ""}}
		in := Listing{Limit: want}
		next := 0
		for calls := 0; ; calls++ {
			found, after, err := q.scan(in, list)
			if err != nil || found.Scanned > MaxScan || len(found.Objects) > want || calls > total+1 {
				t.Fatalf("call %d: %d found among %d, %v", calls, len(found.Objects), found.Scanned, err)
			}
			for _, o := range found.Objects {
				if o.Key != key(next) {
					t.Fatalf("it finds %s, want %s", o.Key, key(next))
				}
				next += every
			}
			if after == "" {
				break
			}
			in.After = after
		}
		if next < total {
			t.Fatalf("it ends before %s of %d", key(next), total)
		}
	})
}
