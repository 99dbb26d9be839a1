package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const (
	// seedDraft is what a volume's content is copied into first: an interrupted copy is begun anew.
	seedDraft = ".kubebox-seed"

	// lostAndFound comes with some file systems, so a volume that holds nothing else is empty.
	lostAndFound = "lost+found"

	usualShell   = "/bin/sh"
	accountsMode = 0o644
)

// shells are those that an account may get, the first that is there.
var shells = []string{"/bin/bash", "/usr/bin/bash", usualShell}

type seedOptions struct {
	workspace string
	into      string
	etc       string
	uid       uint64
	gid       uint64
	name      string
	home      string
}

func parseSeedOptions(arguments []string) (seedOptions, error) {
	var chosen seedOptions
	flags := flag.NewFlagSet("init seed", flag.ContinueOnError)
	flags.StringVar(&chosen.workspace, "workspace", "/workspace", "the image's own folder, which may be missing")
	flags.StringVar(&chosen.into, "into", "", "the volume that takes its place")
	flags.StringVar(&chosen.etc, "etc", "", "where passwd and group go")
	flags.Uint64Var(&chosen.uid, "uid", 0, "the user that works there")
	flags.Uint64Var(&chosen.gid, "gid", 0, "its group")
	flags.StringVar(&chosen.name, "name", "user", "what they are called where the image has no name for them")
	flags.StringVar(&chosen.home, "home", "/", "the user's home")
	if err := flags.Parse(arguments); err != nil {
		return chosen, err
	}
	const largest = 1<<32 - 2 // one more means "no change" to the kernel
	if chosen.into == "" || chosen.etc == "" || flags.NArg() > 0 || chosen.uid > largest || chosen.gid > largest {
		return chosen, errors.New("usage: init seed --into FOLDER --etc FOLDER --uid N --gid N [--workspace FOLDER] [--name NAME] [--home FOLDER]")
	}
	return chosen, nil
}

// seed prepares the volumes of a workspace of any image, in a container of that image that comes before: what the image has in the folder
// that a volume hides, and accounts with a name for whoever works there.
func seed(arguments []string) int {
	chosen, err := parseSeedOptions(arguments)
	if err != nil {
		fmt.Fprintln(os.Stderr, "init seed:", err)
		return exitUsage
	}
	unix.Umask(0)
	if err = seedVolume(chosen.workspace, chosen.into); err == nil {
		err = seedAccounts(chosen)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "init seed:", err)
		return exitFailed
	}
	return 0
}

// seedVolume copies a folder into a volume that holds nothing yet. What is there by then has been copied before, or is the user's: it
// stays as it is. The content comes into place by renaming, and the draft goes last, so its presence tells of an interruption.
func seedVolume(from, into string) error {
	names, err := entriesOf(from)
	if err != nil || len(names) == 0 {
		return nil // the image has none, or none that this user may see
	}
	there, err := entriesOf(into)
	if err != nil {
		return err
	}
	draft := filepath.Join(into, seedDraft)
	if len(there) > 0 {
		if _, err := os.Lstat(draft); err != nil {
			return nil
		}
		if err := removeDraft(draft); err != nil {
			return err
		}
	}
	copying := &copier{}
	if err := copying.folder(from, draft); err != nil {
		return err
	}
	copying.report()
	return moveInto(draft, into)
}

// removeDraft removes folders, too, that their owner may not write.
func removeDraft(draft string) error {
	err := filepath.WalkDir(draft, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			err = os.Chmod(path, 0o700)
		}
		return err
	})
	if err != nil {
		return err
	}
	return os.RemoveAll(draft)
}

func entriesOf(folder string) ([]string, error) {
	opened, err := os.Open(folder)
	if err != nil {
		return nil, err
	}
	defer func() { _ = opened.Close() }()
	all, err := opened.Readdirnames(-1)
	var names []string
	for _, name := range all {
		if name != lostAndFound {
			names = append(names, name)
		}
	}
	return names, err
}

// moveInto leaves what is there: an interrupted seed had moved it already.
func moveInto(draft, into string) error {
	names, err := entriesOf(draft)
	if err != nil {
		return err
	}
	// It must let its entries go, whatever the image's folder allowed.
	if err := os.Chmod(draft, 0o700); err != nil {
		return err
	}
	for _, name := range names {
		place := filepath.Join(into, name)
		if _, err := os.Lstat(place); err == nil {
			continue
		}
		if err := rename(filepath.Join(draft, name), place); err != nil {
			return err
		}
	}
	return removeDraft(draft)
}

// rename moves a folder that its owner may not write, too: the kernel wants to write its "..".
func rename(from, to string) error {
	err := os.Rename(from, to)
	if !errors.Is(err, unix.EACCES) {
		return err
	}
	about, lookErr := os.Lstat(from)
	if lookErr != nil || !about.IsDir() {
		return err
	}
	if err := os.Chmod(from, 0o700); err != nil {
		return err
	}
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return os.Chmod(to, about.Mode().Perm())
}

// seedAccounts writes passwd and group as the image has them, with an account for whoever works there.
func seedAccounts(chosen seedOptions) error {
	shell := usualShell
	for _, candidate := range shells {
		if unix.Access(candidate, unix.X_OK) == nil {
			shell = candidate
			break
		}
	}
	added := account{chosen.name, uint32(chosen.uid), uint32(chosen.gid), chosen.home, shell}
	if err := writeWhole(filepath.Join(chosen.etc, "group"), withGroup(readAccounts(groupFile), chosen.name, added.gid)); err != nil {
		return err
	}
	return writeWhole(filepath.Join(chosen.etc, "passwd"), withAccount(readAccounts(passwdFile), added))
}

func writeWhole(path string, content []byte) error {
	draft := path + ".new"
	if err := os.WriteFile(draft, content, accountsMode); err != nil {
		return err
	}
	return os.Rename(draft, path)
}
