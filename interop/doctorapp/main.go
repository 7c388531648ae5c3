//go:build unix

// Doctorapp is the doctor's page, for the tests of its advice. QUIRK names a middleware of package
// quirks. It has a token, since a planted fault may make every client look as if from elsewhere.
package main

import (
	"log"
	"os"

	"example.com/gateway/doctor"
	"example.com/gateway/interop/internal/quirk"
	"example.com/gateway/serve"
)

func main() {
	app := quirk.Named(os.Getenv("QUIRK"))(doctor.Application("interop"))
	if err := serve.Run(app); err != nil {
		log.Fatal(err)
	}
}
