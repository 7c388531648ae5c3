package main

import "testing"

func TestOneConnectionForEachRequestIsMeasured(t *testing.T) {
	var table table
	if err := measureOnce(&table, t.TempDir(), 1, 5, 1, 1<<20+1); err != nil {
		t.Fatal(err)
	}
	if len(table.rows) != 23 || len(table.targets) != 18 {
		t.Errorf("%d rows, %d targets, want 23 and 18", len(table.rows), len(table.targets))
	}
}
