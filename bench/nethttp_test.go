package main

import "testing"

func TestTheBridgeIsMeasured(t *testing.T) {
	var table table
	if err := measureBridge(&table, t.TempDir(), 1, 3); err != nil {
		t.Fatal(err)
	}
	if len(table.rows) != len(bridgeCases) || len(table.targets) != 2 {
		t.Errorf("%d rows, %d targets, want %d and 2", len(table.rows), len(table.targets), len(bridgeCases))
	}
}
