package auditchain

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Format is the form of an export.
type Format string

// The formats.
const (
	JSONLines Format = "jsonl"
	CSV       Format = "csv"
)

// The kinds of lines: one that says where the file begins, entries, one that says where it
// ends.
const (
	lineBegin = "begin"
	lineEntry = "entry"
	lineEnd   = "end"
)

// lineColumns are the names of a line's values.
var lineColumns = append(append([]string{"type", "sequence"}, Columns...), "hash", "month", "key_id", "signature")

// line is one line of an export.
type line struct {
	kind string
	Record
	month     string
	signature Signature
}

// emptyValues returns values for a line that is no entry.
func emptyValues(accountID, time string) []string {
	values := make([]string, len(Columns))
	values[0], values[4] = accountID, time
	return values
}

func (l line) texts() []string {
	texts := append(append(make([]string, 0, len(lineColumns)), l.kind, strconv.FormatInt(l.Sequence, 10)), l.Values...)
	signature := ""
	if l.signature.Bytes != nil {
		signature = l.signature.text()
	}
	return append(texts, l.Hash.String(), l.month, l.signature.KeyID, signature)
}

func lineOf(texts []string) (line, error) {
	if len(texts) != len(lineColumns) {
		return line{}, fmt.Errorf("it has %d values, not %d", len(texts), len(lineColumns))
	}
	rest := texts[2+len(Columns):]
	l := line{kind: texts[0], month: rest[1]}
	l.Values = texts[2 : 2+len(Columns)]
	var err1, err2, err3 error
	l.Sequence, err1 = strconv.ParseInt(texts[1], 10, 64)
	l.Hash, err2 = DigestOf(rest[0])
	if rest[2] != "" || rest[3] != "" {
		l.signature, err3 = signatureOf(rest[2], rest[3])
	}
	return l, errors.Join(err1, err2, err3)
}

// write writes lines in one form.
type write func(w io.Writer, l line) error

func writerOf(f Format) write {
	if f == CSV {
		return writeCSV
	}
	return writeJSON
}

// writeJSON writes an object with the columns that are not empty, in their order.
func writeJSON(w io.Writer, l line) error {
	out := []byte{'{'}
	for i, text := range l.texts() {
		if text == "" {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(append(out, '"'), lineColumns[i]...), '"', ':')
		if lineColumns[i] == "sequence" {
			out = append(out, text...)
			continue
		}
		var err error
		if out, err = appendJSON(out, text); err != nil {
			return err
		}
	}
	_, err := w.Write(append(out, '}', '\n'))
	return err
}

func appendJSON(to []byte, text string) ([]byte, error) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(text); err != nil {
		return nil, err
	}
	return append(to, bytes.TrimSuffix(buffer.Bytes(), []byte{'\n'})...), nil
}

func writeCSV(w io.Writer, l line) error {
	out := csv.NewWriter(w)
	if l.kind == lineBegin {
		if err := out.Write(lineColumns); err != nil {
			return err
		}
	}
	if err := out.Write(l.texts()); err != nil {
		return err
	}
	out.Flush()
	return out.Error()
}

// maxLine bounds the memory that one line of a foreign file takes.
const maxLine = 16 << 20

// reader reads an export line by line, in the form that it is in.
type reader struct {
	in    *bufio.Reader
	begun bool
	csv   bool
}

func newReader(r io.Reader) *reader { return &reader{in: bufio.NewReaderSize(r, 64<<10)} }

// next returns the next line, io.EOF behind the last one. A line must be exactly as it was
// written, to the byte.
func (r *reader) next() (line, error) {
	if !r.begun {
		r.begun = true
		first, err := r.in.Peek(1)
		if err != nil {
			return line{}, err
		}
		if r.csv = first[0] != '{'; r.csv {
			return r.first()
		}
	}
	raw, err := r.raw()
	if err != nil {
		return line{}, err
	}
	return r.parse(raw, raw)
}

// first reads the names above a CSV file with the line below them.
func (r *reader) first() (line, error) {
	names, err := r.raw()
	if err != nil {
		return line{}, err
	}
	raw, err := r.raw()
	if err != nil {
		return line{}, err
	}
	return r.parse(raw, append(bytes.Clone(names), raw...))
}

// parse reads a line and holds whole, which is the line with what belongs to it, against
// what would have been written.
func (r *reader) parse(raw, whole []byte) (line, error) {
	texts, err := splitCSV(raw), error(nil)
	form := CSV
	if !r.csv {
		form = JSONLines
		texts, err = splitJSON(raw)
	}
	if err != nil {
		return line{}, err
	}
	l, err := lineOf(texts)
	if err != nil {
		return line{}, err
	}
	var again bytes.Buffer
	if err := writerOf(form)(&again, l); err != nil {
		return line{}, err
	}
	if !bytes.Equal(again.Bytes(), whole) {
		return line{}, errors.New("it is not as an export writes it: the file was changed or written anew")
	}
	return l, nil
}

// raw returns the next line with its end; in CSV, a line that ends within quotes goes on.
func (r *reader) raw() ([]byte, error) {
	var raw []byte
	for {
		part, err := r.in.ReadSlice('\n')
		raw = append(raw, part...)
		switch {
		case len(raw) > maxLine:
			return nil, errors.New("a line is longer than any that an export has")
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(raw) > 0:
			return nil, errors.New("the last line was cut off")
		case err != nil:
			return nil, err
		case !r.csv || bytes.Count(raw, []byte{'"'})%2 == 0:
			return raw, nil
		}
	}
}

func splitJSON(raw []byte) ([]string, error) {
	values := map[string]any{}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(&values); err != nil {
		return nil, fmt.Errorf("it is no JSON object: %w", err)
	}
	texts := make([]string, len(lineColumns))
	for i, name := range lineColumns {
		if value, there := values[name]; there {
			texts[i] = fmt.Sprint(value)
		}
	}
	return texts, nil
}

// splitCSV is not encoding/csv's reader, as that one drops carriage returns.
func splitCSV(raw []byte) []string {
	rest := strings.TrimSuffix(string(raw), "\n")
	var texts []string
	for {
		text := ""
		if strings.HasPrefix(rest, `"`) {
			rest = rest[1:]
			for {
				part, after, closed := strings.Cut(rest, `"`)
				text, rest = text+part, after
				if !closed || !strings.HasPrefix(rest, `"`) {
					break
				}
				text, rest = text+`"`, rest[1:]
			}
		} else if i := strings.IndexByte(rest, ','); i >= 0 {
			text, rest = rest[:i], rest[i:]
		} else {
			text, rest = rest, ""
		}
		texts = append(texts, text)
		if rest == "" {
			return texts
		}
		rest = rest[1:]
	}
}
