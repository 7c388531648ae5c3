package doctor

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/netip"
	"strings"

	"example.com/gateway"
)

// tokenHeader carries the prober's token, which in a URL would be in the web server's log.
const tokenHeader = "X-Doctor-Token"

// mayLook reports whether the request is answered.
func (d *application) mayLook(env *gateway.Environ) bool {
	if d.token != "" {
		given := env.Header(tokenHeader)
		if given == "" {
			given = unescape(parameter(env, "token"))
		}
		a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(d.token))
		return subtle.ConstantTimeCompare(a[:], b[:]) == 1
	}
	return isLocal(env)
}

// isLocal reports whether the client is on this machine. The peer of an HTTP server may be a proxy,
// which is on this machine too, for clients that are not. So each address that a proxy has noted
// must be local. So must the Host, which also keeps somebody else's page from asking by a name of
// its own. HTTP/1.0 is what nginx speaks that was told nothing.
func isLocal(env *gateway.Environ) bool {
	peer := env.Vars["REMOTE_ADDR"]
	isHTTP := env.Vars["SERVER_SOFTWARE"] == "net/http"
	isUnix := strings.HasPrefix(peer, "unix:") || peer == "" && isHTTP
	if !isLoopback(peer) && !isUnix || isHTTP && env.Vars["SERVER_PROTOCOL"] == "HTTP/1.0" {
		return false
	}
	// middleware.Forwarded may have believed somebody from elsewhere.
	if proxy, found := env.Extra["middleware.remote_addr"].(string); found && proxy != "" &&
		!isLoopback(proxy) {
		return false
	}
	for _, name := range []string{"HTTP_X_FORWARDED_FOR", "HTTP_X_REAL_IP", "HTTP_TRUE_CLIENT_IP",
		"HTTP_CF_CONNECTING_IP"} {
		if list := env.Vars[name]; list != "" {
			for address := range strings.SplitSeq(list, ",") {
				if !isLoopback(strings.TrimSpace(address)) {
					return false
				}
			}
		}
	}
	if env.Vars["HTTP_FORWARDED"] != "" {
		return false
	}
	host := env.Vars["HTTP_HOST"]
	if i := strings.LastIndexByte(host, ':'); i >= 0 && i > strings.LastIndexByte(host, ']') {
		host = host[:i]
	}
	return strings.EqualFold(strings.TrimSuffix(host, "."), "localhost") ||
		isLoopback(strings.Trim(host, "[]"))
}

func isLoopback(s string) bool {
	address, err := netip.ParseAddr(s)
	return err == nil && address.Unmap().IsLoopback()
}

// parameter returns a parameter of the query as it was sent.
func parameter(env *gateway.Environ, name string) string {
	for p := range strings.SplitSeq(env.Vars["QUERY_STRING"], "&") {
		if key, value, found := strings.Cut(p, "="); found && key == name {
			return value
		}
	}
	return ""
}
