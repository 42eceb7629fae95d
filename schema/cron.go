package schema

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The fields of a schedule as Kubernetes reads them
// (github.com/robfig/cron, ParseStandard): Sunday is 0 only, never 7.
var cronFields = []struct {
	name     string
	min, max int
	words    []string // for min and what follows
}{
	{"minute", 0, 59, nil},
	{"hour", 0, 23, nil},
	{"day of the month", 1, 31, nil},
	{"month", 1, 12, []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
	{"day of the week", 0, 6, []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
}

var cronWords = []string{"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"}

// parseCron says what is wrong with a schedule.
func parseCron(text string) error {
	if strings.HasPrefix(text, "TZ=") || strings.HasPrefix(text, "CRON_TZ=") {
		return errors.New("the time zone is said in timeZone")
	}
	if every, ok := strings.CutPrefix(text, "@every "); ok {
		if d, err := time.ParseDuration(every); err != nil || d <= 0 {
			return fmt.Errorf("%q is no duration", every)
		}
		return nil
	}
	if strings.HasPrefix(text, "@") {
		for _, w := range cronWords {
			if w == text {
				return nil
			}
		}
		return fmt.Errorf("the words are %s and @every DURATION", strings.Join(cronWords, ", "))
	}
	fields := strings.Fields(text)
	if len(fields) != len(cronFields) {
		return fmt.Errorf("it has %d fields, and a schedule has 5: minute, hour, day of the month, month, day of the week", len(fields))
	}
	sets := make([]map[int]bool, len(fields))
	for i, f := range fields {
		sets[i] = map[int]bool{}
		for part := range strings.SplitSeq(f, ",") {
			if err := cronPart(part, i, sets[i]); err != nil {
				return err
			}
		}
	}
	if fields[4] == "*" || fields[4] == "?" {
		return happens(sets[2], sets[3])
	}
	return nil
}

// cronPart puts the numbers of one part of a field into a set.
func cronPart(part string, field int, into map[int]bool) error {
	f := cronFields[field]
	span, step, stepped := strings.Cut(part, "/")
	low, high := f.min, f.max
	if span != "*" && span != "?" {
		from, to, ranged := strings.Cut(span, "-")
		var err error
		if low, err = cronNumber(from, field); err != nil {
			return err
		}
		switch {
		case ranged:
			if high, err = cronNumber(to, field); err != nil {
				return err
			}
		case !stepped:
			high = low
		}
		if low > high {
			return fmt.Errorf("the %s %q goes backwards", f.name, span)
		}
	}
	by := 1
	if stepped {
		var err error
		if by, err = strconv.Atoi(step); err != nil || by < 1 {
			return fmt.Errorf("the %s has the step %q, which is no number of 1 or more", f.name, step)
		}
	}
	for i := low; i <= high; i += by {
		into[i] = true
	}
	return nil
}

func cronNumber(text string, field int) (int, error) {
	f := cronFields[field]
	for i, w := range f.words {
		if strings.EqualFold(w, text) {
			return f.min + i, nil
		}
	}
	n, err := strconv.Atoi(text)
	switch {
	case err != nil || strings.HasPrefix(text, "+"):
		return 0, fmt.Errorf("the %s is %q, which is no number", f.name, text)
	case n == 7 && field == 4:
		return 0, errors.New("the day of the week is 7: Sunday is 0")
	case n < f.min || n > f.max:
		return 0, fmt.Errorf("the %s is %d, but is from %d to %d", f.name, n, f.min, f.max)
	}
	return n, nil
}

// happens says when no month of a set has any of the days.
func happens(days, months map[int]bool) error {
	for m := range months {
		longest := time.Date(2024, time.Month(m)+1, 0, 0, 0, 0, 0, time.UTC).Day() // of a leap year
		for d := range days {
			if d <= longest {
				return nil
			}
		}
	}
	return errors.New("none of its months has such a day, so it would never run")
}
