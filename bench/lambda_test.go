package main

import "testing"

func TestLambdaIsMeasured(t *testing.T) {
	var table table
	if err := measureLambda(&table, t.TempDir(), 2, 3); err != nil {
		t.Fatal(err)
	}
	if len(table.rows) != 8 || len(table.targets) != 5 {
		t.Errorf("%d rows, %d targets, want 8 and 5", len(table.rows), len(table.targets))
	}
}
