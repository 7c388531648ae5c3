package uwsgi

// ReadVars is for tests of the wire format alone.
var ReadVars = readVars
