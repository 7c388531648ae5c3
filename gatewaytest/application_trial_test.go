package gatewaytest_test

import (
	"fmt"
	"testing"

	"example.com/gateway/gatewaytest"
)

func TestStepsOfALongWayAreThePowersOfTwoAndTheLast(t *testing.T) {
	for n, want := range map[int]string{0: "[]", 1: "[1]", 3: "[1 2 3]",
		257: "[1 2 4 8 16 32 64 128 256 257]", 512: "[1 2 4 8 16 32 64 128 256 512]"} {
		if got := fmt.Sprint(gatewaytest.Steps(n)); got != want {
			t.Errorf("steps(%d) = %v, want %v", n, got, want)
		}
	}
	if got := len(gatewaytest.Steps(256)); got != 256 {
		t.Errorf("256 is not long, and has %d steps", got)
	}
	for n, want := range map[int]string{1: "1st", 2: "2nd", 3: "3rd", 4: "4th", 11: "11th", 12: "12th", 13: "13th",
		21: "21st", 111: "111th", 102: "102nd"} {
		if got := gatewaytest.Ordinal(n); got != want {
			t.Errorf("ordinal(%d) = %s, want %s", n, got, want)
		}
	}
}
