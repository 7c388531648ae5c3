package main

import "testing"

// Both sides of each case find the same, or the measurement fails.
func TestFormIsMeasured(t *testing.T) {
	var table table
	if err := measureForm(&table, 1, 4<<20, "1x"); err != nil {
		t.Fatal(err)
	}
	if len(table.rows) != 6 || len(table.targets) != 3 {
		t.Errorf("%d rows, %d targets", len(table.rows), len(table.targets))
	}
}
