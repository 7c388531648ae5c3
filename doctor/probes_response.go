package doctor

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// What becomes of responses, and of clients that leave.

// stream: a block each 200 ms. A machine that is busy may deliver them late for once, so that a
// second look is taken.
func (v *visit) stream(ctx context.Context) (text string, f *Finding) {
	for range 2 {
		answer, err := v.do(ctx, call{query: "doctor=stream"})
		switch {
		case err != nil:
			text = why(err)
			f = v.find("stream-cut", text)
		case answer.code != 200, answer.err != nil, strings.Count(answer.body, "block") != beats:
			text = fmt.Sprintf("%d, %d bytes arrive", answer.code, len(answer.body))
			f = v.find("stream-cut", text)
		case answer.last-answer.first < beat:
			text = fmt.Sprintf("collected for %d ms", answer.first.Milliseconds())
			f = v.find("stream-collected", text)
		default:
			return fmt.Sprintf(
				"the first block after %d ms, the last after %d ms",
				answer.first.Milliseconds(),
				answer.last.Milliseconds(),
			), nil
		}
	}
	return text, f
}

// contentLength looks at the answer to HEAD: what a web server counts itself it has after a GET
// only.
func (v *visit) contentLength(ctx context.Context) (string, *Finding) {
	answer, err := v.do(ctx, call{method: "HEAD", query: "doctor=length"})
	if err != nil {
		return why(err), v.find("length-dropped", why(err))
	}
	if got := answer.header.Get("Content-Length"); got != "1024" {
		v.noLength = true
		text := "does not arrive with HEAD"
		if got != "" {
			text = "is " + show(got, 40) + " instead of 1024"
		}
		return text, v.find("length-dropped", text)
	}
	return "arrives", nil
}

func (v *visit) headRequest(ctx context.Context) (string, *Finding) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := v.dial(ctx)
	if err != nil {
		return why(err), v.find("head-body", why(err))
	}
	defer conn.Close()
	answer, err := v.exchange(conn, call{method: "HEAD", query: "doctor=json"})
	if err != nil {
		return why(err), v.find("head-body", why(err))
	}
	// exchange has closed the connection: what had come behind the head is in the buffer still.
	if rest := conn.r.Buffered(); answer.code != 200 || rest > 0 {
		text := fmt.Sprintf("%d, and %d bytes behind it", answer.code, rest)
		return text, v.find("head-body", text)
	}
	return "200, and nothing behind it", nil
}

func (v *visit) noContent(ctx context.Context) (string, *Finding) {
	for _, code := range []int{204, 304} {
		answer, err := v.do(ctx, call{query: "doctor=status&code=" + strconv.Itoa(code)})
		if err != nil {
			text := fmt.Sprintf("%d: %s", code, why(err))
			return text, v.find("no-content", text)
		}
		if answer.code != code || code == 204 && answer.length > 0 {
			text := fmt.Sprintf(
				"%d arrives as %d, with the length %d",
				code,
				answer.code,
				answer.length,
			)
			return text, v.find("no-content", text)
		}
	}
	return "arrive", nil
}

func (v *visit) brokenDeclared(ctx context.Context) (string, *Finding) {
	text, f := v.broken(ctx, "declared", "broken-declared-whole")
	if f != nil && f.Symptom == "broken-declared-whole" && v.noLength {
		return text + ", since its length is dropped", v.find("length-dropped", text)
	}
	return text, f
}

func (v *visit) brokenUndeclared(ctx context.Context) (string, *Finding) {
	return v.broken(ctx, "none", "broken-whole")
}

// brokenPatience is how long a response may take to be seen to be broken.
const brokenPatience = 2 * time.Second

// broken looks at a response that breaks, over a connection that may be kept: that is where a
// client can be left waiting. If it is, it looks once more, over one that may not.
func (v *visit) broken(ctx context.Context, length, whole string) (string, *Finding) {
	look := func(keep bool) (text, symptom string) {
		ctx, cancel := context.WithTimeout(ctx, brokenPatience)
		defer cancel()
		begin := time.Now()
		answer, err := v.do(ctx, call{query: "doctor=break&length=" + length, keep: keep})
		ms := time.Since(begin).Milliseconds()
		switch {
		case err != nil && isTimeout(err), err == nil && isTimeout(answer.err):
			return fmt.Sprintf("the client waits for %d ms and longer", ms), "broken-hangs"
		case err == nil && answer.code == 200 && answer.err == nil:
			return fmt.Sprintf("looks whole after %d ms", ms), whole
		}
		return fmt.Sprintf("seen after %d ms", ms), ""
	}
	text, symptom := look(true)
	if symptom == "broken-hangs" {
		again, without := look(false)
		if symptom = without; without != "broken-hangs" {
			symptom = "broken-late"
		}
		text += "; with Connection: close, " + again
	}
	if symptom == "" {
		return text, nil
	}
	return text, v.find(symptom, text)
}

// leaves begins a response, leaves, and asks the application whether it has noticed.
func (v *visit) leaves(ctx context.Context) (string, *Finding) {
	if v.page.RunOnce {
		return "not probed: under CGI each request is another process", nil
	}
	id := rand.Text()
	dialed, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := v.dial(dialed)
	if err != nil {
		return why(err), nil
	}
	conn.limit.N = maxReply
	io.WriteString(conn, v.head(call{query: "doctor=leave&id=" + id}))
	res, err := http.ReadResponse(conn.r, nil)
	if err == nil {
		_, err = io.ReadFull(res.Body, make([]byte, 6))
	}
	conn.reset()
	if err != nil {
		return "not probed: its response did not begin: " + why(err), nil
	}
	end := time.Now().Add(leaveIdle + leaveBeats*leaveBeat + 2*time.Second)
	for time.Now().Before(end) && ctx.Err() == nil {
		answer, err := v.do(ctx, call{query: "doctor=left&id=" + id})
		if err != nil || answer.code != 200 {
			return "not known", nil
		}
		text := plainText(strings.TrimSpace(answer.body), 100)
		switch how, _, _ := strings.Cut(text, " "); how {
		case "waiting":
			timer := time.NewTimer(50 * time.Millisecond)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
			}
			continue
		case "idle":
			return "noticed" + strings.TrimPrefix(text, how), nil
		case "writing":
			return "noticed" + strings.TrimPrefix(
					text,
					how,
				) + ", at a write", v.find(
					"leave-idle",
					"noticed"+strings.TrimPrefix(text, how)+", at a write",
				)
		case "never":
			return "not noticed" + strings.TrimPrefix(text, how), v.find("leave-never", "")
		}
		return "not known: the application has several processes", nil
	}
	return "not known", nil
}

func (v *visit) keepAlive(ctx context.Context) (string, *Finding) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := v.dial(ctx)
	if err != nil {
		return why(err), v.find("not-kept", why(err))
	}
	defer conn.Close()
	for i := range 2 {
		answer, err := v.exchange(conn, call{query: "doctor=length", keep: true})
		if err != nil || answer.code != 200 || answer.err != nil {
			if i == 0 && err != nil {
				return why(err), v.find("not-kept", why(err))
			}
			return "the connection is closed after an answer", v.find("not-kept", "")
		}
	}
	return "two requests over one connection", nil
}

func (v *visit) compression(ctx context.Context) (string, *Finding) {
	answer, err := v.do(
		ctx,
		call{query: "doctor=length", fields: []string{"Accept-Encoding: gzip, br, zstd"}},
	)
	if err != nil {
		return why(err), nil
	}
	if coding := answer.header.Get("Content-Encoding"); coding != "" {
		text := "Content-Encoding " + show(coding, 40)
		return text, v.find("compressed", text)
	}
	return "none is added", nil
}
