package main

import "golang.org/x/sys/unix"

// nativeArchitecture is how the kernel tells system calls of this machine's own numbering.
const nativeArchitecture = unix.AUDIT_ARCH_AARCH64
