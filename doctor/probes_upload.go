package doctor

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// How bodies arrive.

// uploads returns a probe of an upload. refused is the symptom if it is refused.
func uploads(
	r call,
	size int64,
	refused string,
) func(v *visit, ctx context.Context) (string, *Finding) {
	r.method, r.query = "POST", "doctor=upload"
	return func(v *visit, ctx context.Context) (string, *Finding) {
		begin := time.Now()
		answer, err := v.do(ctx, r)
		if err != nil {
			text := "refused without an answer: " + why(err)
			return text, v.find(refused, text)
		}
		if answer.code != 200 {
			text := fmt.Sprintf(
				"refused with %d after %d bytes and %d ms",
				answer.code,
				answer.sent,
				time.Since(begin).Milliseconds(),
			)
			if answer.code == 400 && r.chunks == 0 {
				return text, v.find("upload-malformed", text)
			}
			return text, v.find(refused, text)
		}
		text := strings.TrimSpace(answer.body)
		digits, _, _ := strings.Cut(text, " ")
		n, err := strconv.ParseInt(digits, 10, 64)
		switch {
		case err == nil && n == size:
			return text, nil
		case err == nil && n == 0 && r.chunks > 0:
			return text, v.find("chunked-lost", text)
		}
		return text, v.find("upload-cut", fmt.Sprintf("%d bytes sent, %s", size, text))
	}
}

func (v *visit) expectContinue(ctx context.Context) (string, *Finding) {
	answer, err := v.do(ctx, call{method: "POST", query: "doctor=upload", size: 1000, expect: true})
	switch {
	case err != nil:
		return "refused: " + why(err), v.find("continue-late", "refused: "+why(err))
	case answer.code != 200:
		text := "refused with " + strconv.Itoa(answer.code)
		return text, v.find("continue-late", text)
	case answer.continued == 0:
		return "no 100 for a second", v.find("continue-late", "")
	}
	return fmt.Sprintf("100 after %d ms", answer.continued.Milliseconds()), nil
}
