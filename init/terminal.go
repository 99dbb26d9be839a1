package main

import (
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

const (
	// terminalMaker gives a new master with each open, of the workspace's own terminals.
	terminalMaker = "/dev/ptmx"

	// maxWindow is the most rows or columns that the kernel's struct winsize can say.
	maxWindow = 1<<16 - 1

	// usualEndOfFile is what closes the input where a terminal has no character of its own for it: Ctrl-D.
	usualEndOfFile = 4
)

// windowSize is how large the window is that a terminal stands for, in characters.
type windowSize struct {
	Rows    int `json:"rows"`
	Columns int `json:"columns"`
}

func (w windowSize) isValid() bool {
	return 0 < w.Rows && w.Rows <= maxWindow && 0 < w.Columns && w.Columns <= maxWindow
}

// terminal is a pseudo-terminal. A command sits at its slave; init relays between its master and the server's pipes, so that the
// server never touches a device of the workspace.
type terminal struct {
	master  *pollable
	slave   *os.File // held while the first process lives, which may close its own and come back by /dev/tty
	input   *pollable
	output  *pollable
	drained chan struct{} // closed when all that the first process wrote has been relayed, or nothing will be any more
	telling sync.Once
}

// newTerminal owns the server's pipes from here on, whether it succeeds or not.
func newTerminal(size windowSize, input, output int, lane lane) (*terminal, error) {
	master, slave, err := openPair(size)
	if err != nil {
		closeAll([]int{input, output})
		return nil, failed(whatTerminal, err)
	}
	made := &terminal{
		master: newPollable(master, lane), slave: os.NewFile(uintptr(slave), ""),
		input: newPollable(input, lane), output: newPollable(output, lane),
		drained: make(chan struct{}),
	}
	if !made.master.canWait() {
		made.close()
		return nil, failed(whatTerminal, unix.ENOSPC)
	}
	return made, nil
}

func openPair(size windowSize) (master, slave int, err error) {
	master, err = unix.Open(terminalMaker, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, -1, err
	}
	if err = setUp(master, size); err == nil {
		if slave, err = openSlave(master); err == nil {
			return master, slave, nil
		}
	}
	_ = unix.Close(master)
	return -1, -1, err
}

// setUp unlocks the slave and makes it what terminal programs expect: of the right size, and erasing whole characters of UTF-8.
func setUp(master int, size windowSize) error {
	if err := unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0); err != nil {
		return err
	}
	settings, err := unix.IoctlGetTermios(master, unix.TCGETS)
	if err != nil {
		return err
	}
	settings.Iflag |= unix.IUTF8
	if err := unix.IoctlSetTermios(master, unix.TCSETS, settings); err != nil {
		return err
	}
	return setSize(master, size)
}

// openSlave needs no name, so that nothing mounted over /dev/pts can come in between. gVisor has only the name.
func openSlave(master int) (int, error) {
	const flags = unix.O_RDWR | unix.O_NOCTTY | unix.O_CLOEXEC
	slave, _, number := unix.Syscall(unix.SYS_IOCTL, uintptr(master), unix.TIOCGPTPEER, flags)
	if number == 0 {
		return int(slave), nil
	}
	if number != unix.ENOTTY && number != unix.EINVAL {
		return -1, number
	}
	index, err := unix.IoctlGetInt(master, unix.TIOCGPTN)
	if err != nil {
		return -1, err
	}
	return unix.Open(fmt.Sprintf("/dev/pts/%d", index), flags, 0)
}

func setSize(master int, size windowSize) error {
	window := &unix.Winsize{Row: uint16(size.Rows), Col: uint16(size.Columns)}
	return unix.IoctlSetWinsize(master, unix.TIOCSWINSZ, window)
}

// resize tells the foreground of the terminal, by the kernel's SIGWINCH.
func (t *terminal) resize(size windowSize) error {
	if t == nil {
		return failed(whatTerminal, unix.ENOTTY)
	}
	err := t.master.control(func(master int) error { return setSize(master, size) })
	if err != nil {
		return failed(whatTerminal, unix.ENOTTY) // it has been hung up
	}
	return nil
}

// resize gives an execution's terminal another size.
func (t *table) resize(asked *request) error {
	size := windowSize{asked.Rows, asked.Columns}
	t.mutex.Lock()
	known := t.known[asked.Execution]
	t.mutex.Unlock()
	switch {
	case known == nil:
		return failed(whatExecution, unix.ESRCH)
	case !size.isValid():
		return failed(whatRequest, unix.EINVAL)
	}
	return known.terminal.resize(size)
}

// endOfFile is the character that closes the terminal's input.
func (t *terminal) endOfFile() byte {
	character := byte(usualEndOfFile)
	_ = t.master.control(func(master int) error {
		settings, err := unix.IoctlGetTermios(master, unix.TCGETS)
		if err == nil && settings.Cc[unix.VEOF] != 0 {
			character = settings.Cc[unix.VEOF]
		}
		return err
	})
	return character
}

// close hangs up on whoever still sits at the terminal. It waits for system calls that are under way.
func (t *terminal) close() {
	_ = t.slave.Close()
	for _, one := range []*pollable{t.master, t.input, t.output} {
		one.close()
	}
	t.tellDrained()
}

func (t *terminal) tellDrained() { t.telling.Do(func() { close(t.drained) }) }
