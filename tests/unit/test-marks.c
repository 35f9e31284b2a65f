/*
 * Who is marked dirty, against a second way to know it: over random histories of nested and
 * cyclic groups whose changes come in batches, everybody whose memberships differ after a batch
 * from those before it is marked, and a group that nobody touched brings nobody in. And who is in
 * which group, against the world that the histories are made of.
 */
#include "config.h"

#include "base/text.h"
#include "model/dn.h"
#include "state-fixture.h"
#include "state/mirror.h"
#include "state/person.h"

#define N_PEOPLE 12
#define N_GROUPS 9 /* the last one and its member never change */
#define N_ROUNDS 60

struct world {
    bool member[N_GROUPS][N_PEOPLE], child[N_GROUPS][N_GROUPS];
    bool gone[N_GROUPS];
    unsigned moved[N_GROUPS]; /* how often: part of the DN */
    uint32_t seed;
};

static uint32_t roll(struct world *w, uint32_t n)
{
    w->seed = w->seed * 1664525 + 1013904223;
    return (w->seed >> 8) % n;
}

static void group_dn(const struct world *w, size_t g, char *ret, size_t size)
{
    snprintf(ret, size, "cn=g%zu-%u,dc=t", g, w->moved[g]);
}

static void add_member(struct entry *e, const char *dn)
{
    CLEANUP(freep) char *key = NULL;

    assert_int_equal(dn_key(NULL, dn, &key, NULL), 0);
    assert_int_equal(entry_add_member(e, MEMBER_DN, key, dn), 0);
}

static void put_person(struct fixture *f, size_t p)
{
    char id[16], dn[32];
    unsigned changes;

    snprintf(id, sizeof(id), "p%zu", p);
    snprintf(dn, sizeof(dn), "uid=%s,dc=t", id);
    CLEANUP(entry_freep) struct entry *e = entry_new(id, dn, ENTRY_PERSON);
    e->login_key = strdup(id);
    ok(f, mirror_put(f->s, 0, e, &changes, &f->e));
}

static void put_group(struct fixture *f, const struct world *w, size_t g)
{
    char id[16], dn[48];
    unsigned changes;

    snprintf(id, sizeof(id), "g%zu", g);
    group_dn(w, g, dn, sizeof(dn));
    CLEANUP(entry_freep) struct entry *e = entry_new(id, dn, ENTRY_GROUP);
    for (size_t p = 0; p < N_PEOPLE; p++) {
        snprintf(dn, sizeof(dn), "uid=p%zu,dc=t", p);
        if (w->member[g][p])
            add_member(e, dn);
    }
    for (size_t c = 0; c < N_GROUPS; c++) {
        group_dn(w, c, dn, sizeof(dn));
        if (w->child[g][c])
            add_member(e, dn);
    }
    entry_sort(e);
    ok(f, mirror_put(f->s, 0, e, &changes, &f->e));
}

/* One random change of a group; a move reaches the groups that name it, as servers do. */
static void change(struct fixture *f, struct world *w)
{
    size_t g = roll(w, N_GROUPS - 1);
    char id[16];

    snprintf(id, sizeof(id), "g%zu", g);
    switch (roll(w, 8)) {
    case 0:
        w->gone[g] = true;
        ok(f, mirror_gone(f->s, id, "deleted", 5, &f->e));
        return;
    case 1:
        w->moved[g]++;
        for (size_t parent = 0; parent < N_GROUPS - 1; parent++)
            if (w->child[parent][g] && !w->gone[parent] && parent != g)
                put_group(f, w, parent);
        break;
    case 2:
    case 3:
    case 4: {
        bool *child = &w->child[g][roll(w, N_GROUPS - 1)];

        *child = !*child;
        break;
    }
    default: {
        bool *member = &w->member[g][roll(w, N_PEOPLE - 1)];

        *member = !*member;
    }
    }
    w->gone[g] = false;
    put_group(f, w, g);
}

/* "g0 g3 ": all groups that the mirror sees each person in, by the walk up from the person. */
static void memberships(struct fixture *f, const struct world *w,
                        char ret[N_PEOPLE][N_GROUPS * 4])
{
    struct bound_groups groups = {0};
    char *keys[N_GROUPS];

    for (size_t g = 0; g < N_GROUPS; g++) {
        char dn[48];

        group_dn(w, g, dn, sizeof(dn));
        assert_int_equal(dn_key(NULL, dn, &keys[g], NULL), 0);
    }
    ok(f, mirror_bind_groups(f->s, (const char *const *)keys, N_GROUPS, &groups, &f->e));
    for (size_t p = 0; p < N_PEOPLE; p++) {
        struct mirror_membership m[N_GROUPS] = {0};
        char id[16];
        size_t used = 0;

        snprintf(id, sizeof(id), "p%zu", p);
        ok(f, mirror_memberships(f->s, id, &groups, m, &f->e));
        ret[p][0] = '\0';
        for (size_t g = 0; g < N_GROUPS; g++)
            if (m[g].member)
                used += (size_t)snprintf(ret[p] + used, N_GROUPS * 4 - used, "g%zu ", g);
        mirror_memberships_done(m, N_GROUPS);
    }
    bound_groups_done(&groups);
    for (size_t g = 0; g < N_GROUPS; g++)
        free(keys[g]);
}

/* Takes the marks away. */
static void marks(struct fixture *f, bool ret[static N_PEOPLE])
{
    struct string_list ids = {0};

    ok(f, mirror_mark_below(f->s, &f->e));
    ok(f, person_next_dirty(f->s, SIZE_MAX, &ids, &f->e));
    memset(ret, 0, N_PEOPLE * sizeof(*ret));
    for (size_t i = 0; i < ids.n_items; i++) {
        ret[strtoul(ids.items[i] + 1, NULL, 10)] = true;
        ok(f, person_store(f->s, &(struct person){.entry_id = ids.items[i]}, &f->e));
    }
    string_list_done(&ids);
    assert_int_equal(person_count_dirty(f->s), 0);
}

static void play(struct fixture *f, uint32_t seed)
{
    static char before[N_PEOPLE][N_GROUPS * 4], after[N_PEOPLE][N_GROUPS * 4];
    struct world w = {.seed = seed};
    bool marked[N_PEOPLE];

    begin(f);
    w.member[N_GROUPS - 1][N_PEOPLE - 1] = true;
    for (size_t p = 0; p < N_PEOPLE; p++)
        put_person(f, p);
    for (size_t g = 0; g < N_GROUPS; g++)
        put_group(f, &w, g);
    marks(f, marked);
    for (unsigned round = 0; round < N_ROUNDS; round++) {
        unsigned n = 1 + roll(&w, 6);

        memberships(f, &w, before);
        while (n--) {
            change(f, &w);
            if (roll(&w, 4) == 0) { /* what is noted outlives a transaction */
                commit(f);
                begin(f);
            }
        }
        memberships(f, &w, after);
        marks(f, marked);
        for (size_t p = 0; p < N_PEOPLE; p++)
            if (strcmp(before[p], after[p]) != 0 && !marked[p])
                fail_msg("seed %u, round %u: p%zu was in %s and is in %s, and is not marked",
                         seed, round, p, before[p], after[p]);
        assert_false(marked[N_PEOPLE - 1]);
    }
    commit(f);
}

static void test_everybody_affected(void **state)
{
    struct fixture *f = *state;

    for (uint32_t seed = 1; seed <= 12; seed++) {
        play(f, seed);
        f->s = state_close(f->s);
        unlink(f->path);
        ok(f, state_open(&f->s, f->path, NULL, &f->e));
    }
}

/* From g downwards, as the world has it: what lies between may not be gone, unless g is. */
static bool holds(const struct world *w, size_t top, size_t g, size_t p,
                  bool entered[static N_GROUPS])
{
    if (w->member[g][p])
        return true;
    entered[g] = true;
    for (size_t c = 0; c < N_GROUPS; c++)
        if (w->child[g][c] && !entered[c] && (!w->gone[c] || w->gone[top]) &&
            holds(w, top, c, p, entered))
            return true;
    return false;
}

static void compare(struct fixture *f, const struct world *w, uint32_t seed, unsigned round)
{
    static char found[N_PEOPLE][N_GROUPS * 4];

    memberships(f, w, found);
    for (size_t p = 0; p < N_PEOPLE; p++) {
        char expected[N_GROUPS * 4] = "";
        size_t used = 0;

        for (size_t g = 0; g < N_GROUPS; g++) {
            bool entered[N_GROUPS] = {false};

            if (holds(w, g, g, p, entered))
                used += (size_t)snprintf(expected + used, sizeof(expected) - used, "g%zu ", g);
        }
        if (strcmp(expected, found[p]) != 0)
            fail_msg("seed %u, round %u: p%zu is in %s and is found in %s", seed, round, p, expected,
                     found[p]);
    }
}

/* What a walk remembers is over with each change, also with one that is undone. */
static void play_memberships(struct fixture *f, uint32_t seed)
{
    struct world w = {.seed = seed}, before;

    begin(f);
    for (size_t p = 0; p < N_PEOPLE; p++)
        put_person(f, p);
    for (size_t g = 0; g < N_GROUPS; g++)
        put_group(f, &w, g);
    commit(f);
    before = w;
    begin(f);
    for (unsigned round = 0; round < 2 * N_ROUNDS; round++) {
        change(f, &w);
        compare(f, &w, seed, round);
        switch (roll(&w, 4)) {
        case 0:
            commit(f);
            before = w;
            begin(f);
            break;
        case 1:
            before.seed = w.seed; /* else it would go the same way again */
            w = before;
            state_rollback(f->s);
            begin(f);
            if (roll(&w, 2))
                compare(f, &w, seed, round);
            break;
        }
    }
    commit(f);
}

static void test_memberships(void **state)
{
    struct fixture *f = *state;

    for (uint32_t seed = 1; seed <= 12; seed++) {
        play_memberships(f, seed);
        f->s = state_close(f->s);
        unlink(f->path);
        ok(f, state_open(&f->s, f->path, NULL, &f->e));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {test(test_everybody_affected), test(test_memberships)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
