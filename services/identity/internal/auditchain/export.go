package auditchain

import (
	"bufio"
	"context"
	"io"
	"time"

	"github.com/primecloud/primecloud/pkg/audit"
	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/services/identity/internal/audittrail"
	"github.com/primecloud/primecloud/services/identity/internal/unit"
)

var (
	// ErrSequenceInvalid is for an export that goes on behind an entry that is not there yet.
	ErrSequenceInvalid = errs.New(errs.InvalidArgument, "SEQUENCE_INVALID", "after_sequence lies beyond the account's last entry; give the sequence that an earlier export ended with, or none").
				WithViolation(errs.Violation{Field: "after_sequence", Rule: "SEQUENCE_INVALID", Description: "must be that of an entry, or zero"})
	// ErrEntriesExpired is for an export of entries that are kept no longer.
	ErrEntriesExpired = errs.New(errs.FailedPrecondition, "ENTRIES_EXPIRED", "entries behind after_sequence are kept no longer; start without after_sequence, at the oldest entry that is kept")
)

// pageOf is how many entries are read at a time: an export holds no more in memory, and no
// transaction open while the caller is slow.
const pageOf = 500

// chunk is how much of a file is written at a time.
const chunk = 64 << 10

// Reader reads chains.
type Reader interface {
	// Checkpoint returns where the account's chain begins; the zero Checkpoint when nothing
	// was dropped.
	Checkpoint(ctx context.Context, accountID string) (Checkpoint, error)
	// Head returns where the account's chain ends; the zero Head when it has no entry.
	Head(ctx context.Context, accountID string) (Head, error)
	// Heads returns up to limit chains from the account id on, in the order of account ids.
	Heads(ctx context.Context, from string, limit int) ([]Head, error)
	// Extent returns the account's chain with all that is stored of it, as of one moment.
	Extent(ctx context.Context, accountID string) (Extent, error)
	// Headless returns up to limit accounts that have entries or a checkpoint and no head.
	Headless(ctx context.Context, limit int) ([]string, error)
	// EntriesAfter returns up to limit entries of the account behind the sequence, in order.
	EntriesAfter(ctx context.Context, accountID string, after int64, limit int) ([]audittrail.Entry, error)
}

// Extent is a chain as it was stored at one moment.
type Extent struct {
	// Head is where it ends, Begin where it begins.
	Head  Head
	Begin Checkpoint
	// Entries is how many entries of the account are stored, whether or not they belong to
	// the chain.
	Entries int64
}

// Witness records that somebody exports.
type Witness interface {
	// InAccount runs fn in a transaction in the scope of the account.
	InAccount(ctx context.Context, accountID string, fn func(context.Context, unit.Work) error) error
}

// Exporter is the use case of exporting.
type Exporter struct {
	// Reader reads the chain.
	Reader Reader
	// Witness records the export.
	Witness Witness
	// Signer signs the file's end.
	Signer Signer
	// Clock tells the time.
	Clock clock.Clock
}

// Wanted is what to export.
type Wanted struct {
	// AccountID is whose entries.
	AccountID string
	// After is the entry behind which the file begins; zero is the oldest that is kept.
	After int64
	// Format is the form of the file.
	Format Format
}

// Export writes the account's entries, as they are now, with a signed end. Before a byte
// leaves there is an entry that somebody exports, and another one says how it ended: that it
// succeeded only when all of the file was taken. When it returns an error the file has no
// end, unless it is that last entry which failed. It writes large chunks.
func (x *Exporter) Export(ctx context.Context, what Wanted, to io.Writer) error {
	// Before the end of the chain is read: all that was appended by then is in the file.
	asOf := Moment(x.Clock.Now())
	begin, last, err := x.bounds(ctx, what)
	if err != nil {
		return err
	}
	if err := x.tell(ctx, what, audit.Entry{Outcome: audit.Started}); err != nil {
		return err
	}
	out := bufio.NewWriterSize(to, chunk)
	if err = x.write(ctx, what, bounds{begin, last, asOf}, out); err == nil {
		err = out.Flush()
	}
	end := audit.Entry{Outcome: audit.Succeeded, After: map[string]any{
		"format": string(what.Format), "after_sequence": float64(begin.Sequence), "sequence": float64(last.Sequence),
	}}
	if err != nil {
		end = audit.Entry{Outcome: audit.Failed, Reason: errs.ReasonOf(err)}
	}
	// The caller may be gone.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tellWithin)
	defer cancel()
	if telling := x.tell(ctx, what, end); err == nil {
		err = telling
	}
	return err
}

// tellWithin bounds the entry that says how an export ended.
const tellWithin = 5 * time.Second

func (x *Exporter) tell(ctx context.Context, what Wanted, e audit.Entry) error {
	e.Action, e.AccountID = "audit_entries.export", what.AccountID
	e.Target = audit.Target{Kind: "account", ID: what.AccountID}
	if e.Outcome != audit.Failed {
		e.Severity = audit.Notice
	}
	return x.Witness.InAccount(ctx, what.AccountID, func(ctx context.Context, w unit.Work) error { return w.Audit(ctx, e) })
}

// bounds returns the line that the file begins with, and where the chain ends now.
func (x *Exporter) bounds(ctx context.Context, what Wanted) (line, Position, error) {
	head, err := x.Reader.Head(ctx, what.AccountID)
	if err != nil {
		return line{}, Position{}, err
	}
	checkpoint, err := x.Reader.Checkpoint(ctx, what.AccountID)
	if err != nil {
		return line{}, Position{}, err
	}
	begin := line{kind: lineBegin, Record: Record{Values: emptyValues(what.AccountID, "")}}
	switch {
	case what.After > head.Sequence:
		return line{}, Position{}, ErrSequenceInvalid
	case what.After != 0 && what.After < checkpoint.Sequence:
		return line{}, Position{}, ErrEntriesExpired
	case what.After == 0 || what.After == checkpoint.Sequence:
		begin.Position, begin.month, begin.signature = checkpoint.Position, checkpoint.Month, checkpoint.Signature
	default:
		entries, err := x.Reader.EntriesAfter(ctx, what.AccountID, what.After-1, 1)
		if err != nil {
			return line{}, Position{}, err
		}
		if len(entries) == 0 || entries[0].Link.Sequence != what.After {
			return line{}, Position{}, ErrEntriesExpired
		}
		begin.Position = RecordOf(entries[0]).Position
	}
	return begin, head.Position, nil
}

// bounds are where a file begins and ends, and as of when.
type bounds struct {
	begin line
	last  Position
	asOf  string
}

func (x *Exporter) write(ctx context.Context, what Wanted, b bounds, to io.Writer) error {
	write, begin, last := writerOf(what.Format), b.begin, b.last
	if err := write(to, begin); err != nil {
		return err
	}
	for at := begin.Sequence; at < last.Sequence; {
		entries, err := x.Reader.EntriesAfter(ctx, what.AccountID, at, int(min(pageOf, last.Sequence-at)))
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			return ErrEntriesExpired
		}
		for _, e := range entries {
			if e.Link.Sequence != at+1 { // its month was dropped just now
				return ErrEntriesExpired
			}
			at++
			if err := write(to, line{kind: lineEntry, Record: RecordOf(e)}); err != nil {
				return err
			}
		}
	}
	e := ending{AccountID: what.AccountID, After: begin.Position, Last: last, Time: b.asOf}
	var err error
	if e.Signature, err = x.Signer.Sign(e.message()); err != nil {
		return err
	}
	return write(to, line{kind: lineEnd, Record: Record{Position: last, Values: emptyValues(e.AccountID, e.Time)}, signature: e.Signature})
}
