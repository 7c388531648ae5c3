package form

// Limits are what an application puts up with in a form. In each field zero is the default. A form
// always has limits: an application that expects more sets a larger number.
type Limits struct {
	// MaxBytes is the size of the whole form, as it was sent: 10 MiB. Parse may take twice as much
	// memory, and Parts does not. A request with a longer CONTENT_LENGTH is refused before anything
	// is read.
	MaxBytes int64

	// MaxFields is the number of fields: the pairs of an urlencoded form, or the parts of a
	// multipart form, with its files: 1000.
	MaxFields int

	// MaxFieldBytes is the size of a field's name, and of its value if the field is no file, both
	// decoded: 1 MiB.
	MaxFieldBytes int

	// MaxHeadBytes is the size of the headers of a part in a multipart form, with their line
	// breaks: 8 KiB.
	MaxHeadBytes int
}

// The defaults of [Limits].
const (
	defaultMaxBytes      = 10 << 20
	defaultMaxFields     = 1000
	defaultMaxFieldBytes = 1 << 20
	defaultMaxHeadBytes  = 8 << 10
)

// withDefaults returns the limits with the default in each field that is not positive.
func (l Limits) withDefaults() Limits {
	l.MaxBytes = limit(l.MaxBytes, defaultMaxBytes)
	l.MaxFields = limit(l.MaxFields, defaultMaxFields)
	l.MaxFieldBytes = limit(l.MaxFieldBytes, defaultMaxFieldBytes)
	l.MaxHeadBytes = limit(l.MaxHeadBytes, defaultMaxHeadBytes)
	return l
}

func limit[T int | int64](value, byDefault T) T {
	if value <= 0 {
		return byDefault
	}
	return value
}
