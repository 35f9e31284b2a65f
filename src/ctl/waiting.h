/* Shows how far the plan of another configuration is, while its answer is waited for: asked of the
 * daemon beside that, by a thread of its own. Nothing unless standard error is a terminal. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct waiting {
    pthread_t thread;
    bool running;
    const char *socket; /* borrowed */
    atomic_bool over;
};
void waiting_begin(struct waiting *w, const char *socket);
void waiting_end(struct waiting *w);
