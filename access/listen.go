package access

import (
	"net"
	"strings"

	"github.com/mainstemdb/mainstem"
)

// Listening is how a server is about to listen.
type Listening struct {
	// Address is where, as net.Listener.Addr says it: the address that a name or
	// an empty host came to, not the name.
	Address net.Addr
	// TLS says that connections are encrypted; Policy that there is a Gate.
	TLS, Policy bool
	// Insecure permits plain text beyond loopback, for a server behind something
	// that encrypts. Tokens and data can then be read by whoever is between.
	Insecure bool
}

// Permit reports whether a server may listen like that: nil, or Denied. On loopback
// and on Unix sockets it may always. Beyond, it needs a policy, because
// everybody who can reach it could do everything, and TLS or Insecure. It is the one
// place where that is decided.
func Permit(l Listening) error {
	where := "an address that is not known"
	if l.Address != nil {
		where = l.Address.String()
	}
	switch {
	case local(l.Address):
		return nil
	case !l.Policy:
		return &mainstem.Error{
			Code: mainstem.Denied, Message: "listening on " + where + " without a policy would let everybody do everything",
			Advice: "make a policy with mainstem token create, or listen on 127.0.0.1",
		}
	case !l.TLS && !l.Insecure:
		return &mainstem.Error{
			Code: mainstem.Denied, Message: "listening on " + where + " without TLS would show tokens and data to whoever is between",
			Advice: "give a certificate, for a trial one of mainstem cert dev; or say insecure, if something before the server encrypts",
		}
	}
	return nil
}

func local(a net.Addr) bool {
	switch a := a.(type) {
	case *net.TCPAddr:
		return loopback(a.IP)
	case *net.UnixAddr:
		return true
	default:
		return false
	}
}

func loopback(ip net.IP) bool { return ip != nil && ip.IsLoopback() }

func trimBrackets(host string) string {
	return strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
}
