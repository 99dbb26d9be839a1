package main

import (
	"golang.org/x/sys/unix"
)

// maxWatchedFolders is how many folders all watches may have together. Each takes about a kibibyte of the kernel's memory, which counts as the
// workspace's, and two hundred bytes of init's.
const maxWatchedFolders = 1 << 16

// node is a folder that the kernel watches, at one place of one watch. Its path is that of its parents' names, so a renamed folder takes
// what is in it along.
type node struct {
	watch    *folderWatch // nil when it is none any more
	number   int32        // the kernel's
	parent   *node
	name     string
	children map[string]*node
	twin     *node // another place of the same folder: of another watch, or by a bind mount
}

// path is where something in the folder is, relative to the watched one.
func (n *node) path(name string) []byte {
	if n.parent == nil {
		return []byte(name)
	}
	return append(append(n.parent.path(n.name), '/'), name...)
}

func (n *node) depth() int {
	depth := 0
	for ; n.parent != nil; n = n.parent {
		depth++
	}
	return depth
}

// cover has the kernel watch a watch's folder, with all beneath it where that is asked for.
func (w *watches) cover(one *folderWatch) error {
	folder, err := w.openTop(one)
	if err != nil {
		return err
	}
	scan := &scan{watches: w, watch: one, buffer: make([]byte, scanBuffer)}
	return scan.enter(nil, "", folder, 0)
}

func (w *watches) openTop(one *folderWatch) (int, error) {
	at, err := w.files.locate(one.place)
	if err != nil {
		return -1, err
	}
	defer at.close()
	return w.files.resolver.open(at.folder, at.path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK, 0)
}

// visit covers a folder that has come, or has another place now, and tells what is in those that the kernel did not watch before: nobody was
// told of that.
func (w *watches) visit(parent *node, name string) {
	w.mutex.Lock()
	one := parent.watch
	if one == nil || !one.recursive {
		w.mutex.Unlock()
		return
	}
	depth := parent.depth() + 1
	names := make([]string, depth)
	names[depth-1] = name
	for above, index := parent, depth-2; index >= 0; above, index = above.parent, index-1 {
		names[index] = above.name
	}
	w.mutex.Unlock()
	if depth > maxListDepth {
		return
	}
	folder, err := w.openBeneath(one, names)
	if err == nil {
		scan := &scan{watches: w, watch: one, buffer: make([]byte, scanBuffer), tells: true}
		err = scan.enter(parent, name, folder, depth)
	}
	if isExhausted(err) {
		w.mutex.Lock()
		w.finish(one, errnoOf(err))
		w.mutex.Unlock()
	}
}

// openBeneath follows no symlink: what one leads to is watched where it is, or not at all.
func (w *watches) openBeneath(one *folderWatch, names []string) (int, error) {
	folder, err := w.openTop(one)
	for _, name := range names {
		if err != nil {
			break
		}
		var inner int
		inner, err = openFolder(folder, name)
		_ = unix.Close(folder)
		folder = inner
	}
	return folder, err
}

// isExhausted tells a limit that was reached from what becomes of single folders: those that have gone, or cannot be read, are not watched.
func isExhausted(err error) bool {
	switch errnoOf(err) {
	case "ENOSPC", "ENOMEM", "EMFILE", "ENFILE":
		return true
	}
	return false
}

func errnoOf(err error) string {
	if err == nil {
		return ""
	}
	return failed(whatWatch, err).(*failure).Errno
}

// scanBuffer is how many bytes of names are read from a folder at once.
const scanBuffer = 32 << 10

// scan is one walk through the folders of a watch.
type scan struct {
	watches *watches
	watch   *folderWatch
	buffer  []byte
	tells   bool // of what is in folders that were not watched
}

// enter has the kernel watch an open folder, which it closes, before it looks for folders in it: one that is made in between is found by both.
func (s *scan) enter(parent *node, name string, folder, depth int) error {
	defer func() { _ = unix.Close(folder) }()
	here, isNew, err := s.watches.attach(s.watch, parent, name, folder)
	if err != nil || here == nil || !s.watch.recursive {
		return err
	}
	for {
		count, err := unix.ReadDirent(folder, s.buffer)
		if err != nil || count <= 0 {
			return nil
		}
		s.watches.count()
		_, _, names := unix.ParseDirent(s.buffer[:count], -1, nil)
		for _, entry := range names {
			if err := s.entry(here, entry, folder, depth+1, s.tells && isNew); err != nil {
				return err
			}
		}
	}
}

func (s *scan) entry(here *node, name string, folder, depth int, tells bool) error {
	var seen unix.Stat_t
	if isDraft(name) || unix.Fstatat(folder, name, &seen, unix.AT_SYMLINK_NOFOLLOW) != nil {
		return nil
	}
	if tells {
		s.watches.found(here, name)
	}
	if !isFolder(&seen) || depth > maxListDepth {
		return nil
	}
	inner, err := openFolder(folder, name)
	if err == nil {
		err = s.enter(here, name, inner, depth)
	}
	if isExhausted(err) {
		return err
	}
	return nil
}

func (w *watches) found(folder *node, name string) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if folder.watch != nil {
		folder.watch.tell(recordCreated, folder.path(name))
	}
}

// attach has the kernel watch a folder, and tells whether it did not before. It gives none where the watch, or the folder above, has gone.
func (w *watches) attach(one *folderWatch, parent *node, name string, folder int) (here *node, isNew bool, err error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if one.ended || one.ending != "" || w.kernel == nil || parent != nil && parent.watch == nil {
		return nil, false, nil
	}
	number, err := w.kernel.add(folder)
	if err != nil {
		return nil, false, failed(whatWatch, err)
	}
	known := one.top
	if parent != nil {
		known = parent.children[name]
	}
	if known != nil && known.number == number {
		return known, false, nil
	}
	w.drop(known) // what had this name before
	if w.kernel.places >= maxWatchedFolders {
		w.kernel.removeUnused(number)
		return nil, false, failed(whatWatch, unix.ENOSPC)
	}
	made := &node{watch: one, number: number, parent: parent, name: name}
	if parent == nil {
		one.top = made
	} else {
		parent.adopt(name, made)
	}
	w.kernel.put(made)
	return made, true, nil
}

func (n *node) adopt(name string, child *node) {
	if n.children == nil {
		n.children = map[string]*node{}
	}
	child.parent, child.name = n, name
	n.children[name] = child
}

// drop forgets a folder with all beneath it. The mutex is held.
func (w *watches) drop(gone *node) {
	if gone == nil || gone.watch == nil {
		return
	}
	if gone.parent == nil {
		gone.watch.top = nil
	} else if gone.parent.children[gone.name] == gone {
		delete(gone.parent.children, gone.name)
	}
	gone.watch = nil
	for _, child := range gone.children {
		w.drop(child)
	}
	w.kernel.take(gone)
}
