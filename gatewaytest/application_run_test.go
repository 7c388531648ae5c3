package gatewaytest_test

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"example.com/gateway"
	"example.com/gateway/gatewaytest"
)

// An application that hangs ends the test and not the process, and the failure says where it hangs.
func TestHangsAreFailures(t *testing.T) {
	for _, c := range []struct {
		name     string
		app      func(stop <-chan struct{}) appFunc
		requests []func() *environ
		want     []string
	}{
		{"in Call", func(stop <-chan struct{}) appFunc {
			return func(env *environ, start start) (body, error) { <-stop; return nil, nil }
		}, nil, []string{"C40", "GET /, when nothing fails: the application hangs", "application_run_test.go"}},
		{"in Close", func(stop <-chan struct{}) appFunc {
			return func(env *environ, start start) (body, error) {
				b, err := hello(env, start)
				return gateway.OnClose(b, func() error { <-stop; return nil }), err
			}
		}, nil, []string{"C40", "hangs"}},
		{"when Input fails", func(stop <-chan struct{}) appFunc {
			return func(env *environ, start start) (body, error) {
				if _, err := io.ReadAll(env.Input); err != nil {
					<-stop
				}
				return hello(env, start)
			}
		}, requests(posts("abc")),
			[]string{"C40", "when the 1st Read of Input fails with an error: the application hangs"}},
		{"reading on after an error", func(stop <-chan struct{}) appFunc {
			return func(env *environ, start start) (body, error) {
				for {
					select {
					case <-stop:
						return nil, nil
					default:
					}
					if _, err := env.Input.Read(make([]byte, 10)); err == io.EOF {
						return hello(env, start)
					}
				}
			}
		}, requests(posts("abc")),
			[]string{"C40", "when the 1st Read of Input fails with an error: the application hangs"}},
		{"reading on after the end", func(stop <-chan struct{}) appFunc {
			return func(env *environ, start start) (body, error) {
				for {
					select {
					case <-stop:
						return nil, nil
					default:
					}
					if _, err := env.Input.Read(make([]byte, 10)); err != nil && err != io.EOF {
						return nil, err
					}
				}
			}
		}, requests(posts("abc")), []string{"C40", "when nothing fails: the application hangs"}},
		{"writing on after an error", func(stop <-chan struct{}) appFunc {
			return func(env *environ, start start) (body, error) {
				w, _ := start("200 OK", plain, nil)
				for n := 0; n < 1; {
					select {
					case <-stop:
						return nil, nil
					default:
					}
					n, _ = io.WriteString(w, "x")
				}
				return gateway.Bytes(), nil
			}
		}, requests(gets("/")), []string{"R22", "when WriteHead fails with an error: the application hangs"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			stop := make(chan struct{})
			defer close(stop)
			expect(t, gatewaytest.TryApplication(time.Second, c.app(stop), made(c.requests)...), c.want...)
		})
	}
}

func TestRequestWhoseInputDoesNotEndIsRefused(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe()
	defer w.Close()
	expect(t, gatewaytest.TryApplication(100*time.Millisecond, appFunc(hello),
		gatewaytest.NewEnviron("POST", "/", r)), "does not end within")
}

// In a bubble an application that waits costs no time, and delays are long enough for its own
// timeouts.
func TestApplicationRunsInVirtualTime(t *testing.T) {
	slow := appFunc(func(env *environ, start start) (body, error) {
		time.Sleep(time.Minute / 10)
		_, err := start("200 OK", plain, nil)
		return gateway.Stream(func(yield func([]byte, error) bool) {
			for range 3 {
				time.Sleep(time.Minute / 10)
				if !yield([]byte("x"), nil) {
					return
				}
			}
		}), err
	})
	impatient := appFunc(func(env *environ, start start) (body, error) {
		began := time.Now()
		if _, err := io.ReadAll(env.Input); err != nil {
			return nil, err
		}
		text := "in time"
		if time.Since(began) > time.Second {
			text = "late"
		}
		_, err := start("200 OK", plain, nil)
		return gateway.Text(text), err
	})
	synctest.Test(t, func(t *testing.T) { gatewaytest.TestApplication(t, slow) })
	synctest.Test(t, func(t *testing.T) { gatewaytest.TestApplication(t, appFunc(produced)) })
	synctest.Test(t, func(t *testing.T) { gatewaytest.TestApplication(t, appFunc(clock)) })
	synctest.Test(t, func(t *testing.T) { gatewaytest.TestApplication(t, appFunc(raced)) })
	synctest.Test(t, func(t *testing.T) {
		expect(t, gatewaytest.TryApplication(10*time.Second, impatient, post("abc")), "R2", "takes a while (1s)",
			`the body is "late", and was "in time"`)
	})
	synctest.Test(t, func(t *testing.T) {
		stop := make(chan struct{})
		defer close(stop)
		expect(t, gatewaytest.TryApplication(time.Hour, appFunc(func(env *environ, start start) (body, error) {
			<-stop
			return nil, nil
		})), "the application hangs")
	})
	synctest.Test(t, func(t *testing.T) {
		stop := make(chan struct{})
		defer close(stop)
		expect(t, gatewaytest.TryApplication(time.Hour, appFunc(func(env *environ, start start) (body, error) {
			go func() { <-stop }()
			return hello(env, start)
		})), "leaves goroutines behind")
	})
}
