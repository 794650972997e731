/* What is refused in a union, to root too. Not to be run outside of one. */
#include "calls.h"

#include <sys/acct.h>
#include <sys/swap.h>

TEST(chroot) {
    CALL(chroot(p->dir));
}
TEST(acct) {
    CALL(acct(p->file));
}
TEST(swapon) {
    CALL(swapon(p->file, 0));
}
TEST(swapoff) {
    CALL(swapoff(p->file));
}
