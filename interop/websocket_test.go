//go:build interop && linux

package interop

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/fcgi"
	"example.com/gateway/nethttp"
)

// TestAWebSocketBesideAnApplication runs the two ways of docs/websocket.md, with a browser.
func TestAWebSocketBesideAnApplication(t *testing.T) {
	b := startBrowser(t, openDir(t))
	app := gateway.ApplicationFunc(
		func(env *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
			return start.Answer(
				200,
				gateway.Headers{{"Content-Type", "text/html"}},
				gateway.Text("<title>An application</title>\n"),
			)
		},
	)
	t.Run("HTTP", func(t *testing.T) {
		mux := http.NewServeMux()
		mux.HandleFunc("GET /chat", chat)     // takes the connection over
		mux.Handle("/", nethttp.Handler(app)) // gets all else
		server := &http.Server{Handler: mux, ReadHeaderTimeout: 30 * time.Second}

		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				t.Error(err)
			}
		})
		chatIn(t, b, l.Addr().String())
		if err := server.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		wg.Wait()
	})
	t.Run("nginx", func(t *testing.T) {
		s := startSite(t, host{"nginx", func(t *testing.T, s *site) {
			s.script, s.persistent, s.backend = "", true, "unix:"+s.path("app.sock")
			requests, chats := listenUnix(t, s.path("app.sock")), listenUnix(t, s.path("chat.sock"))
			var wg sync.WaitGroup
			wg.Go(func() {
				go http.Serve(chats, http.HandlerFunc(chat)) // listens on unix:/srv/app/chat.sock
				err := fcgi.Serve(requests, app)             // listens on unix:/srv/app/app.sock

				if !errors.Is(err, net.ErrClosed) && !errors.Is(err, gateway.ErrShutdown) {
					t.Error(err)
				}
			})
			t.Cleanup(func() {
				_, _ = requests.Close(), chats.Close()
				wg.Wait()
			})
			s.run(
				t,
				"nginx",
				"-p",
				s.dir,
				"-c",
				s.configure(t, "websocket-nginx.conf"),
				"-e",
				"error.log",
			)
		}}, build(t))
		chatIn(t, b, s.address())
	})
}

// chatIn opens the application's page, and from there the WebSocket.
func chatIn(t *testing.T, b *browser, address string) {
	t.Helper()
	b.call(t, "Page.navigate", map[string]any{"url": "http://" + address + "/"}, nil)
	b.await(t, "document.title == 'An application' && document.readyState == 'complete'")
	b.await(t, `(() => {
		const socket = new WebSocket("ws://`+address+`/chat")
		socket.onopen = () => socket.send("hello, grüße")
		socket.onmessage = event => { document.title = event.data; socket.close(1000) }
		socket.onclose = event => document.title += " " + event.code
		return true
	})()`)
	b.await(t, "document.title == 'you said hello, grüße 1000'")
}

// chat is a WebSocket (RFC 6455) in which each message gets an answer. It knows short messages
// alone.
func chat(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Origin") != "http://"+r.Host {
		http.Error(w, "another site's page", http.StatusForbidden)
		return
	}
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer conn.Close()
	sum := sha1.Sum(
		[]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"),
	)
	_, _ = io.WriteString(
		conn,
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
			"Sec-WebSocket-Accept: "+base64.StdEncoding.EncodeToString(sum[:])+"\r\n\r\n",
	)
	for {
		kind, message, err := readFrame(buffered.Reader)
		if err != nil {
			return
		}
		if kind == 1 {
			message = "you said " + message
		}
		_, _ = io.WriteString(conn, string([]byte{0x80 | kind, byte(len(message))})+message)
		if kind == 8 {
			return
		}
	}
}

// readFrame reads a frame of less than 126 bytes: a text is of the kind 1, and 8 is the end.
func readFrame(r *bufio.Reader) (kind byte, message string, err error) {
	head := make([]byte, 6) // with the mask
	if _, err := io.ReadFull(r, head); err != nil {
		return 0, "", err
	}
	data := make([]byte, head[1]&0x7f)
	_, err = io.ReadFull(r, data)
	for i := range data {
		data[i] ^= head[2+i%4]
	}
	return head[0] & 0xf, string(data), err
}

// listenUnix listens for whoever may reach the folder.
func listenUnix(t *testing.T, path string) net.Listener {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	return l
}
