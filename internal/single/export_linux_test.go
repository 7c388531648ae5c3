package single

// SendFile is for the test that files are sent by the system.
var SendFile = sendFile
