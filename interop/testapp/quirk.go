//go:build unix

package main

import (
	"fmt"
	"os"
	"strings"

	"example.com/gateway"
	"example.com/gateway/quirks"
)

// quirk returns the rule that a deployment has chosen for its host: "document-uri" or
// "request-uri", with ":/prefix" behind it if the application is not the root.
func quirk(name string) gateway.Middleware {
	rule, prefix, _ := strings.Cut(name, ":")
	switch rule {
	case "":
		return func(app gateway.Application) gateway.Application { return app }
	case "document-uri":
		return quirks.DocumentURI(prefix)
	case "request-uri":
		return quirks.RequestURI(prefix)
	}
	fmt.Fprintf(os.Stderr, "testapp: there is no quirk %q\n", name)
	os.Exit(2)
	return nil
}
