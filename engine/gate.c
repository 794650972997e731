/* The two ways into the kernel: by the gate where there is one (ur_syscall6), and never by it (ur_plain6). */
#include "gate.h"

_Atomic(const void *) ur_gate;

__asm__(UR_SYSCALL_TEXT);
