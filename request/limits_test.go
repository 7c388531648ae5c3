package request_test

import (
	"testing"
	"time"

	"example.com/gateway/request"
)

// All limits but that of the body are on by default, all can be set, and a negative number is none.
func TestLimits(t *testing.T) {
	if got, want := (request.Limits{}).WithDefaults(), (request.Limits{
		MaxConns: 10000, MaxRequests: 10000, MaxHeaderBytes: 1 << 20, MaxHeaders: 1000, MaxBodyBytes: 1<<63 - 1,
		ReadHeaderTimeout: 30 * time.Second, ReadTimeout: time.Minute, WriteTimeout: time.Minute, IdleTimeout: 5 * time.Minute,
	}); got != want {
		t.Errorf("by default %+v, want %+v", got, want)
	}
	set := request.Limits{1, 2, 3, 4, 5, 6, 7, 8, 9}
	if got := set.WithDefaults(); got != set {
		t.Errorf("%+v became %+v", set, got)
	}
	none := (request.Limits{-1, -1, -1, -1, -1, -1, -1, -1, -1}).WithDefaults()
	for _, n := range []int64{int64(none.MaxConns), int64(none.MaxRequests), int64(none.MaxHeaderBytes), int64(none.MaxHeaders), none.MaxBodyBytes} {
		if n < 1<<20 {
			t.Errorf("no limit is %+v", none)
		}
	}
	for _, d := range []time.Duration{none.ReadHeaderTimeout, none.ReadTimeout, none.WriteTimeout, none.IdleTimeout} {
		if d != 0 {
			t.Errorf("no timeout is %+v", none)
		}
	}
}
