/*
 * System calls on aarch64, in machine code: the number in x8, arguments in x0 to x5, the result in x0. The kernel
 * changes no other register.
 */

/* The page of gate.h. All registers are the system call's already. Instructions are little-endian on every aarch64. */
#define UR_GATE_BYTES                                                                                                  \
    0x5f, 0x24, 0x03, 0xd5,     /* bti c: one jumps to it, by x16 */                                                   \
        0x01, 0x00, 0x00, 0xd4, /* svc #0 */                                                                           \
        0xc0, 0x03, 0x5f, 0xd6, /* ret */                                                                              \
        0x00, 0x00, 0x20, 0xd4  /* brk #0: nothing behind it is meant to be run */
enum { UR_GATE_SYSCALL = 4 };

/* The three C functions of sys.h: their seven arguments in x0 to x6. */
#define UR_FUNCTION(name, way, instruction)                                                                            \
    ".balign 16\n"                                                                                                     \
    ".globl " name "\n.hidden " name "\n.type " name ",%function\n" name ":\n"                                         \
    ".cfi_startproc\n" way "    mov x8, x0\n"                                                                          \
    "    mov x0, x1\n"                                                                                                 \
    "    mov x1, x2\n"                                                                                                 \
    "    mov x2, x3\n"                                                                                                 \
    "    mov x3, x4\n"                                                                                                 \
    "    mov x4, x5\n"                                                                                                 \
    "    mov x5, x6\n" instruction ".cfi_endproc\n"                                                                    \
    ".size " name ", .-" name "\n"
#define UR_SYSCALL_TEXT                                                                                                \
    ".pushsection .text\n" UR_FUNCTION("ur_syscall6",                                                                  \
                                       "    adrp x16, ur_gate\n"                                                       \
                                       "    ldr x16, [x16, #:lo12:ur_gate]\n"                                          \
                                       "    cbz x16, ur_plain6\n",                                                     \
                                       "    br x16\n") UR_FUNCTION("ur_plain6", "",                                    \
                                                                   "    svc #0\n"                                      \
                                                                   "    ret\n")                                        \
        UR_FUNCTION("ur_gated6", "    ldr x16, =" UR_GATE_TEXT "\n", "    br x16\n") ".ltorg\n"                        \
                                                                                     ".popsection\n"

/* As on x86_64; here nobody is known who clones without a thread area. */
static inline int ur_is_thread(void) {
    return 1;
}
