#include "textflag.h"

// func dropHandler() uintptr
TEXT ·dropHandler(SB), NOSPLIT, $0-8
	MOVD $drop<>(SB), R0
	MOVD R0, ret+0(FP)
	RET

// drop is a whole signal handler: the kernel has put the way back where a return looks for it.
TEXT drop<>(SB), NOSPLIT|NOFRAME, $0-0
	RET
