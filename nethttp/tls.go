package nethttp

import (
	"crypto/tls"
	"strings"
)

// addTLS adds the variables that Apache's mod_ssl has (R36), as far as crypto/tls can tell. Who the client is, is said only if its
// certificate was verified: an application that looks at SSL_CLIENT_S_DN and not at SSL_CLIENT_VERIFY must not be fooled.
func addTLS(vars map[string]string, state *tls.ConnectionState) {
	vars["HTTPS"] = "on"
	if state.Version != 0 {
		vars["SSL_PROTOCOL"] = protocolOf(state.Version)
		vars["SSL_CIPHER"] = tls.CipherSuiteName(state.CipherSuite) // the IANA's name; OpenSSL has others before TLS 1.3
	}
	vars["SSL_SESSION_RESUMED"] = "Initial"
	if state.DidResume {
		vars["SSL_SESSION_RESUMED"] = "Resumed"
	}
	if state.ServerName != "" {
		vars["SSL_TLS_SNI"] = state.ServerName
	}
	switch {
	case len(state.PeerCertificates) == 0:
		vars["SSL_CLIENT_VERIFY"] = "NONE"
		return
	case len(state.VerifiedChains) == 0:
		vars["SSL_CLIENT_VERIFY"] = "GENEROUS"
		return
	}
	c := state.PeerCertificates[0]
	vars["SSL_CLIENT_VERIFY"] = "SUCCESS"
	vars["SSL_CLIENT_S_DN"] = c.Subject.String()
	vars["SSL_CLIENT_I_DN"] = c.Issuer.String()
	if c.Subject.CommonName != "" {
		vars["SSL_CLIENT_S_DN_CN"] = c.Subject.CommonName
	}
	if c.SerialNumber != nil {
		vars["SSL_CLIENT_M_SERIAL"] = strings.ToUpper(c.SerialNumber.Text(16))
	}
	const layout = "Jan _2 15:04:05 2006 GMT"
	vars["SSL_CLIENT_V_START"] = c.NotBefore.UTC().Format(layout)
	vars["SSL_CLIENT_V_END"] = c.NotAfter.UTC().Format(layout)
}

// protocolOf is OpenSSL's name of a version: "TLSv1.3" for "TLS 1.3", but "TLSv1" for "TLS 1.0".
func protocolOf(version uint16) string {
	name := strings.Replace(tls.VersionName(version), "TLS ", "TLSv", 1)
	return strings.TrimSuffix(name, ".0")
}
