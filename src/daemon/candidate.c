/*
 * `rosterctl plan --config`: what another configuration would do. A second engine plans over a
 * private copy of the state file and the mirror in it; it has no tenant, no feed and no audit,
 * so nothing that it decides leaves this room. One at a time, bounded in time. A thread makes
 * the copy, and another, when the engine is through and gone, the answer.
 *
 * What the mirror lacks for it (attributes that only the other configuration reads, another
 * base, filter or server) is read from the directory into the copy. What comes out is held
 * against the plan of the running configuration, since the difference is what was asked for.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/timer.h"
#include "base/worker.h"
#include "daemon/daemon.h"
#include "daemon/report.h"
#include "mapping/ruleset.h"
#include "state/mirror.h"
#include "state/person.h"

#define CANDIDATE_LIMIT_USEC (580 * USEC_PER_SEC) /* below what rosterctl waits for */

struct candidate {
    struct daemon *daemon;
    struct control_call *call;
    struct settings *settings;
    struct problem_list problems;
    struct state *state;
    struct engine *engine;
    struct directory *directory; /* NULL: the mirror holds all that is needed */
    char *state_file;
    struct worker *worker; /* while there is one, the states and what follows are its own */
    struct mirror_counts entries;
    struct engine_view *other;   /* of its engine */
    struct state *present_state; /* the tables of the running one */
    struct state *closing[2];    /* the same two, once nobody reads in them any more */
    char *text;                  /* of the answer */
    struct error error;
    int r;
    bool read_done;
    struct error read_error;
    uint64_t since_usec;
    sd_event_source *finish; /* deferred: the engine cannot be freed from its own turn */
    sd_event_source *limit;
};

static void candidate_free(struct candidate *l)
{
    if (l->daemon->candidate == l)
        l->daemon->candidate = NULL;
    sd_event_source_disable_unref(l->finish);
    sd_event_source_disable_unref(l->limit);
    if (l->worker && l->present_state) { /* else the copy is being made, by its thread alone */
        state_cancel(l->present_state);
        state_cancel(l->state);
    }
    worker_free(l->worker);
    directory_free(l->directory);
    engine_free(l->engine);
    engine_view_free(l->other);
    state_close(l->present_state);
    state_close(l->state);
    free(l->text);
    free(l->state_file);
    settings_free(l->settings);
    problem_list_done(&l->problems);
    free(l);
}

static void fail(struct candidate *l, const struct error *e)
{
    control_fail(TAKE(l->call), "failed", "%s", e->message);
    candidate_free(l);
}

static json_t *problems_of(const struct candidate *l)
{
    CLEANUP(freep) char *text = problem_list_to_json(&l->problems);
    return text ? report_json(text) : NULL;
}

/* With errors there is no plan, but the problems. */
static void refuse(struct candidate *l)
{
    json_t *answer =
        json_pack("{s:n, s:[], s:[], s:{}, s:n, s:[], s:o}", "hash", "operations", "groups",
                  "summary", "adoption", "skipped", "problems", problems_of(l));
    if (answer)
        control_reply(TAKE(l->call), answer);
    else
        control_fail(TAKE(l->call), "failed", "out of memory");
    candidate_free(l);
}

static bool contains_attribute(const struct string_list *list, const char *name)
{
    for (size_t i = 0; i < list->n_items; i++)
        if (text_equal_ascii_case(list->items[i], name))
            return true;
    return false;
}

static bool same_texts(char *const *a, size_t n_a, char *const *b, size_t n_b)
{
    bool same = n_a == n_b;
    for (size_t i = 0; same && i < n_a; i++)
        same = text_equal(a[i], b[i]);
    return same;
}

/* By the running configuration something else is read, or from somewhere else. */
static bool needs_read(const struct candidate *l)
{
    const struct directory_options *a = &l->daemon->settings->directory;
    const struct directory_options *b = &l->settings->directory;
    const struct string_list *held = ruleset_attributes(engine_ruleset(l->daemon->engine));
    const struct string_list *read = ruleset_attributes(engine_ruleset(l->engine));
    for (size_t i = 0; i < read->n_items; i++)
        if (!contains_attribute(held, read->items[i]))
            return true;
    return !same_texts(a->uris, a->n_uris, b->uris, b->n_uris) ||
           !same_texts(a->bases, a->n_bases, b->bases, b->n_bases) ||
           !same_texts(a->group_bases, a->n_group_bases, b->group_bases, b->n_group_bases) ||
           !text_equal(a->filter, b->filter) || !text_equal(a->group_filter, b->group_filter) ||
           !text_equal(a->id_attribute, b->id_attribute) || !text_equal(a->bind_dn, b->bind_dn) ||
           !text_equal(a->login_attribute, b->login_attribute);
}

static int warn_of_groups(struct candidate *l, struct error *e)
{
    CLEANUP(bound_groups_done) struct bound_groups bound = {0};
    size_t n;
    const struct ruleset *rules = engine_ruleset(l->engine);
    const struct ruleset_group *groups = ruleset_groups(rules, &n);
    int r = report_bind_groups(l->state, rules, &bound, e);
    for (size_t i = 0; i < n && r == 0; i++) {
        struct string_list similar = {0};
        if (bound.items[i].state != BOUND_NEVER_SEEN && bound.items[i].state != BOUND_GONE)
            continue;
        r = mirror_similar_groups(l->state, groups[i].dn, 1, &similar, e);
        const char *nearest = similar.n_items ? similar.items[0] : NULL;
        if (r == 0 && problem_add(&l->problems, PROBLEM_WARNING, groups[i].file, groups[i].line, 0,
                                  "the group %s is not in the directory%s%s%s", groups[i].dn,
                                  nearest ? "; did you mean '" : "", nearest ? nearest : "",
                                  nearest ? "'?" : "") < 0)
            r = error_out_of_memory(e);
        string_list_done(&similar);
    }
    return r;
}

static int warn_of_limits(struct candidate *l, struct error *e)
{
    CLEANUP(freep) char *restart = NULL;
    int r = settings_compare(l->daemon->settings, l->settings, &restart);
    if (r >= 0 && restart)
        r = problem_add(&l->problems, PROBLEM_WARNING, NULL, 0, 0, "%s", restart);
    if (r >= 0 && !needs_read(l) && state_meta_number(l->state, "read-ended", 0) == 0)
        r = problem_add(&l->problems, PROBLEM_WARNING, NULL, 0, 0,
                        "the directory was not read to its end yet: the plan is not complete");
    return r < 0 ? error_set(e, r, "the problems cannot be collected: %s", strerror(-r)) : 0;
}

static char *put_together(struct candidate *l)
{
    json_auto_t *head = report_plan_head(l->other, l->state, &l->error);
    if (!head || candidate_differences(head, l->state, l->present_state, &l->error) < 0)
        return NULL;
    /* nobody can approve what is not in force */
    if (json_object_set_new(head, "hash", json_null()) < 0 ||
        json_object_set_new(head, "problems", problems_of(l)) < 0)
        return NULL;
    return report_plan_text(head, l->state, &l->error);
}

static void find_answer(void *userdata)
{
    struct candidate *l = userdata;
    l->text = put_together(l);
    if (!l->text && !l->error.message[0])
        error_out_of_memory(&l->error);
}

static void close_states(void *userdata)
{
    struct candidate *l = userdata;
    for (size_t i = 0; i < ARRAY_SIZE(l->closing); i++)
        l->closing[i] = state_close(l->closing[i]);
}

static void on_closed(void *userdata)
{
    struct candidate *l = userdata;
    l->worker = worker_free(l->worker);
    if (l->text)
        control_reply_text(TAKE(l->call), TAKE(l->text));
    else
        control_fail(TAKE(l->call), "failed", "%s", l->error.message);
    candidate_free(l);
}

/* A copy of 100,000 people takes 40 ms to be closed. */
static void on_answer(void *userdata)
{
    struct candidate *l = userdata;
    struct error ignored = {0};
    l->worker = worker_free(l->worker);
    l->closing[0] = TAKE(l->state);
    l->closing[1] = TAKE(l->present_state);
    if (worker_start(&l->worker, l->daemon->event, close_states, on_closed, l, &ignored) < 0) {
        close_states(l);
        on_closed(l);
    }
}

/* Its engine has said all, and would go on with the tables that the thread is to have. */
static int start_answer(struct candidate *l, struct error *e)
{
    struct daemon *d = l->daemon;
    int r = warn_of_groups(l, e);
    if (r == 0)
        r = engine_view_new(&l->other, l->engine, e);
    if (r == 0)
        r = engine_commit(d->engine, e);
    if (r == 0)
        r = state_open_to_read(&l->present_state, d->state, e);
    if (r < 0)
        return r;
    l->directory = directory_free(l->directory);
    l->engine = engine_free(l->engine);
    return worker_start(&l->worker, d->event, find_answer, on_answer, l, e);
}

static int on_finish(sd_event_source *source, void *userdata)
{
    (void)source;
    struct candidate *l = userdata;
    struct error e = l->read_error;
    if (e.message[0] || start_answer(l, &e) < 0)
        fail(l, &e);
    return 0;
}

static void finish(struct candidate *l)
{
    int r = sd_event_source_set_enabled(l->finish, SD_EVENT_ONESHOT);
    if (r < 0)
        log_error("Cannot finish the plan of another configuration: %s", strerror(-r));
}

static void on_idle(void *userdata)
{
    struct candidate *l = userdata;
    if (!l->directory || l->read_done)
        finish(l);
}

/* From the directory, which must not be freed here. */
static void on_read(int r, const struct error *e, void *userdata)
{
    struct candidate *l = userdata;
    l->read_done = true;
    if (r < 0)
        error_set(&l->read_error, r, "the directory cannot be read for this configuration: %s",
                  e->message);
    if (r < 0 || engine_is_idle(l->engine))
        finish(l);
}

/* What only this configuration asks for goes into the copy. */
static int start_read(struct candidate *l, struct error *e)
{
    int r = directory_new(&l->directory, l->daemon->event, &l->settings->directory,
                          ruleset_attributes(engine_ruleset(l->engine)), &engine_sink,
                          engine_reading(l->engine), e);
    if (r < 0)
        return r;
    directory_be_quiet(l->directory);
    return directory_read_once(l->directory, on_read, l, e);
}

static int on_limit(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)source;
    (void)usec;
    struct candidate *l = userdata;
    struct engine_status s = {0};
    struct error e = {0};
    if (l->engine)
        engine_status(l->engine, &s);
    error_set(&e, -ETIMEDOUT, "the plan was not ready after %llu seconds%s%s",
              (unsigned long long)(CANDIDATE_LIMIT_USEC / USEC_PER_SEC), s.state_error ? ": " : "",
              s.state_error ? s.state_error : "");
    fail(l, &e);
    return 0;
}

static int add_sources(struct candidate *l, struct error *e)
{
    int r = sd_event_add_defer(l->daemon->event, &l->finish, on_finish, l);
    if (r >= 0)
        r = sd_event_source_set_enabled(l->finish, SD_EVENT_OFF);
    if (r >= 0)
        r = timer_in(l->daemon->event, &l->limit, CANDIDATE_LIMIT_USEC, on_limit, l);
    return r < 0 ? error_set(e, r, "cannot wait for the plan: %s", strerror(-r)) : 0;
}

static int begin(struct candidate *l, struct error *e)
{
    struct daemon *d = l->daemon;
    struct engine_options options = {
        .sync = &l->settings->sync,
        .mapping = &l->settings->mapping,
        .fingerprint = l->settings->fingerprint,
        .decisions = l->settings->decisions,
        .tenant_ops = tenant_kind_ops(&l->settings->tenant),
        .max_concurrent = l->settings->tenant.max_concurrent,
        .plan_only = true,
        .quiet = true,
    };
    int r = engine_new(&l->engine, d->event, l->state, NULL, &options, e);
    if (r == 0)
        r = warn_of_limits(l, e);
    if (r < 0)
        return r;
    bool read = needs_read(l);
    engine_on_idle(l->engine, on_idle, l);
    if (!read)
        engine_use_mirror_as_is(l->engine);
    r = engine_start(l->engine, e);
    /* Budgets and the lifecycle may differ where the rules do not. */
    if (r == 0)
        r = engine_look_again(l->engine, NULL, e);
    return r == 0 && read ? start_read(l, e) : r;
}

static void copy_state(void *userdata)
{
    struct candidate *l = userdata;
    l->r = state_open_copy(&l->state, l->state_file, &l->error);
    if (l->r > 0) /* damaged while we run: the sentence is there */
        l->r = -EUCLEAN;
    if (l->r == 0)
        l->r = mirror_counts(l->state, &l->entries, &l->error);
}

static void on_copied(void *userdata)
{
    struct candidate *l = userdata;
    l->worker = worker_free(l->worker);
    if (l->r < 0 || begin(l, &l->error) < 0)
        fail(l, &l->error);
}

void candidate_start(struct daemon *d, struct control_call *call, const struct settings_text *texts,
                     size_t n_texts)
{
    struct error e = {0};
    if (d->candidate) {
        control_fail(call, "busy", "another configuration is being examined already");
        return;
    }
    struct candidate *l = calloc(1, sizeof(*l));
    if (!l) {
        control_fail(call, "failed", "out of memory");
        return;
    }
    l->daemon = d;
    l->call = call;
    l->since_usec = clock_now_usec();
    d->candidate = l;
    int r = settings_load_texts(&l->settings, texts, n_texts, &l->problems, &e);
    if (r < 0 && l->problems.n_errors) {
        refuse(l);
        return;
    }
    if (r == 0)
        r = add_sources(l, &e);
    if (r == 0)
        r = engine_commit(d->engine, &e);
    if (r == 0 && !(l->state_file = strdup(d->settings->state_file)))
        r = error_out_of_memory(&e);
    if (r == 0)
        r = worker_start(&l->worker, d->event, copy_state, on_copied, l, &e);
    if (r < 0)
        fail(l, &e);
}

void candidate_cancel(struct daemon *d)
{
    struct error e = {0};
    if (!d->candidate)
        return;
    error_set(&e, -ECANCELED, "rosterd ends");
    fail(d->candidate, &e);
}

json_t *candidate_progress(const struct daemon *d)
{
    const struct candidate *l = d->candidate;
    struct directory_status s = {0};
    if (!l || !l->engine)
        return json_null();
    const struct mirror_counts *n = &l->entries;
    size_t left = person_count_dirty(l->state);
    bool reading = l->directory && !l->read_done;
    if (reading)
        directory_status(l->directory, &s);
    return json_pack("{s:s, s:I, s:I}", "stage", reading ? "reading" : "judging", "done",
                     (json_int_t)(reading            ? s.n_entries
                                  : n->people > left ? n->people - left
                                                     : 0),
                     "total",
                     (json_int_t)(reading ? n->people + n->groups + n->containers : n->people));
}
