/*
 * CALL_name: the number of each system call in numbers.def, on this architecture, however old the installed headers
 * are. What the architecture has not has a negative number, of its own.
 */
#ifndef UNIONRUN_ENGINE_NUMBERS_H
#define UNIONRUN_ENGINE_NUMBERS_H

#if defined __x86_64__
#define UR_NUMBER(x86_64, aarch64) ((x86_64) >= 0 ? (x86_64) : -1000 - (aarch64))
#elif defined __aarch64__
#define UR_NUMBER(x86_64, aarch64) ((aarch64) >= 0 ? (aarch64) : -1000 - (x86_64))
#endif

enum ur_number {
#define CALL(name, x86_64, aarch64, meaning) CALL_##name = UR_NUMBER(x86_64, aarch64),
#include "numbers.def"
    CALL_NUMBERS = 512, /* all are below */
};

#define CALL(name, x86_64, aarch64, meaning) _Static_assert((x86_64) < CALL_NUMBERS && (aarch64) < CALL_NUMBERS, #name);
#include "numbers.def"

#endif
