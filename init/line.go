package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// absenceLimit is how long init waits for a server before it gives the workspace up.
	absenceLimit = 60 * time.Second

	// The pauses between two tries to connect, from the first to the longest.
	firstPause   = 5 * time.Millisecond
	longestPause = 200 * time.Millisecond

	// welcomeLimit bounds the wait for the server's first packet.
	welcomeLimit = 10 * time.Second

	// maxDescriptors of one packet: a memfd, and what a start brings for the command and to be kept.
	maxDescriptors = 1 + streams + maxExtra + maxKept

	// descriptorSize is that of a C int, in bytes.
	descriptorSize = 4

	// maxPending is how many requests may wait for their answer to be taken. A server that reads no answers is not read from.
	maxPending = 512
)

var errNoServer = errors.New("no server has answered on the line")

// attend keeps the line to the server up, for as long as there is one.
func (w *workspace) attend(socket string) error {
	secret := ""
	for {
		connection, err := connect(socket)
		if err != nil {
			return err
		}
		secret = w.greet(connection, secret)
	}
}

func connect(socket string) (*net.UnixConn, error) {
	deadline := time.Now().Add(absenceLimit)
	address := &net.UnixAddr{Name: socket, Net: "unixpacket"}
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		connection, err := net.DialUnix(address.Net, nil, address)
		if err == nil {
			return connection, nil
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("%w: %w", errNoServer, err)
		}
		time.Sleep(pause)
	}
}

// greet makes a line of a connection, talks over it until it breaks, and gives the secret to show at the next.
func (w *workspace) greet(connection *net.UnixConn, secret string) string {
	welcomed, err := introduce(connection, secret)
	if err != nil {
		_ = connection.Close()
		// The server closes a second line, and one whose hello it doesn't believe; it may take the next.
		time.Sleep(longestPause)
		return secret
	}
	if welcomed.Fresh && secret != "" {
		w.startOver()
	}
	socket, err := takeOver(connection)
	if err != nil {
		time.Sleep(longestPause)
		return *welcomed.Secret
	}
	broken, hangUp := context.WithCancel(context.Background())
	w.converse(&line{socket: socket, outbox: newOutbox(socket), places: make(chan struct{}, maxPending), broken: broken, hangUp: hangUp})
	socket.close()
	return *welcomed.Secret
}

// converse returns when the line is broken and nobody uses its socket any more.
func (w *workspace) converse(line *line) {
	sending := make(chan struct{})
	go func() {
		defer close(sending)
		line.outbox.sendAll()
	}()
	w.starter.serve(line)
	w.executions.reportTo(line.outbox)
	line.receiveAll(w.handle)
	line.socket.hangUp()
	line.hangUp()
	w.starter.refuseAll()
	w.executions.reportTo(nil)
	w.files.abortAll()
	line.outbox.close()
	<-sending
}

func introduce(connection *net.UnixConn, secret string) (welcome, error) {
	_ = connection.SetDeadline(time.Now().Add(welcomeLimit))
	if _, err := connection.Write(encode(newHello(secret))); err != nil {
		return welcome{}, err
	}
	received, err := receive(connection, make([]byte, maxPacket))
	closeAll(received.descriptors)
	if err != nil {
		return welcome{}, err
	}
	_ = connection.SetDeadline(time.Time{})
	return parseWelcome(received.bytes)
}

// line is one connection to the server.
type line struct {
	socket *socket
	outbox *outbox
	places chan struct{}
	broken context.Context // done when it is, for what is long under way
	hangUp func()
}

func (l *line) receiveAll(handle func(*line, *request)) {
	buffer := make([]byte, maxPacket)
	for {
		l.places <- struct{}{}
		received, err := receive(l.socket, buffer)
		if err != nil {
			return
		}
		l.accept(received, handle)
	}
}

// accept answers what can't be read as far as it can, and hands the rest on.
func (l *line) accept(received packet, handle func(*line, *request)) {
	parsed, err := received.parse()
	if err == nil {
		parsed.descriptors = received.takeDescriptors()
		handle(l, parsed)
		return
	}
	closeAll(received.takeDescriptors())
	if parsed == nil {
		<-l.places
		return
	}
	l.answer(parsed, nil, nil, err)
}

// answer ends a request: with what was found and the descriptors that go with it, or with what went wrong.
func (l *line) answer(asked *request, found any, descriptors []int, err error) {
	asked.close()
	reply := answer{ID: *asked.ID, OK: found}
	if err != nil {
		closeAll(descriptors)
		descriptors = nil
		reply.OK, reply.Error = nil, failed(whatRequest, err).(*failure)
	} else if found == nil {
		reply.OK = nothing{}
	}
	l.outbox.add(outgoing{
		packet:      encode(reply),
		descriptors: descriptors,
		answers:     asked.ID,
		sent:        func() { <-l.places },
	})
}

// packet is what came over the line in one piece.
type packet struct {
	bytes       []byte
	descriptors []int
	cut         bool // whether the kernel had to leave something out, for want of room or of descriptors
}

func (p *packet) takeDescriptors() []int {
	taken := p.descriptors
	p.descriptors = nil
	return taken
}

// parse reads the request in a packet, or in the memfd that comes with it.
func (p *packet) parse() (*request, error) {
	parsed, err := parseRequest(p.bytes)
	if err == nil && p.cut {
		err = failed(whatDescriptors, unix.EMFILE)
	}
	if err == nil && parsed.Memfd != 0 {
		if len(p.descriptors) == 0 {
			return nil, errMalformed
		}
		parsed, err = readLarge(p.descriptors[0], parsed.Memfd)
		_ = unix.Close(p.descriptors[0])
		p.descriptors = p.descriptors[1:]
	}
	if parsed != nil && parsed.ID == nil {
		return nil, errMalformed
	}
	return parsed, err
}

// packets is where packets come from: a socket, or a connection as the runtime has it.
type packets interface {
	ReadMsgUnix(buffer, control []byte) (count, controlCount, flags int, from *net.UnixAddr, err error)
}

func receive(from packets, buffer []byte) (packet, error) {
	control := make([]byte, unix.CmsgSpace(maxDescriptors*descriptorSize))
	count, controlCount, flags, _, err := from.ReadMsgUnix(buffer, control)
	if err != nil {
		return packet{}, err
	}
	descriptors := receivedDescriptors(control[:controlCount])
	if count == 0 {
		closeAll(descriptors)
		return packet{}, io.EOF
	}
	return packet{buffer[:count], descriptors, flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0}, nil
}

func receivedDescriptors(control []byte) []int {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return nil
	}
	var descriptors []int
	for index := range messages {
		if rights, err := unix.ParseUnixRights(&messages[index]); err == nil {
			descriptors = append(descriptors, rights...)
		}
	}
	return descriptors
}
