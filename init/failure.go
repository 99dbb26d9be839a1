package main

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// failure is the answer to a request that was not carried out.
type failure struct {
	Errno string `json:"errno"`           // the errno's name
	What  string `json:"what"`            // the part of the request that it concerns
	Entry int64  `json:"entry,omitempty"` // of an archive, counted from one
}

// What a failure concerns.
const (
	whatRequest     = "request"
	whatRoot        = "root"
	whatFolder      = "folder"
	whatPath        = "path"
	whatTo          = "to"
	whatEntry       = "entry"
	whatStream      = "stream"
	whatPort        = "port"
	whatProgram     = "program"
	whatUser        = "user"
	whatProcess     = "process"
	whatExecution   = "execution"
	whatTerminal    = "terminal"
	whatTicket      = "ticket"
	whatDescriptors = "descriptors"
	whatWatch       = "watch"
)

// errnoNotRegular is said of FIFOs, sockets and devices, for which errno has no name.
const errnoNotRegular = "ENOTREG"

func (f *failure) Error() string { return f.What + ": " + f.Errno }

func notRegular() error { return &failure{Errno: errnoNotRegular, What: whatPath} }

// failed names what an error concerns, unless that is known already.
func failed(what string, err error) error {
	if err == nil {
		return nil
	}
	if known := (*failure)(nil); errors.As(err, &known) {
		return known
	}
	return &failure{Errno: errnoName(err), What: what}
}

func errnoName(err error) string {
	if errors.Is(err, errMalformed) {
		return "EINVAL"
	}
	var number syscall.Errno
	if errors.As(err, &number) {
		if name := unix.ErrnoName(number); name != "" {
			return name
		}
	}
	return "EIO"
}
