/*
 * A history follows from its seed alone: played again on a processor that others keep busy, it
 * leaves the same audit, byte for byte.
 */
#pragma once
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine-bed.h"
#include "unit.h"

#define N_BUSY 4

/* They and this process share one processor. */
static inline void keep_busy(pid_t busy[N_BUSY], cpu_set_t *ret_before)
{
    cpu_set_t one;
    unsigned i = 0;

    assert_int_equal(sched_getaffinity(0, sizeof(*ret_before), ret_before), 0);
    while (!CPU_ISSET(i, ret_before))
        i++;
    CPU_ZERO(&one);
    CPU_SET(i, &one);
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
    for (i = 0; i < N_BUSY; i++) {
        busy[i] = fork();
        assert_true(busy[i] >= 0);
        if (busy[i] == 0) {
            (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
            for (volatile unsigned n = 0;;)
                n++;
        }
    }
}

static inline void let_be(const pid_t busy[N_BUSY], const cpu_set_t *before)
{
    for (unsigned i = 0; i < N_BUSY; i++) {
        kill(busy[i], SIGKILL);
        assert_int_equal(waitpid(busy[i], NULL, 0), busy[i]);
    }
    assert_int_equal(sched_setaffinity(0, sizeof(*before), before), 0);
}

static inline void same_again(void (*history)(void))
{
    char first[sizeof(bed_audit_hash)];
    pid_t busy[N_BUSY];
    cpu_set_t before;

    history();
    memcpy(first, bed_audit_hash, sizeof(first));
    assert_true(*first);
    keep_busy(busy, &before);
    history();
    let_be(busy, &before);
    assert_string_equal(bed_audit_hash, first);
}
