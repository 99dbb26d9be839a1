package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"errors"
	"io"
	"syscall"

	"golang.org/x/sys/unix"
)

type unpackAnswer struct {
	Entries int64 `json:"entries"`
	Bytes   int64 `json:"bytes"` // of files' content
}

// unpack makes what a tar stream from a pipe holds, beneath a folder. Whoever wrote the stream is not believed: what breaks a rule ends
// it there, and what was whole by then stays.
func (a *archives) unpack(asked *request, pipe *pollable) (any, error) {
	top, isNew, err := a.openTarget(asked)
	if err != nil {
		return nil, failed(whatPath, err)
	}
	reader := &pipeReader{pipe: pipe, count: a.count}
	buffered := bufio.NewReaderSize(reader, archiveBuffer)
	unpacking := &unpacking{
		stream: tar.NewReader(buffered), pause: a.pause, buffer: make([]byte, archiveBuffer), isNew: isNew,
		trail: newTrail(a.files.resolver, top), maxEntries: asked.MaxEntries, maxBytes: asked.MaxBytes,
	}
	err = unpacking.all()
	finished := unpacking.trail.finish()
	switch {
	case err != nil:
	case finished != nil:
		err = failed(whatEntry, finished)
	case reader.ended: // before the two empty blocks that end an archive
		err = failed(whatStream, unix.EINVAL)
	default:
		err = checkNothingFollows(buffered)
	}
	if err != nil {
		return nil, unpacking.placed(err)
	}
	return unpacking.unpackAnswer, nil
}

// openTarget opens the folder that is to be filled, and tells whether it was made for that.
func (a *archives) openTarget(asked *request) (top int, isNew bool, err error) {
	at, err := a.files.locate(asked)
	if err != nil {
		return -1, false, err
	}
	defer at.close()
	if a.files.checkFolder(at.folder, at.path) == unix.ENOENT {
		if err := a.files.makeFolders(at.folder, at.path, usualFolderMode); err != nil {
			return -1, false, err
		}
		isNew = true
	}
	top, err = openToFill(func(flags int) (int, error) { return a.files.resolver.open(at.folder, at.path, flags, 0) })
	return top, isNew, err
}

// checkNothingFollows reads on to the pipe's end: archives are padded, but what is no padding would be lost without a word.
func checkNothingFollows(rest *bufio.Reader) error {
	for {
		_, err := rest.Peek(1)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return brokenStream(err)
		}
		padding, _ := rest.Peek(rest.Buffered())
		if len(bytes.Trim(padding, "\x00")) > 0 {
			return failed(whatStream, unix.EINVAL)
		}
		_, _ = rest.Discard(len(padding))
	}
}

// brokenStream is for what keeps an archive from being read.
func brokenStream(err error) error {
	if number := syscall.Errno(0); errors.As(err, &number) {
		return failed(whatStream, number)
	}
	return failed(whatStream, unix.EINVAL)
}

// unpacking is one archive on its way to the disk.
type unpacking struct {
	unpackAnswer
	stream     *tar.Reader
	trail      *trail
	buffer     []byte
	pause      func()
	isNew      bool // whether the top may get the archive's mode for it
	maxEntries int64
	maxBytes   int64
}

func (u *unpacking) all() error {
	for {
		header, err := u.stream.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) { // what that is about is checked here
			return brokenStream(err)
		}
		u.pause()
		if u.Entries >= u.maxEntries {
			return failed(whatEntry, unix.EFBIG)
		}
		if err := u.entry(header); err != nil {
			return failed(whatEntry, err)
		}
		u.Entries++
	}
}

// placed says which entry an error is about: the first that is not there whole.
func (u *unpacking) placed(err error) error {
	known := failed(whatStream, err).(*failure)
	if known.What == whatEntry || known.What == whatStream {
		known.Entry = u.Entries + 1
	}
	return known
}

// entry makes one thing. All that it could lead out by has been looked at when anything is made.
func (u *unpacking) entry(header *tar.Header) error {
	if header.Typeflag == tar.TypeXGlobalHeader {
		return checkRemark(header)
	}
	names, asksFolder, err := splitName(header.Name)
	if err != nil {
		return err
	}
	mode := uint32(header.Mode) & permissionBits
	if header.Typeflag == tar.TypeDir {
		return u.folder(names, mode, header)
	}
	if asksFolder || len(names) == 0 {
		return unix.EINVAL
	}
	parents, name := names[:len(names)-1], names[len(names)-1]
	switch header.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse:
		return u.file(parents, name, mode, header)
	case tar.TypeSymlink:
		return u.symlink(parents, name, header.Linkname)
	case tar.TypeLink:
		return u.hardLink(parents, name, header.Linkname)
	}
	return &failure{Errno: errnoNotRegular, What: whatEntry}
}

// checkRemark lets pass what archivers write about an archive itself. Anything else that is said for all entries would be lost.
func checkRemark(header *tar.Header) error {
	for key := range header.PAXRecords {
		if key != "comment" {
			return unix.EINVAL
		}
	}
	return nil
}

// file writes a draft beside its target, so that a stream which breaks leaves no half file. A symlink of its name is replaced.
func (u *unpacking) file(parents []string, name string, mode uint32, header *tar.Header) error {
	if header.Size > u.maxBytes-u.Bytes {
		return unix.EFBIG
	}
	parent, err := u.trail.enter(parents)
	if err != nil {
		return err
	}
	made, err := newDraft(parent, name, mode)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(made.file) }()
	if err = u.fill(made.file); err == nil {
		setTimes(made.file, header.ModTime)
		err = made.place(mode)
	}
	if err != nil {
		_ = unix.Unlinkat(parent, made.name, 0)
		return err
	}
	u.Bytes += header.Size
	return nil
}

func (u *unpacking) fill(file int) error {
	for {
		count, err := u.stream.Read(u.buffer)
		if writing := writeAll(file, u.buffer[:count]); writing != nil {
			return writing
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return brokenStream(err)
		}
	}
}

func writeAll(file int, data []byte) error {
	for len(data) > 0 {
		count, err := unix.Write(file, data)
		if err != nil && err != unix.EINTR {
			return err
		}
		data = data[max(count, 0):]
	}
	return nil
}
