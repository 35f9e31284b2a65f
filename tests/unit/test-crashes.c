/*
 * The process ends at every commit and at every request of a history: the commit is lost or was
 * the last thing done; the request never arrived or was carried out, and nobody heard of it. In
 * some histories the start after that ends early, too. Whatever happens, what is left at the
 * end is what the plain model expects, and nothing reaches the tenant without an intent on
 * record.
 *
 *   test-crashes [--seeds N] [--seed N] [--steps N]
 */
#include "config.h"

#include "model.h"
#include "state/db.h"

static unsigned first_seed = 1, n_seeds = 5, n_steps = 9;

static struct {
    size_t n_points; /* commits and requests so far */
    size_t at, next; /* the process ends at this one, and once more so many points later */
    bool lost;       /* what the point is about did not happen; else its answer is lost */
    bool due;        /* it has ended: nothing that follows is durable */
} end;

static bool is_here(void)
{
    if (++end.n_points != end.at)
        return false;
    end.due = true;
    return true;
}

static int on_commit(void *userdata)
{
    (void)userdata;
    return end.due || (is_here() && end.lost);
}

static void on_request(enum fake_kind kind, struct fake_fault *ret, void *userdata)
{
    (void)kind;
    (void)userdata;
    if (!end.due && is_here() && end.lost)
        ret->class = TENANT_UNCLEAR;
}

static bool dies(void *userdata)
{
    (void)userdata;
    if (!end.due)
        return false;
    end.due = false;
    end.at = end.next ? end.n_points + end.next : 0;
    end.next = 0;
    return true;
}

static bool is_of(const struct operation *o, const char *login)
{
    return text_equal_fold(o->login, login) ||
           (o->kind == OPERATION_RENAME && text_equal_fold(o->changes[0].to, login));
}

static void (*watch)(enum fake_kind kind, const struct fake_user *after, const char *login,
                     void *userdata);

static void on_write(enum fake_kind kind, const struct fake_user *after, const char *login,
                     void *userdata)
{
    struct model *m = userdata;
    struct operation_list started = {0};
    struct error e = {0};
    bool found = false;
    bed_ok(m->bed, queue_started(m->bed->state, &started, &e));
    for (size_t i = 0; i < started.n_items; i++)
        found = found || is_of(started.items[i], login);
    operation_list_done(&started);
    if (!found)
        wrong("%s was written to and no intent is on record", login);
    watch(kind, after, login, userdata);
}

static bool another_kind; /* of tenant */

static void prepare(struct model *m)
{
    struct bed *b = m->bed;
    if (another_kind)
        model_another_kind(m);
    watch = b->tenant->on_write;
    b->tenant->on_write = on_write;
    b->tenant->chaos = on_request;
    b->dies = dies;
    sqlite3_commit_hook(b->state->db, on_commit, NULL);
}

/* at 0: nothing ends. Returns how many points there were. */
static size_t play(size_t at, size_t next, bool lost)
{
    memset(&end, 0, sizeof(end));
    end.at = at;
    end.next = next;
    end.lost = lost;
    struct model *m = model_begin(prepare);
    for (unsigned i = 0; i < n_steps; i++)
        model_step(m);
    model_come_to_rest(m);
    size_t n = end.n_points;
    sqlite3_commit_hook(m->bed->state->db, NULL, NULL);
    model_end(m);
    return n;
}

static void end_at_every_point(void)
{
    size_t n_histories = 0;
    for (unsigned i = 0; i < n_seeds; i++) {
        model_seed = first_seed + i;
        size_t n = play(0, 0, false);
        for (size_t at = 1; at <= n; at++)
            for (int lost = 0; lost < 2; lost++) {
                model_say("seed %u ends at %zu of %zu, %s", first_seed + i, at, n,
                          lost ? "lost" : "done");
                play(at, at % 3 ? 0 : 1 + at % 7, lost);
                n_histories++;
            }
    }
    print_message("%zu histories with an end in them\n", n_histories);
}

static void test_every_point(void **state)
{
    (void)state;
    another_kind = false;
    end_at_every_point();
}

static void test_another_kind(void **state)
{
    (void)state;
    another_kind = true;
    end_at_every_point();
}

int main(int argc, char **argv)
{
    log_set_level(LOG_CRIT);
    for (int i = 1; i < argc; i++) {
        unsigned *to = !strcmp(argv[i], "--seeds")   ? &n_seeds
                       : !strcmp(argv[i], "--seed")  ? &first_seed
                       : !strcmp(argv[i], "--steps") ? &n_steps
                                                     : NULL;
        if (!strcmp(argv[i], "--verbose")) {
            model_verbose = true;
        } else if (to && i + 1 < argc) {
            *to = (unsigned)strtoul(argv[++i], NULL, 10);
        } else {
            fprintf(stderr,
                    "usage: test-crashes [--seeds N] [--seed N] [--steps N] [--verbose]\n");
            return 2;
        }
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_point),
                                       cmocka_unit_test(test_another_kind)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
