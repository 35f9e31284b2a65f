/*
 * What waits to be written together, and the numbers of ids that are remembered, against a plain
 * model over random histories: within a transaction nobody sees a table without what waits for it,
 * not through a view or a trigger either, a commit has all of it and a rollback none. And where it
 * cannot be written there is no commit. With it what is known of budgets that have spent nothing.
 */
#include "config.h"

#include "base/text.h"
#include "failing-memory.h"
#include "state-fixture.h"
#include "state/db.h"
#include "state/person.h"
#include "state/queue.h"
#include "state/steady.h"

#define N       80 /* people; so more than one statement of MANY, and a rest */
#define MINUTE  (UINT64_C(60) * 1000000)
#define N_STEPS 500

struct life {
    bool known, dirty;
    uint64_t run, done_run;
    unsigned done;
    int64_t operation; /* its number; 0: none */
    unsigned attempts;
    bool started, looks;
};
struct model {
    struct life people[N];
    size_t spent[3];
};
struct world {
    struct fixture *f;
    struct model now, before; /* before: as of the last commit */
    uint32_t seed;
};

static uint32_t roll(struct world *w, uint32_t n)
{
    w->seed = w->seed * 1664525 + 1013904223;
    return (w->seed >> 8) % n;
}

/* Half of them have a UUID, whose form in the file is another. */
static const char *id_of(size_t i)
{
    static char id[64];

    snprintf(id, sizeof(id), i % 2 ? "person-%zu" : "00000000-0000-4000-8000-%012zu", i);
    return id;
}

static void store(struct world *w, size_t i, bool dirty)
{
    struct life *l = &w->now.people[i];
    struct person p = {.entry_id = (char *)(uintptr_t)id_of(i), .run = l->run, .dirty = dirty};

    ok(w->f, person_store(w->f->s, &p, &w->f->e));
    l->known = true;
    l->dirty = dirty;
}

static void touch(struct world *w, size_t i, uint64_t run, enum person_bucket done)
{
    struct life *l = &w->now.people[i];

    ok(w->f, person_touch(w->f->s, id_of(i), run, done, &w->f->e));
    l->known = true;
    l->run = l->run > run ? l->run : run;
    if (l->done_run != l->run || (l->done != BUCKET_CREATED && l->done != BUCKET_ADOPTED))
        l->done = done;
    l->done_run = l->run;
}

static void add_operation(struct world *w, size_t i)
{
    struct life *l = &w->now.people[i];
    CLEANUP(operation_freep)
    struct operation *o = operation_new(OPERATION_CREATE, id_of(i), "dn", "login");

    assert_non_null(o);
    ok(w->f, queue_store(w->f->s, o, &w->f->e));
    l->operation = o->number;
    l->attempts = 0;
    l->started = l->looks = false;
}

static void start(struct world *w, size_t i)
{
    struct life *l = &w->now.people[i];

    l->looks = roll(w, 3) == 0;
    l->started = true;
    l->attempts++;
    ok(w->f, queue_start(w->f->s, l->operation, l->looks, &w->f->e));
}

static void forget(struct world *w, size_t i)
{
    struct life *l = &w->now.people[i];

    ok(w->f, person_forget(w->f->s, id_of(i), &w->f->e));
    l->known = l->dirty = false;
    l->run = l->done_run = l->done = 0;
}

static void step_one(struct world *w, size_t i, uint32_t what)
{
    struct life *l = &w->now.people[i];

    switch (what) {
    case 0:
        ok(w->f, person_mark_dirty(w->f->s, id_of(i), &w->f->e));
        l->dirty = true;
        return;
    case 1: store(w, i, roll(w, 2)); return;
    case 2: touch(w, i, 1 + roll(w, 3), BUCKET_CREATED + roll(w, 3)); return;
    case 3:
        if (!l->operation)
            add_operation(w, i);
        return;
    case 4:
        if (l->operation && !l->started)
            start(w, i);
        return;
    case 5:
        if (l->operation)
            ok(w->f, queue_remove(w->f->s, l->operation, &w->f->e));
        l->operation = 0;
        return;
    case 6: {
        unsigned budget = roll(w, 3);

        ok(w->f, budget_note(w->f->s, budget, roll(w, 8) * MINUTE + 1, &w->f->e));
        w->now.spent[budget]++;
        return;
    }
    case 7: forget(w, i); return;
    default: fail();
    }
}

/* The same of many, as most often. */
static void step(struct world *w)
{
    uint32_t what = roll(w, 8), n = roll(w, 4) ? 1 + roll(w, 3) : roll(w, N);
    size_t first = roll(w, N);

    for (uint32_t k = 0; k < n; k++)
        step_one(w, (first + k) % N, what);
}

/* By SQL alone, past whatever the program remembers; -1: no row. */
static int64_t ask(sqlite3 *db, const char *sql, const char *id)
{
    sqlite3_stmt *q = NULL;
    unsigned char bytes[ID_SIZE];
    int64_t n = -1;

    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &q, NULL), SQLITE_OK);
    if (id_bytes(id, bytes))
        sqlite3_bind_blob(q, 1, bytes, sizeof(bytes), SQLITE_TRANSIENT);
    else
        sqlite3_bind_text(q, 1, id, -1, SQLITE_TRANSIENT);
    if (sqlite3_step(q) == SQLITE_ROW)
        n = sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    return n;
}

#define OF "(SELECT n FROM identity WHERE id = ?1)"

/* A file as it is on the disk. */
static void check_file(struct world *w)
{
    sqlite3 *db = NULL;
    size_t n = 0;

    assert_int_equal(sqlite3_open_v2(w->f->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    for (size_t i = 0; i < N; i++) {
        const struct life *l = &w->now.people[i];
        const char *id = id_of(i);

        assert_int_equal(ask(db, "SELECT count(*) FROM dirty WHERE entry_n = " OF, id), l->dirty);
        assert_int_equal(ask(db, "SELECT count(*) FROM person WHERE n = " OF, id), l->known);
        if (l->known) {
            assert_int_equal(ask(db, "SELECT run FROM person WHERE n = " OF, id), l->run);
            assert_int_equal(ask(db, "SELECT done FROM person WHERE n = " OF, id), l->done);
            assert_int_equal(ask(db, "SELECT done_run FROM person WHERE n = " OF, id), l->done_run);
        }
        assert_int_equal(ask(db, "SELECT number FROM operation WHERE entry_n = " OF, id),
                         l->operation ? l->operation : -1);
        if (l->operation) {
            assert_int_equal(ask(db, "SELECT attempts FROM operation WHERE entry_n = " OF, id),
                             l->attempts);
            assert_int_equal(ask(db, "SELECT state = 4 FROM operation WHERE entry_n = " OF, id),
                             l->started);
            assert_int_equal(ask(db, "SELECT looks FROM operation WHERE entry_n = " OF, id),
                             l->looks);
        }
        n += l->known || l->dirty || l->operation;
    }
    assert_int_equal(ask(db, "SELECT count(*) FROM identity", ""), n);
    sqlite3_close(db);
}

/* Everybody who is marked, each once; and no more of them than were asked for. */
static void check_next(struct world *w, size_t n_dirty)
{
    CLEANUP(string_list_done) struct string_list ids = {0};
    size_t limit = roll(w, 2) ? SIZE_MAX : roll(w, 4), n = 0;

    for (size_t i = 0; i < N; i++)
        if (w->now.people[i].dirty && roll(w, 2)) /* once more */
            ok(w->f, person_mark_dirty(w->f->s, id_of(i), &w->f->e));
    ok(w->f, person_next_dirty(w->f->s, limit, &ids, &w->f->e));
    assert_int_equal(ids.n_items, limit < n_dirty ? limit : n_dirty);
    for (size_t i = 0; i < N; i++)
        n += w->now.people[i].dirty && string_list_contains(&ids, id_of(i));
    assert_int_equal(n, ids.n_items);
}

/* One thing at a time, so that nothing but its own statement has what waits for it written. */
static void check_one(struct world *w)
{
    struct state *s = w->f->s;
    size_t i = roll(w, N), n = 0, n_dirty = 0, n_started = 0, n_known = 0, spent = 0;
    const struct life *l = &w->now.people[i];
    CLEANUP(person_done) struct person p = {0};
    CLEANUP(operation_freep) struct operation *o = NULL;
    int64_t number = 0;

    for (size_t k = 0; k < N; k++) {
        n_dirty += w->now.people[k].dirty;
        n_known += w->now.people[k].known;
        n_started += w->now.people[k].operation && w->now.people[k].started;
    }
    switch (roll(w, 10)) {
    case 7: check_next(w, n_dirty); break;
    case 0: assert_int_equal(person_count_dirty(s), n_dirty); break;
    case 1: assert_int_equal(db_count(s, "SELECT count(*) FROM people"), n_known); break;
    case 2:
        assert_int_equal(db_count(s, "SELECT count(*) FROM operations WHERE state = 4"), n_started);
        break;
    case 3:
        assert_int_equal(person_load(s, id_of(i), &p, &w->f->e), l->known ? 0 : STATE_NONE);
        if (l->known) {
            assert_int_equal(p.dirty, l->dirty);
            assert_int_equal(p.run, l->run);
        }
        break;
    case 4:
        if (!l->operation)
            break;
        ok(w->f, queue_load(s, l->operation, &o, &w->f->e));
        assert_int_equal(o->attempts, l->attempts);
        assert_int_equal(o->state == OPERATION_STARTED, l->started);
        break;
    case 5:
        ok(w->f, budget_spent(s, (unsigned)(i % 3), 0, &spent, &w->f->e));
        assert_int_equal(spent, w->now.spent[i % 3]);
        break;
    case 6: /* what is remembered of an id is what its row says */
        ok(w->f, identity_find(s, id_of(i), &number, &w->f->e));
        n = (size_t)ask(s->db, "SELECT coalesce(max(n), 0) FROM identity WHERE id = ?1", id_of(i));
        assert_int_equal(number, n);
        break;
    default: /* that nobody is marked is remembered */
        if (l->known || l->dirty || l->operation)
            assert_int_equal(person_is_marked(s, id_of(i), &w->f->e), l->dirty);
    }
}

/* Everybody who is marked is looked at, until nobody is. */
static void look_at_all(struct world *w)
{
    struct string_list ids = {0};

    for (size_t i = 0; i < N; i++)
        if (w->now.people[i].dirty)
            store(w, i, false);
    ok(w->f, person_next_dirty(w->f->s, 10, &ids, &w->f->e));
    assert_int_equal(ids.n_items, 0);
    string_list_done(&ids);
}

static void test_nobody_sees_less(void **state)
{
    struct world w = {.f = *state};

    for (w.seed = 1; w.seed <= 12; w.seed++) {
        struct world *same = &w;
        uint32_t seed = w.seed;

        begin(w.f);
        for (int k = 0; k < N_STEPS; k++) {
            step(same);
            if (roll(&w, 3) == 0)
                check_one(&w);
            if (roll(&w, 8) == 0)
                look_at_all(&w);
            if (roll(&w, 25) == 0) {
                state_rollback(w.f->s);
                w.now = w.before;
                check_file(&w);
                begin(w.f);
            } else if (roll(&w, 10) == 0) {
                commit(w.f);
                w.before = w.now;
                check_file(&w);
                begin(w.f);
            }
        }
        commit(w.f);
        w.before = w.now;
        check_file(&w);
        w.seed = seed;
    }
}

/* Whoever asks may take a failure for an answer; what waited is not to be missing for that. */
static void test_memory_fails_for_who_asks(void **state)
{
    struct fixture *f = *state;
    long n = 0;

    for (bool failed = true; failed; n++) {
        char id[40];
        int r;

        reopen(f);
        begin(f);
        snprintf(id, sizeof(id), "person-%ld", n);
        ok(f, person_mark_dirty(f->s, id, &f->e));
        ok(f, person_touch(f->s, id, 1, BUCKET_CREATED, &f->e));
        fail_after = n;
        person_count_dirty(f->s);
        db_count(f->s, "SELECT count(*) FROM person");
        failed = fail_after < 0;
        fail_after = -1;
        r = state_commit(f->s, &f->e);
        if (r < 0)
            continue;
        assert_int_equal(ask(f->s->db, "SELECT count(*) FROM dirty WHERE entry_n = " OF, id), 1);
        assert_int_equal(ask(f->s->db, "SELECT count(*) FROM person WHERE n = " OF, id), 1);
    }
    assert_true(n > 4);
}

static size_t spent(struct fixture *f, unsigned budget, uint64_t since_usec)
{
    size_t n = 0;
    ok(f, budget_spent(f->s, budget, since_usec, &n, &f->e));
    return n;
}

/* That one has spent nothing is known until it spends, however that comes about. */
static void test_unspent(void **state)
{
    struct fixture *f = *state;

    begin(f);
    for (int i = 0; i < 2; i++)
        for (unsigned k = 1; k < 4; k++)
            assert_int_equal(spent(f, k, 100 * MINUTE), 0);
    ok(f, budget_note(f->s, 1, 90 * MINUTE, &f->e));
    assert_int_equal(spent(f, 1, 100 * MINUTE), 0);
    assert_int_equal(spent(f, 1, 90 * MINUTE), 1); /* the window has grown */
    assert_int_equal(spent(f, 2, 100 * MINUTE), 0);
    ok(f, budget_note(f->s, 2, 110 * MINUTE, &f->e));
    assert_int_equal(spent(f, 2, 100 * MINUTE), 1);
    assert_int_equal(spent(f, 2, 111 * MINUTE), 0);
    commit(f);

    /* What was gone for a moment. */
    begin(f);
    ok(f, db_write(f->s, "DELETE FROM budget_use WHERE budget = 2", NULL, &f->e));
    assert_int_equal(spent(f, 2, 100 * MINUTE), 0);
    state_rollback(f->s);
    assert_int_equal(spent(f, 2, 100 * MINUTE), 1);

    /* A clock that was set. */
    begin(f);
    assert_int_equal(spent(f, 1, 100 * MINUTE), 0);
    ok(f, steady_move(f->s, 80 * MINUTE, 20 * MINUTE, &f->e));
    assert_int_equal(spent(f, 1, 100 * MINUTE), 1);
    assert_int_equal(spent(f, 3, 100 * MINUTE), 0);
    commit(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(test_nobody_sees_less),
        test(test_memory_fails_for_who_asks),
        test(test_unspent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
