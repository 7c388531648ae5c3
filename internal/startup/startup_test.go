package startup

import (
	"slices"
	"testing"
)

func TestWaysAreThoseOfTheLastSet(t *testing.T) {
	if got := Ways(); len(got) > 0 {
		t.Errorf("before a Set there are %v", got)
	}
	for _, want := range [][]Way{{{"fcgi", "a"}, {"http", "b"}}, {{"scgi", "c"}}, nil} {
		if Set(want); !slices.Equal(Ways(), want) {
			t.Errorf("got %v, want %v", Ways(), want)
		}
	}
}
