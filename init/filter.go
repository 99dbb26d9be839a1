package main

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// secondNumbering is the bit by which x86-64 tells the numbers of x32 programs from its own.
const secondNumbering = 0x4000_0000

// What a filter can look at: struct seccomp_data of the kernel. Only the low halves of arguments count where the kernel
// takes 32 bits of them; both of our machines store them first.
const (
	numberOffset       = 0
	architectureOffset = 4
	argumentsOffset    = 16
	argumentSize       = 8
	halfSize           = 4
)

// The verdicts on a system call; a refusal carries its errno.
const (
	allow   = uint32(unix.SECCOMP_RET_ALLOW)
	forbid  = uint32(unix.SECCOMP_RET_ERRNO) | uint32(unix.EPERM)
	missing = uint32(unix.SECCOMP_RET_ERRNO) | uint32(unix.ENOSYS)
)

// condition compares 32 bits of a system call with a value.
type condition struct {
	offset  uint32
	compare uint16
	value   uint32
	negated bool
}

func equals(offset, value uint32) condition  { return condition{offset, unix.BPF_JEQ, value, false} }
func differs(offset, value uint32) condition { return condition{offset, unix.BPF_JEQ, value, true} }
func hasBits(offset, bits uint32) condition  { return condition{offset, unix.BPF_JSET, bits, false} }

func isCall(number uint32) condition { return equals(numberOffset, number) }

func low(argument uint32) uint32  { return argumentsOffset + argument*argumentSize }
func high(argument uint32) uint32 { return low(argument) + halfSize }

// rule gives its verdict where all of its conditions hold.
type rule struct {
	verdict uint32
	when    []condition
}

// forbidden are the system calls that commands do without: the way to the keys of whoever started the sandbox (keyrings have no
// namespace), to what runs system calls that no filter sees (io_uring), and three that are known for holes in the kernel.
var forbidden = []uint32{
	unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY,
	unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER,
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD,
}

// commandRules are what commands may not do; all else is allowed. The first rule that fits counts.
func commandRules() []rule {
	rules := []rule{
		// A second numbering would be a way around all that follows. The cost: 32-bit programs don't run.
		{missing, []condition{differs(architectureOffset, nativeArchitecture)}},
		{missing, []condition{hasBits(numberOffset, secondNumbering)}},
	}
	for _, number := range forbidden {
		rules = append(rules, rule{forbid, []condition{isCall(number)}})
	}
	rules = append(rules, markRules()...)
	// Terminals: typing for somebody else, and selecting text on the console.
	for _, request := range []uint32{unix.TIOCSTI, unix.TIOCLINUX} {
		rules = append(rules, rule{forbid, []condition{isCall(unix.SYS_IOCTL), equals(low(1), request)}})
	}
	return rules
}

// markRules keep a process's mark as it is, and other processes' limits out of reach: init's own user could break it by its limits.
func markRules() []rule {
	const pid, resource, newLimit = 0, 1, 2 // prlimit's arguments
	rules := []rule{{forbid, []condition{isCall(unix.SYS_SETRLIMIT), equals(low(0), unix.RLIMIT_RTTIME)}}}
	// Reading is allowed; a pointer is NULL where both of its halves are.
	for _, half := range []uint32{low(newLimit), high(newLimit)} {
		for _, target := range []condition{equals(low(resource), unix.RLIMIT_RTTIME), differs(low(pid), 0)} {
			rules = append(rules, rule{forbid, []condition{isCall(unix.SYS_PRLIMIT64), differs(half, 0), target}})
		}
	}
	return rules
}

// assemble makes a program of rules. Each condition is a load and a jump that leaves the rule when it does not hold.
func assemble(rules []rule) []unix.SockFilter {
	var program []unix.SockFilter
	for _, one := range rules {
		for index, condition := range one.when {
			const perCondition = 2
			next := uint8(perCondition * (len(one.when) - index - 1)) // instructions left in the rule before its verdict
			jump := unix.SockFilter{Code: unix.BPF_JMP | condition.compare | unix.BPF_K, K: condition.value, Jf: next + 1}
			if condition.negated {
				jump.Jt, jump.Jf = jump.Jf, jump.Jt
			}
			program = append(program, unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: condition.offset}, jump)
		}
		program = append(program, giveVerdict(one.verdict))
	}
	return append(program, giveVerdict(allow))
}

func giveVerdict(verdict uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: verdict}
}

// confineThread puts the filter on the calling thread alone, and so on all that is forked from it.
func confineThread() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("cannot give up new privileges: %w", err)
	}
	program := assemble(commandRules())
	wanted := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	// Without the flag, older kernels would slow all commands down against side channels, which this filter is no wall against;
	// kernels before 4.17 and gVisor don't know it.
	var failure error
	for _, flags := range []uintptr{unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW, 0} {
		_, _, number := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&wanted)))
		if number == 0 {
			return nil
		}
		failure = number
	}
	return fmt.Errorf("this kernel gives no seccomp filter (CONFIG_SECCOMP_FILTER): %w", failure)
}
