/*
 * The model test: random histories of a small company, after each of which the tenant must hold
 * what a few lines of independent code expect. The expectation knows nothing of mapping and
 * planner: it has its own data and its own idea of the three rules.
 *
 *   test-model [--histories N] [--seed N] [--verbose]
 *
 * A failing history prints its seed; put it into tests/data/model-seeds to keep it.
 */
#include "config.h"

#include "model.h"
#include "same-again.h"

static void chaos(enum fake_kind kind, struct fake_fault *ret, void *userdata)
{
    (void)userdata;
    if (!model_chance(model_fault_percent))
        return;
    bool write = (kind & FAKE_WRITES) != 0;
    switch (model_below(6)) {
    case 0: ret->class = TENANT_AWAY; break;
    case 1:
        ret->class = TENANT_AWAY;
        ret->status = 502;
        break;
    case 2:
        ret->class = TENANT_THROTTLED;
        ret->status = 429;
        break;
    case 3:
        ret->class = TENANT_NOT_AUTHORISED;
        ret->status = 401;
        break;
    default:
        ret->class = write ? TENANT_UNCLEAR : TENANT_AWAY;
        ret->takes_effect = write && model_chance(50);
        break;
    }
}

static void prepare(struct model *m)
{
    m->bed->tenant->chaos = chaos;
}

static void one_history(void (*prepare_it)(struct model *m))
{
    struct model *m = model_begin(prepare_it);
    for (unsigned i = 0; i < N_STEPS; i++)
        model_step(m);
    model_come_to_rest(m);
    model_end(m);
}

/* Once in a while somebody else was faster, too. */
static void strict_chaos(enum fake_kind kind, struct fake_fault *ret, void *userdata)
{
    if (!(kind & (FAKE_PATCH | FAKE_ACTIVE)) || !model_chance(10)) {
        chaos(kind, ret, userdata);
        return;
    }
    ret->class = TENANT_LOST_RACE;
    ret->status = 412;
}

static void prepare_another_kind(struct model *m)
{
    model_another_kind(m);
    m->bed->sync.delete_after_usec = model_chance(50) ? DAY : 0;
    m->bed->tenant->chaos = strict_chaos;
}

static unsigned lost_id; /* of the user that the last lost create made; 0: none */

/* Somebody renames a user, made by a create whose answer was lost, before it is read. */
static void renaming_chaos(enum fake_kind kind, struct fake_fault *ret, void *userdata)
{
    struct fake_tenant *t = userdata;
    for (size_t i = 0; kind == FAKE_GET && i < t->n_users; i++) {
        struct fake_user *u = &t->users[i];
        char id[24], login[16];
        snprintf(id, sizeof(id), "scim-%u", lost_id);
        snprintf(login, sizeof(login), "p%dr", model_who_is(u->login));
        if (strcmp(u->scim_id, id) != 0 || u->n_read || fake_tenant_find(t, login))
            continue;
        model_say("somebody renames %s to %s", u->login, login);
        fake_tenant_rename(u, login);
        lost_id = 0;
    }
    if (kind != FAKE_CREATE || !model_chance(40)) {
        strict_chaos(kind, ret, userdata);
        return;
    }
    ret->class = TENANT_UNCLEAR;
    ret->takes_effect = true;
    lost_id = t->next_id + 1;
}

/* The tenant keeps our id, or does while nobody knows. */
static void prepare_renaming(struct model *m)
{
    struct fake_tenant *t = m->bed->tenant;
    prepare_another_kind(m);
    m->bed->sync.on_drift = DRIFT_REPAIR;
    lost_id = 0;
    t->chaos = renaming_chaos;
    t->chaos_data = t;
}

/* Intents are written ahead, and their calls wait in a line for one of few slots. */
static void prepare_line(struct model *m)
{
    struct fake_tenant *t = m->bed->tenant;
    if (model_seed % 2)
        prepare(m);
    else
        prepare_another_kind(m);
    t->slots = 1 + model_seed % 3;
    t->ahead = model_seed % 11;
}

static uint64_t first_seed = 1;

static unsigned n_histories = 300;

static void test_kept_seeds(void **state)
{
    (void)state;
    const char *folder = getenv("abs_top_srcdir");
    char path[512], line[64];
    snprintf(path, sizeof path, "%s/tests/data/model-seeds", folder ? folder : ".");
    FILE *f = fopen(path, "r");
    if (!f)
        skip();
    while (fgets(line, sizeof line, f)) {
        if (line[0] == '#' || line[0] == '\n')
            continue;
        model_seed = strtoull(line, NULL, 10);
        one_history(strstr(line, "another kind") ? prepare_another_kind
                    : strstr(line, "renaming")   ? prepare_renaming
                                                 : prepare);
    }
    fclose(f);
}

static void test_histories(void **state)
{
    (void)state;
    for (unsigned i = 0; i < n_histories; i++) {
        model_seed = first_seed + i;
        one_history(prepare);
    }
}

static void test_another_kind(void **state)
{
    (void)state;
    for (unsigned i = 0; i < n_histories / 3 + 1; i++) {
        model_seed = first_seed + i;
        one_history(prepare_another_kind);
    }
}

static void test_renaming(void **state)
{
    (void)state;
    for (unsigned i = 0; i < n_histories / 3 + 1; i++) {
        model_seed = first_seed + i;
        one_history(prepare_renaming);
    }
}

static void test_line(void **state)
{
    (void)state;
    for (unsigned i = 0; i < n_histories / 3 + 1; i++) {
        model_seed = first_seed + i;
        one_history(prepare_line);
    }
}

static void usual_history(void)
{
    one_history(prepare);
}

static void test_same_again(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        model_seed = first_seed + i;
        same_again(usual_history);
    }
}

int main(int argc, char **argv)
{
    log_set_level(LOG_CRIT);
    bool one = false;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--verbose")) {
            model_verbose = true;
            log_set_level(LOG_DEBUG);
        } else if (i + 1 < argc && !strcmp(argv[i], "--seed")) {
            first_seed = strtoull(argv[++i], NULL, 10);
            n_histories = one ? n_histories : 1;
        } else if (i + 1 < argc && !strcmp(argv[i], "--histories")) {
            n_histories = (unsigned)strtoul(argv[++i], NULL, 10);
            one = true;
        } else {
            fprintf(stderr, "usage: test-model [--histories N] [--seed N] [--verbose]\n");
            return 2;
        }
    }
    const struct CMUnitTest kept[] = {cmocka_unit_test(test_kept_seeds)};
    const struct CMUnitTest histories[] = {cmocka_unit_test(test_histories),
                                           cmocka_unit_test(test_another_kind),
                                           cmocka_unit_test(test_renaming),
                                           cmocka_unit_test(test_line),
                                           cmocka_unit_test(test_same_again)};
    int failed = argc == 1 ? cmocka_run_group_tests(kept, NULL, NULL) : 0;
    return failed + cmocka_run_group_tests(histories, NULL, NULL);
}
