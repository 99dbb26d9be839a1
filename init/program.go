package main

import (
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// usualPath is where programs are sought when the child's environment has no PATH.
const usualPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// spawnFromPath does what execvp does: a program without a slash is sought in the child's PATH, relative to its working folder;
// one that may not be run doesn't end the search, but is what is told when nothing better is found.
func spawnFromPath(program string, arguments []string, attributes *syscall.ProcAttr) (int, error) {
	if program == "" {
		return 0, unix.ENOENT
	}
	if strings.Contains(program, "/") {
		return syscall.ForkExec(program, arguments, attributes)
	}
	result := error(unix.ENOENT)
	for _, folder := range strings.Split(searchPath(attributes.Env), ":") {
		candidate := "./" + program
		if folder != "" {
			candidate = folder + "/" + program
		}
		// A look before the spawn saves one for most folders; what counts is what the kernel says afterwards.
		var found unix.Stat_t
		err := unix.Stat(candidate, &found)
		if err == nil {
			var pid int
			if pid, err = syscall.ForkExec(candidate, arguments, attributes); err == nil {
				return pid, nil
			}
		}
		switch err {
		case unix.ENOENT, unix.ENOTDIR:
		case unix.EACCES:
			result = err
		default:
			return 0, err
		}
	}
	return 0, result
}

func searchPath(environment []string) string {
	for _, variable := range environment {
		if path, found := strings.CutPrefix(variable, "PATH="); found {
			return path
		}
	}
	return usualPath
}
