package nethttp_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/gateway"
	"example.com/gateway/nethttp"
)

func TestTLSVariables(t *testing.T) {
	t.Parallel()
	certificate := certificateOf(t)
	cert := certificate.Leaf
	for _, c := range []struct {
		name string
		auth tls.ClientAuthType
		send bool
		want map[string]string
	}{
		{"no certificate", tls.NoClientCert, false, map[string]string{"SSL_CLIENT_VERIFY": "NONE", "SSL_CLIENT_S_DN": ""}},
		{"one that nobody has verified", tls.RequireAnyClientCert, true, map[string]string{"SSL_CLIENT_VERIFY": "GENEROUS", "SSL_CLIENT_S_DN": "", "SSL_CLIENT_M_SERIAL": ""}},
		{"one that was verified", tls.RequireAndVerifyClientCert, true, map[string]string{"SSL_CLIENT_VERIFY": "SUCCESS", "SSL_CLIENT_S_DN": "CN=A Client,O=Acme",
			"SSL_CLIENT_S_DN_CN": "A Client", "SSL_CLIENT_I_DN": "CN=A Client,O=Acme", "SSL_CLIENT_M_SERIAL": "ABCDEF",
			"SSL_CLIENT_V_START": "Jan  2 03:04:05 1999 GMT", "SSL_CLIENT_V_END": "Oct 12 13:14:15 2120 GMT"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var env *gateway.Environ
			s := httptest.NewUnstartedServer(nethttp.Handler(appFunc(func(e *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
				env = e.Clone()
				return hello(e, start)
			})))
			pool := x509.NewCertPool()
			pool.AddCert(cert)
			s.TLS = &tls.Config{ClientAuth: c.auth, ClientCAs: pool}
			s.StartTLS()
			defer s.Close()
			transport := s.Client().Transport.(*http.Transport)
			transport.TLSClientConfig.ServerName = "example.com"
			if c.send {
				transport.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &certificate, nil }
			}
			r, _ := http.NewRequest("GET", s.URL, nil)
			r.Header.Set("Ssl-Client-Verify", "SUCCESS")
			response, err := s.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			wantVars(t, env, c.want)
			wantVars(t, env, map[string]string{"HTTPS": "on", "SSL_PROTOCOL": "TLSv1.3", "SSL_TLS_SNI": "example.com", "SSL_SESSION_RESUMED": "Initial",
				"HTTP_SSL_CLIENT_VERIFY": "SUCCESS"})
			if !strings.HasPrefix(env.Vars["SSL_CIPHER"], "TLS_") || env.URLScheme != "https" {
				t.Errorf("SSL_CIPHER is %q, URLScheme %q", env.Vars["SSL_CIPHER"], env.URLScheme)
			}
			if state, ok := env.Extra["nethttp.tls"].(*tls.ConnectionState); !ok || state.ServerName != "example.com" {
				t.Errorf("Extra has %v", env.Extra)
			}
		})
	}
	for version, want := range map[uint16]string{tls.VersionTLS10: "TLSv1", tls.VersionTLS11: "TLSv1.1", tls.VersionTLS12: "TLSv1.2"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.TLS = &tls.ConnectionState{Version: version}
		if got := environOf(t, r).Vars["SSL_PROTOCOL"]; got != want {
			t.Errorf("SSL_PROTOCOL is %q, want %q", got, want)
		}
	}
}

// certificateOf returns a certificate that is its own issuer, with its key.
func certificateOf(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(0xABCDEF),
		Subject:               pkix.Name{CommonName: "A Client", Organization: []string{"Acme"}},
		NotBefore:             time.Date(1999, 1, 2, 3, 4, 5, 0, time.UTC),
		NotAfter:              time.Date(2120, 10, 12, 13, 14, 15, 0, time.UTC),
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: cert}
}

// pemFilesOf writes a certificate and its key into files.
func pemFilesOf(t *testing.T, c tls.Certificate) (certFile, keyFile string) {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: c.Certificate[0]},
		keyFile:  {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

// A client chooses the name that it asks for, without a certificate, and the names in its own: a
// line break there would forge a line wherever an application prints the variable.
func TestALineBreakInTheNamesOfAClientIsRefused(t *testing.T) {
	t.Parallel()
	app := appFunc(func(_ *gateway.Environ, start gateway.StartResponse) (gateway.Body, error) {
		t.Error("the application was called")
		return text(start, "hello")
	})
	verified := func(subject, issuer pkix.Name) *tls.ConnectionState {
		list := []*x509.Certificate{{Subject: subject, Issuer: issuer}}
		return &tls.ConnectionState{PeerCertificates: list, VerifiedChains: [][]*x509.Certificate{list}}
	}
	good := pkix.Name{CommonName: "good"}
	for _, breach := range []string{"a\rb", "a\nb", "a\r\nX: b", "a\x00b"} {
		bad := pkix.Name{CommonName: breach}
		for name, state := range map[string]*tls.ConnectionState{
			"SSL_TLS_SNI":        {ServerName: breach},
			"SSL_CLIENT_S_DN_CN": verified(bad, good),
			"SSL_CLIENT_I_DN":    verified(good, bad),
			"SSL_CLIENT_S_DN":    verified(pkix.Name{Organization: []string{breach}}, good),
		} {
			if strings.Contains(breach, "\x00") && strings.HasSuffix(name, "_DN") {
				continue // crypto/x509/pkix escapes it
			}
			r := httptest.NewRequest("GET", "/", nil)
			r.TLS = state
			w := httptest.NewRecorder()
			nethttp.Handler(app).ServeHTTP(w, r)
			if w.Code != 400 {
				t.Errorf("%s with %q: the status is %d, want 400", name, breach, w.Code)
			}
		}
	}
	addr := serveTCP(t, &nethttp.Server{
		Application: app, ErrorLog: quiet, TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificateOf(t)}},
	}, true)
	conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, ServerName: "a\r\nb"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n")
	if answer, _ := io.ReadAll(conn); !strings.HasPrefix(string(answer), "HTTP/1.0 400 ") {
		t.Errorf("the answer is %q", answer)
	}
}
