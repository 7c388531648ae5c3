package serve

import (
	"net"
	"net/netip"
	"slices"

	"example.com/gateway/internal/proxyprotocol"
)

// ProxyProtocol returns a listener for a server behind load balancers that speak the PROXY
// protocol, in version 1 or 2, as HAProxy does with send-proxy and a Network Load Balancer of AWS
// if it is told to. Such a load balancer passes connections on without looking into them. It writes
// a header in front of each, which says who has connected to it:
//
//	l = serve.ProxyProtocol(l, netip.MustParsePrefix("10.0.0.0/8"))
//	err := (&nethttp.Server{Application: app}).Serve(l)
//
// RemoteAddr and LocalAddr of a connection are what the header says. So REMOTE_ADDR and REMOTE_PORT
// are the client's under [nethttp.Server], and SERVER_NAME and SERVER_PORT are where the client has
// connected to. Over FastCGI, SCGI and uwsgi the web server in front says these by itself; the
// header only reaches the log. TLS, as of ServeTLS, begins behind the header. docs/client.md says
// who is the client in which deployment.
//
// Only connections from the addresses in peers begin with a header, and each of them must. Nobody
// else is believed: a header from another address is garbage to the server. Over a Unix socket each
// connection must begin with a header, since the mode of the socket says who may connect. Peers
// must be load balancers that never pass on a client's own address as theirs, as one does that
// "preserves the client's address": there is nothing to name then, and nothing to be told.
//
// A load balancer's own connections (LOCAL, UNKNOWN, UNSPEC) and those of a client on a Unix socket
// keep their real addresses. TLVs are skipped.
//
// Accept never waits for a header. A header may take 10 seconds, and have 4096 bytes behind its
// first 16. If it is wrong, cut short or does not come, the connection is closed, and a server of
// this module writes a line to its log, unless the peer has sent nothing. Another server gets an
// error from Read, and addresses that are the load balancer's.
//
// A server of this module reads and writes, and sends files, as without ProxyProtocol: behind the
// header it has the socket itself. Another server's files still go by ReadFrom.
//
// ProxyProtocol keeps no reference to peers. It may be called for a listener of any server; Close
// and Addr are those of l.
func ProxyProtocol(l net.Listener, peers ...netip.Prefix) net.Listener {
	return &proxyprotocol.Listener{Listener: l, Peers: slices.Clone(peers)}
}
