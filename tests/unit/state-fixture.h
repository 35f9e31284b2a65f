/* A state file in a folder of its own, for the tests of state and audit. */
#pragma once
#include <ftw.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

#include "base/error.h"
#include "base/memory.h"
#include "state/state.h"

struct fixture {
    char folder[64];
    char path[96];
    struct state *s;
    struct error e;
};

#define ok(f, r)                                                                               \
    do {                                                                                       \
        int ok_r_ = (r);                                                                       \
        if (ok_r_ != 0)                                                                        \
            fail_msg("%s: %d: %s", #r, ok_r_, (f)->e.message);                                 \
    } while (0)

static inline int fixture_remove_one(const char *path, const struct stat *st, int type,
                                     struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline int fixture_new(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    const char *tmp = getenv("TMPDIR");
    bool created = false;

    if (!f)
        return -1;
    snprintf(f->folder, sizeof(f->folder), "%.40s/rosterd-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(f->folder))
        return -1;
    snprintf(f->path, sizeof(f->path), "%s/state.db", f->folder);
    ok(f, state_open(&f->s, f->path, &created, &f->e));
    assert_true(created);
    *state = f;
    return 0;
}

static inline int fixture_free(void **state)
{
    struct fixture *f = *state;

    f->s = state_close(f->s);
    nftw(f->folder, fixture_remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(f);
    return 0;
}

static inline void begin(struct fixture *f)
{
    ok(f, state_begin(f->s, &f->e));
}

static inline void commit(struct fixture *f)
{
    ok(f, state_commit(f->s, &f->e));
}

static inline void reopen(struct fixture *f)
{
    bool created = true;

    f->s = state_close(f->s);
    ok(f, state_open(&f->s, f->path, &created, &f->e));
    assert_false(created);
}

#define test(fn) cmocka_unit_test_setup_teardown(fn, fixture_new, fixture_free)
