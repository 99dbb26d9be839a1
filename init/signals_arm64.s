#include "textflag.h"

// func dropHandler() uintptr
TEXT ·dropHandler(SB), NOSPLIT, $0-8
	MOVD $drop<>(SB), R0
	MOVD R0, ret+0(FP)
	RET

// drop is a whole signal handler: the kernel has put the way back where a return looks for it.
TEXT drop<>(SB), NOSPLIT|NOFRAME, $0-0
	RET

// func terminateHandler() uintptr
TEXT ·terminateHandler(SB), NOSPLIT, $0-8
	MOVD $terminate<>(SB), R0
	MOVD R0, ret+0(FP)
	RET

// terminate ends the program with 143 where the signal came from above: siginfo's si_code (at 8) is SI_USER, which no program can
// forge, and its si_pid (at 16) is 0, since the sender has no number in this PID namespace.
TEXT terminate<>(SB), NOSPLIT|NOFRAME, $0-0
	MOVW 8(R1), R2
	CBNZW R2, below
	MOVW 16(R1), R2
	CBNZW R2, below
	MOVD $143, R0
	MOVD $94, R8 // exit_group
	SVC

below:
	RET
