package pairing

// Wire is one end of a cable.
type Wire interface {
	// Send says it to whoever is at the other end.
	Send(datagram []byte) error
	// Receive waits for what the other end said, and for nothing else.
	Receive(buffer []byte) (int, error)
	Close() error
}

// Port is where both ends listen, on the cable's own addresses.
const Port = 7344

// maxDatagram passes without fragments over any IPv6 link (RFC 8200 5), whatever MTU either end has.
const maxDatagram = 1280 - 40 - 8
