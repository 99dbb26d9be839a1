package main

import (
	"bytes"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// streams are what every command gets: stdin, stdout and stderr.
	streams = 3

	// maxExtra is how many descriptors a command may get after its streams: a shell that goes on from command to command has a way
	// to it and one back that are not the commands'.
	maxExtra = 2

	// maxKept is how many descriptors init may keep of a start: the server's ends of all that the command gets.
	maxKept = streams + maxExtra

	// maxExecutionName bounds an execution's id, in bytes, so that each answer and event about it fits a packet.
	maxExecutionName = 256
)

// command is what a start asks for, as execve takes it, and all that is to be closed should it never run.
type command struct {
	programs    []string
	arguments   []string
	environment []string
	given       []int // the command's descriptors; a terminal's own take the place of the streams
	kept        keptDescriptors
	terminal    *terminal // nil for most
	user        *user     // nil for init's own
}

// prepare takes over the request's descriptors if it succeeds.
func (s *starter) prepare(asked *request, user *user) (*command, error) {
	if !isComplete(asked) || hasZeroByte(asked.Programs, asked.Arguments, asked.Variables) {
		return nil, failed(whatRequest, unix.EINVAL)
	}
	descriptors := asked.takeDescriptors()
	kept := len(descriptors) - asked.Keep
	wanted := &command{
		programs:    texts(asked.Programs),
		arguments:   texts(asked.Arguments),
		environment: overlay(overlay(s.environment, user.variables()), texts(asked.Variables)),
		user:        user,
		given:       descriptors[:kept],
		kept:        descriptors[kept:],
	}
	if asked.Terminal == nil {
		return wanted, nil
	}
	if err := wanted.sitDown(*asked.Terminal, s.relayLane); err != nil {
		wanted.close()
		return nil, err
	}
	return wanted, nil
}

func isComplete(asked *request) bool {
	return len(asked.Programs) > 0 && len(asked.Arguments) > 0 &&
		asked.Execution != "" && len(asked.Execution) <= maxExecutionName &&
		(asked.Terminal == nil || asked.Terminal.isValid()) &&
		asked.Extra >= 0 && asked.Extra <= maxExtra && asked.Keep >= 0 && asked.Keep <= maxKept &&
		len(asked.descriptors) == streams+asked.Extra+asked.Keep
}

func hasZeroByte(lists ...[][]byte) bool {
	for _, list := range lists {
		for _, text := range list {
			if bytes.IndexByte(text, 0) >= 0 {
				return true
			}
		}
	}
	return false
}

// sitDown gives the command a terminal. The pipes for stdin and stdout are the terminal's from here on, and the one for stderr is nobody's:
// all output of a terminal is one stream.
func (c *command) sitDown(size windowSize, relayLane lane) error {
	input, output := c.given[0], c.given[1]
	c.given = c.given[2:]
	var err error
	c.terminal, err = newTerminal(size, input, output, relayLane)
	if err == nil && c.user != nil {
		// So that it can be opened by its name. It works all the same where init may give nothing away.
		_ = c.terminal.slave.Chown(int(c.user.account.uid), -1)
	}
	return err
}

// files are what the command gets as 0, 1, 2 and so on.
func (c *command) files() []uintptr {
	var all []uintptr
	given := c.given
	if c.terminal != nil {
		slave := c.terminal.slave.Fd()
		all = append(all, slave, slave, slave)
		given = given[1:] // stderr
	}
	for _, descriptor := range given {
		all = append(all, uintptr(descriptor))
	}
	return all
}

// handOver makes what outlives the start the execution's own.
func (c *command) handOver(to *execution) {
	to.kept, to.terminal = c.kept, c.terminal
	c.kept, c.terminal = nil, nil
	if to.terminal != nil {
		to.terminal.begin()
	}
}

// close lets go of all that is still the command's own.
func (c *command) close() {
	closeAll(c.given)
	c.kept.close()
	if c.terminal != nil {
		c.terminal.close()
	}
	c.given, c.kept, c.terminal = nil, nil, nil
}

// argumentsFor puts the program's own name where the request leaves it open: a shell goes by what it is called.
func (c *command) argumentsFor(program string) []string {
	if c.arguments[0] != "" {
		return c.arguments
	}
	return append([]string{path.Base(program)}, c.arguments[1:]...)
}

func texts(byteStrings [][]byte) []string {
	converted := make([]string, len(byteStrings))
	for index, byteString := range byteStrings {
		converted[index] = string(byteString)
	}
	return converted
}

// overlay joins K=V variables: the later one of a name holds, in the place of the first.
func overlay(below, above []string) []string {
	joined := make([]string, 0, len(below)+len(above))
	places := map[string]int{}
	for _, variable := range append(append([]string{}, below...), above...) {
		name, _, _ := strings.Cut(variable, "=")
		if place, taken := places[name]; taken {
			joined[place] = variable
			continue
		}
		places[name] = len(joined)
		joined = append(joined, variable)
	}
	return joined
}
