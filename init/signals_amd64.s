#include "textflag.h"

// func dropHandler() uintptr
TEXT ·dropHandler(SB), NOSPLIT, $0-8
	LEAQ drop<>(SB), AX
	MOVQ AX, ret+0(FP)
	RET

// drop is a whole signal handler: the kernel has put the way back where a return looks for it.
TEXT drop<>(SB), NOSPLIT|NOFRAME, $0-0
	RET

// func terminateHandler() uintptr
TEXT ·terminateHandler(SB), NOSPLIT, $0-8
	LEAQ terminate<>(SB), AX
	MOVQ AX, ret+0(FP)
	RET

// terminate ends the program with 143 where the signal came from above: siginfo's si_code (at 8) is SI_USER, which no program can
// forge, and its si_pid (at 16) is 0, since the sender has no number in this PID namespace.
TEXT terminate<>(SB), NOSPLIT|NOFRAME, $0-0
	CMPL 8(SI), $0
	JNE  below
	CMPL 16(SI), $0
	JNE  below
	MOVL $143, DI
	MOVL $231, AX // exit_group
	SYSCALL

below:
	RET
