/* A thread of ours: signals belong to the loop. */
#pragma once
#include <pthread.h>
#include <signal.h>
#include <stddef.h>

/* stack_bytes: 0, as the system gives it. 0 or -errno. */
static inline int thread_start(pthread_t *ret, size_t stack_bytes, void *(*run)(void *), void *data)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    int r = pthread_attr_init(&attributes);

    if (r != 0)
        return -r;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* it inherits the mask */
    if (stack_bytes)
        r = pthread_attr_setstacksize(&attributes, stack_bytes);
    if (r == 0)
        r = pthread_create(ret, &attributes, run, data);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return -r;
}
