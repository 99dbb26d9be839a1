package main

import (
	"fmt"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func dialRequest(port int, timeout time.Duration) fields {
	return fields{"op": "dial", "port": port, "timeout_ms": timeout.Milliseconds()}
}

// listen gives a listener of the test's own machine, whose network init shares here.
func listen(t *testing.T, network, address string) (net.Listener, int) {
	t.Helper()
	listener, err := net.Listen(network, address)
	if err != nil {
		t.Skipf("%s: %v", address, err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener, listener.Addr().(*net.TCPAddr).Port
}

func TestAPortIsDialled(t *testing.T) {
	s := newServer(t)
	for family, address := range map[string]string{"ipv4": "127.0.0.1:0", "ipv6": "[::1]:0"} {
		t.Run(family, func(t *testing.T) {
			s.t = t
			listener, port := listen(t, "tcp", address)
			var found dialAnswer
			answered := s.ask(dialRequest(port, time.Second), &found)
			if found.Family != family || len(answered.descriptors) != 1 {
				t.Fatalf("%+v, %v", found, answered.descriptors)
			}
			flags, err := unix.FcntlInt(uintptr(answered.descriptors[0]), unix.F_GETFL, 0)
			must(t, err)
			if flags&unix.O_NONBLOCK == 0 {
				t.Error("it blocks")
			}
			accepted, err := listener.Accept()
			must(t, err)
			defer func() { _ = accepted.Close() }()
			_, err = unix.Write(answered.descriptors[0], []byte("there"))
			must(t, err)
			buffer := make([]byte, 10)
			count, err := accepted.Read(buffer)
			if err != nil || string(buffer[:count]) != "there" {
				t.Errorf("%q, %v", buffer[:count], err)
			}
		})
	}
	s.t = t
}

func TestADialThatFails(t *testing.T) {
	s := newServer(t)
	listener, port := listen(t, "tcp4", "127.0.0.1:0")
	must(t, listener.Close())
	before := initDescriptors(t, s)
	s.refused("ECONNREFUSED", whatPort, dialRequest(port, time.Second))
	for _, port := range []int{0, -1, 65536} {
		s.refused("EINVAL", whatPort, dialRequest(port, time.Second))
	}
	// Whoever doesn't accept lets others wait; nothing else has to.
	full, port := fullListener(t)
	defer func() { _ = unix.Close(full) }()
	const waiting = 100
	var waiters []chan reply
	threads := len(glob(t, fmt.Sprintf("/proc/%d/task/*", s.process.Process.Pid)))
	for range waiting {
		waiters = append(waiters, s.send(dialRequest(port, time.Second)))
	}
	s.ask(fields{"op": "ping"}, nil)
	s.start("/bin/true").exit()
	for _, waiter := range waiters {
		if answered := <-waiter; answered.Error == nil || answered.Error.Errno != "ETIMEDOUT" || answered.Error.What != whatPort {
			t.Errorf("%s, %+v", answered.OK, answered.Error)
		}
	}
	if now := len(glob(t, fmt.Sprintf("/proc/%d/task/*", s.process.Process.Pid))); now > threads {
		t.Errorf("%d threads were there, %d are", threads, now)
	}
	const few = 10 // of the command
	if now := initDescriptors(t, s); now > before+few {
		t.Errorf("%d descriptors were open, %d are", before, now)
	}
}

// fullListener takes one connection, which is there, and no more.
func fullListener(t *testing.T) (descriptor, port int) {
	t.Helper()
	descriptor, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	must(t, unix.Bind(descriptor, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	must(t, unix.Listen(descriptor, 0))
	bound, err := unix.Getsockname(descriptor)
	must(t, err)
	port = bound.(*unix.SockaddrInet4).Port
	connection, err := net.DialTimeout("tcp4", fmt.Sprintf("127.0.0.1:%d", port), enough)
	must(t, err)
	t.Cleanup(func() { _ = connection.Close() })
	return descriptor, port
}
