package main

import (
	"strings"
	"testing"
)

func TestHostIsMeasured(t *testing.T) {
	var table table
	if err := measureHost(&table, t.TempDir(), 1, 1, 4<<20); err != nil {
		t.Fatal(err)
	}
	measured := map[string]int{}
	for _, row := range table.rows {
		measured[row.what]++
		if strings.HasPrefix(row.variant, "no ") {
			t.Logf("%s: %s", row.what, row.variant)
		} else if row.time == "" {
			t.Errorf("%s, %s: no time", row.what, row.variant)
		}
	}
	if len(measured) != 5 {
		t.Errorf("%d groups: %v", len(measured), measured)
	}
}
