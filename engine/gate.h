/*
 * The gate: one page, at one address in every process of the run, whose system calls the guard lets through.
 *
 * The shim's own system calls name raw paths, and it has resolved them already. The guard's filter (launch/guard)
 * tells them from the program's by the address of the instruction: it is in this page. Which calls pass is the
 * filter's to say: those that change metadata, which the fence cannot refuse, do not.
 *
 * The page is only code, the same bytes everywhere, and holds no state: whoever finds it mapped may use it. The shim
 * maps it (shim/gate.c), and the guard does in processes that have no shim. It begins where one jumps to with
 * everything in the system call's registers; the instruction itself is at UR_GATE + UR_GATE_SYSCALL.
 */
#ifndef UNIONRUN_ENGINE_GATE_H
#define UNIONRUN_ENGINE_GATE_H

#include "sys.h"

/* Free in each of 500 starts, also under TSan, MSan, ASan and `ulimit -s unlimited`. A page boundary of any size. */
#define UR_GATE_TEXT "0x7e9000000000"
#define UR_GATE UINT64_C(0x7e9000000000)
enum { UR_GATE_SIZE = 4096 };

static const unsigned char ur_gate_code[] = {UR_GATE_BYTES};

/* Where ur_syscall6 makes its system calls: the page, or with NULL an instruction of its own. NULL from the start, and
   in all but the shim for ever. */
extern _Atomic(const void *) ur_gate __attribute__((visibility("hidden")));

#endif
