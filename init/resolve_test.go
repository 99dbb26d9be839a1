package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// found is what a resolver says of a path: where it leads, or why not.
type found struct {
	device, inode uint64
	errno         string
}

func resolveWith(with resolver, folder int, path string, flags int) found {
	descriptor, err := with.open(folder, path, flags, 0)
	if err != nil {
		return found{errno: errnoName(err)}
	}
	defer func() { _ = unix.Close(descriptor) }()
	var seen unix.Stat_t
	if err := unix.Fstat(descriptor, &seen); err != nil {
		return found{errno: errnoName(err)}
	}
	return found{device: seen.Dev, inode: seen.Ino}
}

// plant makes a tree with everything in it that a path can stumble over.
func plant(t *testing.T, outer string) string {
	t.Helper()
	root := filepath.Join(outer, "root")
	must(t, os.MkdirAll(filepath.Join(root, "a/b/c"), 0o755))
	must(t, os.MkdirAll(filepath.Join(root, "d"), 0o755))
	must(t, os.MkdirAll(filepath.Join(outer, "secret"), 0o755))
	must(t, os.WriteFile(filepath.Join(outer, "secret/file"), []byte("outside"), 0o644))
	for _, file := range []string{"file", "a/file", "a/b/file", "d/file"} {
		must(t, os.WriteFile(filepath.Join(root, file), []byte("inside"), 0o644))
	}
	for link, target := range map[string]string{
		"in": "a", "infile": "a/file", "deep": "a/b/c", "a/up": "..", "a/b/top": "../..", "a/side": "../d", "d/twice": "../in/b",
		"out": "..", "outfile": "../secret/file", "a/out": "../../secret", "absolute": outer + "/secret", "home": root,
		"loop": "loop", "ping": "pong", "pong": "ping", "dangling": "a/none", "slash": "a/", "fileslash": "file/", "dot": ".",
		"self": "/proc/self/root", "a/b/empty": "./././c", "dotdot": "a/..", "backforth": "a/../../root/file",
	} {
		must(t, os.Symlink(target, filepath.Join(root, link)))
	}
	// Forty links are followed, not one more.
	previous := "file"
	for index := range maxLinks + 1 {
		name := fmt.Sprintf("chain%d", index)
		must(t, os.Symlink(previous, filepath.Join(root, name)))
		previous = name
	}
	must(t, unix.Mkfifo(filepath.Join(root, "fifo"), 0o644))
	return root
}

func TestWalkingFindsWhatTheKernelFinds(t *testing.T) {
	if newResolver(false) != (kernelResolver{}) {
		t.Skip("this kernel has no openat2 to compare with")
	}
	root := plant(t, t.TempDir())
	folder, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY, 0)
	must(t, err)
	defer func() { _ = unix.Close(folder) }()
	// No path of more than twenty links that is to be followed: the kernel also counts those of a first attempt without locks that it had to
	// give up, so its answer there depends on the moment.
	names := []string{
		".", "..", "a", "b", "c", "d", "file", "in", "infile", "deep", "up", "top", "side", "twice", "out", "outfile", "absolute",
		"home", "loop", "ping", "dangling", "slash", "fileslash", "dot", "self", "empty", "dotdot", "backforth", "fifo", "none",
		"chain9", "chain40", "", strings.Repeat("n", 255), strings.Repeat("n", 256),
	}
	ways := []int{
		unix.O_PATH, unix.O_PATH | unix.O_NOFOLLOW, unix.O_PATH | unix.O_DIRECTORY,
		unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW,
		unix.O_RDONLY | unix.O_NONBLOCK, unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NONBLOCK,
	}
	random := rand.New(rand.NewPCG(1, 2))
	const paths = 20_000
	outcomes := map[string]int{}
	for range paths {
		parts := make([]string, 1+random.IntN(6))
		for index := range parts {
			parts[index] = names[random.IntN(len(names))]
		}
		path := strings.Join(parts, "/")
		for _, flags := range ways {
			kernel := resolveWith(kernelResolver{}, folder, path, flags)
			walked := resolveWith(walkResolver{}, folder, path, flags)
			outcomes[kernel.errno]++
			if kernel != walked {
				t.Fatalf("%q with %#o: the kernel says %+v, the walk %+v", path, flags, kernel, walked)
			}
		}
	}
	t.Logf("%d paths in %d ways: %v", paths, len(ways), outcomes)
}

func TestMagicLinksAreRefused(t *testing.T) {
	processes, err := unix.Open("/proc", unix.O_PATH|unix.O_DIRECTORY, 0)
	must(t, err)
	defer func() { _ = unix.Close(processes) }()
	for _, with := range []resolver{kernelResolver{}, walkResolver{}} {
		for _, path := range []string{"self/root", "self/cwd", "self/exe", "self/root/etc", "self/fd/0", "self/ns/pid"} {
			if got := resolveWith(with, processes, path, unix.O_PATH); got.errno != "ELOOP" {
				t.Errorf("%T, %s: %+v", with, path, got)
			}
		}
		if got := resolveWith(with, processes, "self/status", unix.O_PATH); got.errno != "" {
			t.Errorf("%T: an ordinary link of /proc: %+v", with, got)
		}
	}
}

func TestAWalkOpensNoMoreThanItCloses(t *testing.T) {
	root := plant(t, t.TempDir())
	folder, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY, 0)
	must(t, err)
	defer func() { _ = unix.Close(folder) }()
	before := openDescriptors(t)
	for _, path := range []string{"a/b/c/../../file", "deep/../../x", "out", "loop", "a/b/c", "file/x", "a/../..", "home", "chain40"} {
		resolveWith(walkResolver{}, folder, path, unix.O_PATH)
	}
	if after := openDescriptors(t); after != before {
		t.Errorf("%d were open, %d are", before, after)
	}
}

func openDescriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(entries)
}
