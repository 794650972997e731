/*
 * Room for what a call is answered with: names, values. It is not part of each thread's stack or static memory, of
 * which every page is touched when a thread begins: most threads, and most runs, never need it.
 */
#include "launch/guard/guard.h"

#include <pthread.h>
#include <stdlib.h>

static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_key(void) {
    pthread_key_create(&key, free);
}

char *thread_room(void) {
    pthread_once(&once, make_key);
    char *at = pthread_getspecific(key);
    if (!at && (at = malloc(THREAD_ROOM)))
        pthread_setspecific(key, at);
    return at;
}
