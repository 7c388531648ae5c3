package rules

import (
	"strconv"
	"strings"
	"testing"
)

// Messages, tables and comments cite rules by number: all of them must be there, once and in order.
func TestNumbersAreCompleteAndInOrder(t *testing.T) {
	i := 0
	for _, series := range []struct {
		letter string
		last   int
	}{{"R", 139}, {"C", 58}, {"D", 11}} {
		for n := 1; n <= series.last; n++ {
			want := series.letter + strconv.Itoa(n)
			if i == len(All) || All[i].ID != want {
				t.Fatalf("rule %d of All is not %s", i, want)
			}
			if got := Get(want); got != All[i] {
				t.Errorf("Get(%q) = %v", want, got)
			}
			i++
		}
	}
	if i != len(All) {
		t.Errorf("All goes on after %s with %s", All[i-1].ID, All[i].ID)
	}
}

func TestEachRuleIsOneSentence(t *testing.T) {
	seen := make(map[string]string)
	for _, r := range All {
		if r.Text == "" && r.Why == "" {
			t.Errorf("%s has neither Text nor Why", r.ID)
		}
		for field, s := range map[string]string{"Text": r.Text, "Why": r.Why} {
			if fault := sentenceFault(s); s != "" && fault != "" {
				t.Errorf("%s: %s %s: %q", r.ID, field, fault, s)
			}
		}
		// The same reason may hold for several rules, the same sentence may not.
		if r.Text != "" && seen[r.Text] != "" {
			t.Errorf("%s says what %s says", r.ID, seen[r.Text])
		}
		seen[r.Text] = r.ID
		if r.Sides == "" || strings.Trim(r.Sides, "SAMHP") != "" {
			t.Errorf("%s: Sides is %q", r.ID, r.Sides)
		}
	}
}

// sentenceFault says what keeps s from being one sentence that fits a message and a cell of a table.
func sentenceFault(s string) string {
	switch {
	case !strings.HasSuffix(s, ".") || strings.HasSuffix(s, ".."):
		return "does not end with a period"
	case strings.Contains(s, ". "), strings.ContainsAny(s, "!?"):
		return "is more than one sentence"
	case len(s) >= 220:
		return "is too long"
	case strings.ContainsAny(s, "|\n\t") || strings.Contains(s, "  "):
		return "does not fit a table"
	}
	return ""
}

func TestSentenceFaultsAreFound(t *testing.T) {
	for _, s := range []string{"", "no period", "Two. Of them.", "Is it?.", "A line\nbreak.", "Too much..", strings.Repeat("long ", 50) + "."} {
		if sentenceFault(s) == "" {
			t.Errorf("nothing is found wrong with %q", s)
		}
	}
}

func TestARuleReadsAsItIsQuoted(t *testing.T) {
	const want = "R72: An application sets no hop-by-hop header and nothing that affects the connection."
	if got := Get("R72").String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := Get("R60").String(); got != "R60: "+Get("R60").Why {
		t.Errorf("a rule without a sentence is quoted as %q", got)
	}
}

// A message that quotes a rule which does not exist is a bug of the message.
func TestGetPanicsWithoutSuchARule(t *testing.T) {
	for _, id := range []string{"", "R0", "R140", "C59", "D12", "r1", "R01", "G1"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Get(%q) did not panic", id)
				}
			}()
			Get(id)
		}()
	}
}
