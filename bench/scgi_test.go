package main

import "testing"

func TestOneConnectionForEachRequestIsMeasured(t *testing.T) {
	var table table
	if err := measureOnce(&table, t.TempDir(), 1, 5, 1, 1<<20+1); err != nil {
		t.Fatal(err)
	}
	if len(table.rows) != 9 || len(table.targets) != 6 {
		t.Errorf("%d rows, %d targets, want 9 and 6", len(table.rows), len(table.targets))
	}
}
