//go:build unix

// Package quirk has the middlewares of package quirks by the names that the variable QUIRK has for them.
package quirk

import (
	"fmt"
	"net/netip"
	"os"
	"strings"

	"example.com/gateway"
	"example.com/gateway/middleware"
	"example.com/gateway/quirks"
)

// Named returns the rule that a deployment has chosen for its host: "document-uri" or
// "request-uri", with ":/prefix" behind it if the application is not the root, or "authorization".
// "x-forwarded", "x-forwarded-prefix" and "forwarded" have the address of the proxy behind a ":",
// none for a Unix socket. Another name ends the process.
func Named(name string) gateway.Middleware {
	rule, prefix, _ := strings.Cut(name, ":")
	switch rule {
	case "":
		return func(app gateway.Application) gateway.Application { return app }
	case "document-uri":
		return quirks.DocumentURI(prefix)
	case "request-uri":
		return quirks.RequestURI(prefix)
	case "x-forwarded":
		return middleware.Forwarded(middleware.Proxies{From: from(prefix), For: 1, Proto: 1, Host: 1})
	case "x-forwarded-prefix":
		return middleware.Forwarded(middleware.Proxies{From: from(prefix), For: 1, Proto: 1, Host: 1, AddPrefix: 1})
	case "forwarded":
		return middleware.Forwarded(middleware.Proxies{From: from(prefix), Forwarded: 1})
	case "authorization":
		return quirks.Authorization()
	}
	fmt.Fprintf(os.Stderr, "there is no quirk %q\n", name)
	os.Exit(2)
	return nil
}

func from(address string) []netip.Prefix {
	if address == "" {
		return nil
	}
	addr := netip.MustParseAddr(address)
	return []netip.Prefix{netip.PrefixFrom(addr, addr.BitLen())}
}
