package nethttp

import (
	"crypto/tls"
	"strings"
)

// addTLS adds the variables that Apache's mod_ssl has (R36), as far as crypto/tls knows them. It
// says who the client is only if somebody has verified the client's certificate: an application
// that looks at SSL_CLIENT_S_DN and not at SSL_CLIENT_VERIFY must not be fooled.
func addTLS(add func(name, value string), state *tls.ConnectionState) {
	add("HTTPS", "on")
	if state.Version != 0 {
		add("SSL_PROTOCOL", protocolOf(state.Version))
		add("SSL_CIPHER", tls.CipherSuiteName(state.CipherSuite)) // OpenSSL has other names before TLS 1.3
	}
	if state.DidResume {
		add("SSL_SESSION_RESUMED", "Resumed")
	} else {
		add("SSL_SESSION_RESUMED", "Initial")
	}
	add("SSL_TLS_SNI", state.ServerName)
	switch {
	case len(state.PeerCertificates) == 0:
		add("SSL_CLIENT_VERIFY", "NONE")
		return
	case len(state.VerifiedChains) == 0:
		add("SSL_CLIENT_VERIFY", "GENEROUS")
		return
	}
	c := state.PeerCertificates[0]
	add("SSL_CLIENT_VERIFY", "SUCCESS")
	add("SSL_CLIENT_S_DN", c.Subject.String())
	add("SSL_CLIENT_I_DN", c.Issuer.String())
	add("SSL_CLIENT_S_DN_CN", c.Subject.CommonName)
	if c.SerialNumber != nil {
		add("SSL_CLIENT_M_SERIAL", strings.ToUpper(c.SerialNumber.Text(16)))
	}
	const layout = "Jan _2 15:04:05 2006 GMT"
	add("SSL_CLIENT_V_START", c.NotBefore.UTC().Format(layout))
	add("SSL_CLIENT_V_END", c.NotAfter.UTC().Format(layout))
}

// protocolOf returns OpenSSL's name of a version: "TLSv1.3" for "TLS 1.3", and "TLSv1" for "TLS
// 1.0".
func protocolOf(version uint16) string {
	name := strings.Replace(tls.VersionName(version), "TLS ", "TLSv", 1)
	return strings.TrimSuffix(name, ".0")
}
