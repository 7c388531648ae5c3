package acceptor

// Expire is what the connection's timer does.
func (c *Conn) Expire() { c.expire() }
