/* The ways into the kernel: by the gate where it is open (ur_syscall6), never by it (ur_plain6), always (ur_gated6). */
#include "gate.h"

_Atomic(const void *) ur_gate;

__asm__(UR_SYSCALL_TEXT);
