package doctor

import (
	"log"
	"os"
	"testing"

	"example.com/gateway/cgi"
)

// The test binary is also the doctor's page as a CGI program.
func TestMain(m *testing.M) {
	if os.Getenv("REQUEST_METHOD") != "" && os.Getenv("DOCTOR_TEST_CGI") != "" {
		if err := cgi.Run(Application(testToken)); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	log.SetFlags(0)
	os.Exit(m.Run())
}

const testToken = "a test's token"
