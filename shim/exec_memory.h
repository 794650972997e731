/* Memory for an exec hook; exec_memory.c says why it is special. */
#ifndef UNIONRUN_SHIM_EXEC_MEMORY_H
#define UNIONRUN_SHIM_EXEC_MEMORY_H

#include "shim.h"

/* `size` bytes, or NULL; `*held` is to be handed back. Async-signal-safe, and in a vfork child nothing is lost. */
void *ur_exec_memory_get(size_t size, int *held);
void ur_exec_memory_put(void *at, size_t size, int held);

#endif
