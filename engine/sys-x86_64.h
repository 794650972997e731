/*
 * System calls on x86_64, in machine code: the number in rax, arguments in rdi, rsi, rdx, r10, r8, r9, the result in
 * rax. The kernel changes rcx and r11, and no other register.
 */

/* The page of gate.h. All registers are the system call's already, so it changes what the instruction changes. */
#define UR_GATE_BYTES                                                                                                  \
    0xf3, 0x0f, 0x1e, 0xfa,     /* endbr64: one jumps to it */                                                         \
        0x0f, 0x05,             /* syscall */                                                                          \
        0xc3,                   /* ret */                                                                              \
        0xcc, 0xcc, 0xcc, 0xcc, /* int3: nothing behind it is meant to be run */                                       \
        0xcc, 0xcc, 0xcc, 0xcc, 0xcc
enum { UR_GATE_SYSCALL = 4 };

/* The three C functions of sys.h. They are that, so that no caller's red zone is under the return address, and a
   debugger in the gate finds that address where it looks: at rsp. */
#define UR_FUNCTION(name, body)                                                                                        \
    ".balign 16\n"                                                                                                     \
    ".globl " name "\n.hidden " name "\n.type " name ",@function\n" name ":\n"                                         \
    ".cfi_startproc\n"                                                                                                 \
    "    movq %rdi, %rax\n"                                                                                            \
    "    movq %rsi, %rdi\n"                                                                                            \
    "    movq %rdx, %rsi\n"                                                                                            \
    "    movq %rcx, %rdx\n"                                                                                            \
    "    movq %r8, %r10\n"                                                                                             \
    "    movq %r9, %r8\n"                                                                                              \
    "    movq 8(%rsp), %r9\n" body ".cfi_endproc\n"                                                                    \
    ".size " name ", .-" name "\n"
#define UR_SYSCALL_TEXT                                                                                                \
    ".pushsection .text\n" UR_FUNCTION("ur_syscall6", "    movq ur_gate(%rip), %r11\n"                                 \
                                                      "    testq %r11, %r11\n"                                         \
                                                      "    jz 1f\n"                                                    \
                                                      "    jmp *%r11\n"                                                \
                                                      "1:  syscall\n"                                                  \
                                                      "    ret\n") UR_FUNCTION("ur_plain6", "    syscall\n"            \
                                                                                            "    ret\n")               \
        UR_FUNCTION("ur_gated6", "    movabsq $" UR_GATE_TEXT ", %r11\n"                                               \
                                 "    jmp *%r11\n") ".popsection\n"

/* clone(2) with a thread area of zeros makes a child that is no thread of libc's, and lives by calls that need none:
   chromium's sandbox goes to its new root so. There nothing is that a thread has of its own. */
static inline int ur_is_thread(void) {
    const void *self;
    __asm__("mov %%fs:0, %0" : "=r"(self));
    return self != 0;
}
