package main

import (
	"archive/tar"
	"bufio"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

type packAnswer struct {
	Entries int64 `json:"entries"`
	Bytes   int64 `json:"bytes"`   // of files' content
	Skipped int64 `json:"skipped"` // FIFOs, sockets and devices
	Changed int64 `json:"changed"` // files that were written to while they were read
	Errors  int64 `json:"errors"`  // what could not be read, or lies too deep
}

// pack writes a folder with all beneath it, or a file, to a pipe as a tar stream. It follows nothing beneath the path.
func (a *archives) pack(asked *request, pipe *pollable) (any, error) {
	at, err := a.files.locate(asked)
	if err != nil {
		return nil, failed(whatPath, err)
	}
	defer at.close()
	opened, err := a.files.openFileOrFolder(at)
	if err != nil {
		return nil, failed(whatPath, err)
	}
	defer func() { _ = unix.Close(opened) }()
	out := bufio.NewWriterSize(pipeEnd{pipe}, archiveBuffer)
	packing := &packing{stream: tar.NewWriter(out), buffer: make([]byte, archiveBuffer), pause: a.pause}
	_, name, _ := splitPath(at.path)
	if err = packing.all(opened, name); err == nil {
		if err = packing.summary(opened); err == nil {
			err = packing.stream.Close()
		}
		if err == nil {
			err = out.Flush()
		}
	}
	if err != nil {
		return nil, failed(whatDescriptors, err)
	}
	return packing.packAnswer, nil
}

// summary is an archive's last word, for who only has the stream: the top once more, with a remark that others read past.
func (p *packing) summary(opened int) error {
	header := &tar.Header{Typeflag: tar.TypeDir, Name: "./", Mode: usualFolderMode}
	var seen unix.Stat_t
	if unix.Fstat(opened, &seen) == nil && isFolder(&seen) {
		header.Mode, header.ModTime = int64(seen.Mode&permissionBits), time.Unix(seen.Mtim.Sec, 0)
	}
	header.PAXRecords = map[string]string{"comment": string(encode(p.packAnswer))}
	return p.stream.WriteHeader(header)
}

// openFileOrFolder opens what a path leads to for reading.
func (f *files) openFileOrFolder(at place) (int, error) {
	folder, err := f.resolver.open(at.folder, at.path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK, 0)
	if err != unix.ENOTDIR {
		return folder, err
	}
	return f.openFile(at)
}

// packing is one walk through a tree. Its errors are those of the pipe alone; what goes wrong with an entry is counted.
type packing struct {
	packAnswer
	stream *tar.Writer
	buffer []byte
	pause  func()
}

func (p *packing) all(opened int, name string) error {
	var seen unix.Stat_t
	if err := unix.Fstat(opened, &seen); err != nil {
		p.missed(err)
		return nil
	}
	if !isFolder(&seen) {
		return p.content(opened, name, &seen)
	}
	if err := p.head(tar.TypeDir, "./", "", 0, &seen); err != nil {
		return err
	}
	return p.walk(opened, "", 0)
}

// missed counts what could not be read. What has gone meanwhile is as if it had never been.
func (p *packing) missed(err error) {
	if err != unix.ENOENT {
		p.Errors++
	}
}

func (p *packing) walk(folder int, path string, depth int) error {
	names, _, err := readNames(folder, -1)
	if err != nil {
		p.missed(err)
	}
	slices.Sort(names)
	for _, name := range names {
		p.pause()
		if err := p.entry(folder, name, joinPath(path, name), depth); err != nil {
			return err
		}
	}
	return nil
}

// entry looks before it opens, since opening a FIFO or a device does something. No archive holds a path that no system call takes.
func (p *packing) entry(folder int, name, path string, depth int) error {
	var seen unix.Stat_t
	if err := unix.Fstatat(folder, name, &seen, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		p.missed(err)
		return nil
	}
	switch kind := typeOf(&seen); {
	case kind == "o":
		p.Skipped++
		return nil
	case len(path) >= maxPath:
		p.missed(unix.ENAMETOOLONG)
		return nil
	case kind == "d":
		return p.folder(folder, name, path, depth+1, &seen)
	case kind == "l":
		return p.link(folder, name, path, &seen)
	}
	return p.file(folder, name, path)
}

func (p *packing) folder(parent int, name, path string, depth int, seen *unix.Stat_t) error {
	if err := p.head(tar.TypeDir, path+"/", "", 0, seen); err != nil {
		return err
	}
	if depth > maxListDepth {
		p.missed(unix.ENAMETOOLONG)
		return nil
	}
	folder, err := openFolder(parent, name)
	if err != nil {
		p.missed(err)
		return nil
	}
	defer func() { _ = unix.Close(folder) }()
	return p.walk(folder, path, depth)
}

func (p *packing) link(folder int, name, path string, seen *unix.Stat_t) error {
	count, err := unix.Readlinkat(folder, name, p.buffer)
	if err != nil {
		p.missed(err)
		return nil
	}
	return p.head(tar.TypeSymlink, path, string(p.buffer[:count]), 0, seen)
}

func (p *packing) file(folder int, name, path string) error {
	flags := unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC
	file, err := unix.Openat(folder, name, flags, 0)
	if err != nil {
		p.missed(err)
		return nil
	}
	defer func() { _ = unix.Close(file) }()
	var seen unix.Stat_t
	if err := unix.Fstat(file, &seen); err != nil {
		p.missed(err)
		return nil
	}
	if typeOf(&seen) != "f" { // the name has got another meaning
		p.Skipped++
		return nil
	}
	return p.content(file, path, &seen)
}

// head gives an entry's whole seconds alone: fractions would take a kibibyte more each.
func (p *packing) head(kind byte, path, target string, size int64, seen *unix.Stat_t) error {
	p.Entries++
	return p.stream.WriteHeader(&tar.Header{
		Typeflag: kind, Name: path, Linkname: target, Size: size,
		Mode: int64(seen.Mode & permissionBits), ModTime: time.Unix(seen.Mtim.Sec, 0),
	})
}

// content writes as many bytes as the file had at first, which the entry's head has promised.
func (p *packing) content(file int, path string, seen *unix.Stat_t) error {
	if err := p.head(tar.TypeReg, path, "", seen.Size, seen); err != nil {
		return err
	}
	left, err := p.copy(file, seen.Size)
	if err != nil {
		return err
	}
	p.Bytes += seen.Size
	var after unix.Stat_t
	if left > 0 || unix.Fstat(file, &after) != nil || after.Size != seen.Size || after.Mtim != seen.Mtim {
		p.Changed++
	}
	clear(p.buffer)
	for left > 0 {
		count := min(left, int64(len(p.buffer)))
		if _, err := p.stream.Write(p.buffer[:count]); err != nil {
			return err
		}
		left -= count
	}
	return nil
}

// copy gives how much of the promised is still to come when the file has no more. Its error is the pipe's.
func (p *packing) copy(file int, promised int64) (left int64, err error) {
	for left = promised; left > 0; {
		count, err := unix.Read(file, p.buffer[:min(left, int64(len(p.buffer)))])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			p.missed(err)
		}
		if err != nil || count == 0 {
			return left, nil
		}
		if _, err := p.stream.Write(p.buffer[:count]); err != nil {
			return left, err
		}
		left -= int64(count)
	}
	return 0, nil
}
