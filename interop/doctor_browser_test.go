//go:build interop && linux

package interop

import (
	"fmt"
	"net/url"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestTheDoctorInABrowser: the page of a deployment that lacks a line, on a phone and on a wide
// screen, dark and light: the finding comes first, nothing sticks out, the line can be copied, and
// what is in the URL stays text.
func TestTheDoctorInABrowser(t *testing.T) {
	dir := openDir(t)
	program := filepath.Join(dir, "doctor")
	build := exec.Command("go", "build", "-o", program, "./doctorapp")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	h := named("nginx-scgi")
	s := newSite(t, h.name, program)
	s.quirk = "none"
	h.start(t, s)
	s.ready(t)
	b := startBrowser(t, dir)
	b.call(
		t,
		"Browser.grantPermissions",
		map[string]any{"permissions": []string{"clipboardSanitizedWrite"}},
		nil,
	)

	backgrounds := map[string]string{"dark": "rgb(22, 24, 27)", "light": "rgb(247, 247, 245)"}
	long := url.PathEscape("<script>document.title='x'</script>" + fmt.Sprintf("%0300d", 0))
	for _, scheme := range []string{"dark", "light"} {
		for _, width := range []int{320, 390, 1280} {
			b.call(t, "Emulation.setDeviceMetricsOverride", map[string]any{
				"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 1000}, nil)
			b.call(t, "Emulation.setEmulatedMedia", map[string]any{
				"features": []map[string]string{
					{"name": "prefers-color-scheme", "value": scheme},
				}}, nil)
			b.call(t, "Page.navigate", map[string]any{
				"url": fmt.Sprintf(
					"http://%s%s/%s?token=interop&%d%s",
					s.address(),
					s.script,
					long,
					width,
					scheme,
				)}, nil)
			b.await(
				t,
				fmt.Sprintf(
					"location.search.endsWith('%d%s') && document.readyState == 'complete'",
					width,
					scheme,
				),
			)
			b.await(
				t,
				fmt.Sprintf(
					"innerWidth == %d && document.documentElement.scrollWidth <= %d",
					width,
					width,
				),
			)
			b.await(
				t,
				"[...document.querySelectorAll('*')].every(e => e.getBoundingClientRect().right <= innerWidth + 1)",
			)
			b.await(
				t,
				"document.title.startsWith('1 thing to change') && document.scripts.length == 1",
			)
			b.await(
				t,
				"document.querySelector('article').getBoundingClientRect().bottom <= 800",
			) // without scrolling
			b.await(
				t,
				"document.querySelector('pre').textContent == 'app = quirks.DocumentURI(\"/app\")(app)'",
			)
			b.await(t, "document.querySelector('button').click() || true")
			b.await(t, "/Copied|Selected/.test(document.querySelector('button').textContent)")
			b.await(
				t,
				"getComputedStyle(document.body).backgroundColor == '"+backgrounds[scheme]+"'",
			)
		}
	}
}
