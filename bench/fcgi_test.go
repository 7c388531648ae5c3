package main

import "testing"

func TestPersistentIsMeasured(t *testing.T) {
	var table table
	if err := measurePersistent(&table, t.TempDir(), 1, 10, 50); err != nil {
		t.Fatal(err)
	}
	if len(table.rows) != 8 || len(table.targets) != 7 {
		t.Errorf("%d rows, %d targets, want 8 and 7", len(table.rows), len(table.targets))
	}
}
