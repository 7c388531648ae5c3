package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
)

// A row is a line of the table; an empty field does not apply.
type row struct {
	what, variant                 string
	time, p99, cpu, memory, ratio string
}

// A target is a figure with the bound that it must keep.
type target struct {
	name  string
	value float64
	bound string
	met   bool
}

// A table is what the command prints.
type table struct {
	rows    []row
	targets []target
}

func (t *table) add(r row) { t.rows = append(t.rows, r) }

func (t *table) atMost(name string, value, bound float64, unit string) {
	t.targets = append(t.targets, target{name, value, fmt.Sprintf("at most %g %s", bound, unit), value <= bound})
}

func (t *table) below(name string, value, bound float64, unit string) {
	t.targets = append(t.targets, target{name, value, fmt.Sprintf("below %g %s", bound, unit), 0 < value && value < bound})
}

// print writes the table and the targets in Markdown and reports whether a target was missed.
func (t *table) print(w io.Writer) (missed bool) {
	fmt.Fprintln(w, "| | | median | p99 | CPU | memory | ratio (95 % interval) |")
	fmt.Fprintln(w, "|---|---|--:|--:|--:|--:|--:|")
	last := ""
	for _, r := range t.rows {
		what := r.what
		if what == last {
			what = "" // said once for each group
		}
		last = r.what
		fmt.Fprintln(w, "| "+strings.Join([]string{what, r.variant, r.time, r.p99, r.cpu, r.memory, r.ratio}, " | ")+" |")
	}
	fmt.Fprint(w, "\nRatios are to the first row of the same group.\n\n")
	for _, g := range t.targets {
		verdict := "met"
		if !g.met {
			verdict, missed = "NOT MET", true
		}
		fmt.Fprintf(w, "- %s: %s is %.4g, target %s\n", verdict, g.name, g.value, strings.TrimSpace(g.bound))
	}
	return missed
}

// A ratio is the median of ratios that were taken in pairs, and an interval that has the true
// median with 95 %; with less than six of them that is less.
type ratio struct{ median, low, high float64 }

func (r ratio) String() string {
	if r.low == 1 && r.high == 1 {
		return "1.00"
	}
	return fmt.Sprintf("%.2f (%.2f-%.2f)", r.median, r.low, r.high)
}

// ratioOf compares two series round by round: what disturbs a round disturbs both of its parts.
func ratioOf(a, base []time.Duration) ratio {
	list := make([]float64, len(a))
	for i := range a {
		list[i] = float64(a[i]) / float64(base[i])
	}
	slices.Sort(list)
	// The number of values below the median is binomial with n/2 and √n/2, whatever the
	// distribution of the values.
	n := float64(len(list))
	reach := 1.96 * math.Sqrt(n) / 2
	low := max(0, int(math.Floor(n/2-reach)))
	high := min(len(list)-1, int(math.Ceil(n/2+reach)))
	return ratio{median(list), list[low], list[high]}
}

// median returns the middle of the values, which need not be sorted.
func median[T time.Duration | float64](values []T) T {
	list := slices.Sorted(slices.Values(values))
	n := len(list)
	return (list[(n-1)/2] + list[n/2]) / 2
}

// percentile returns the value that p percent of the values do not exceed.
func percentile(values []time.Duration, p int) time.Duration {
	list := slices.Sorted(slices.Values(values))
	return list[(len(list)*p+99)/100-1]
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.2f ms", float64(d)/1e6)
}
