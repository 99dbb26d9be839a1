package main

import "golang.org/x/sys/unix"

// memoryFiles are where the kernel says, in either version of cgroups, what it has killed for want of memory in this container, how much
// all of it may use, and how much it has used at most. The first version that is there is the one that counts.
var memoryFiles = [][]string{
	{"/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.peak"},
	{
		"/sys/fs/cgroup/memory/memory.oom_control", "/sys/fs/cgroup/memory/memory.limit_in_bytes",
		"/sys/fs/cgroup/memory/memory.max_usage_in_bytes",
	},
}

type memoryAnswer struct {
	Files []int `json:"files"` // one number for each descriptor that comes along: its place in the list
}

// memory opens them for the server, which cannot see this container's. There may be none, as behind a wall without /sys.
func memory(*request) (any, []int, error) {
	found := memoryAnswer{Files: []int{}}
	var descriptors []int
	for _, paths := range memoryFiles {
		for place, path := range paths {
			descriptor, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
			if err != nil {
				continue // an older kernel has fewer
			}
			found.Files = append(found.Files, place)
			descriptors = append(descriptors, descriptor)
		}
		if len(descriptors) > 0 {
			break
		}
	}
	return found, descriptors, nil
}
