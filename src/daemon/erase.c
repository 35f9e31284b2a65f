/*
 * Erasing what the audit tells of a person. The act is on record before anything is removed: a
 * line that somebody began, lines that name the lines, and when all files are written anew a
 * line that it is done. A thread reads and writes the files; the loop writes the lines. What was
 * begun is kept in the state, from the same moment as its line and until that of its end, and goes
 * on after a crash or a failure.
 */
#include "config.h"

#include "audit/erase.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/timer.h"
#include "base/worker.h"
#include "daemon/daemon.h"
#include "daemon/report.h"
#include "model/json.h"

#define META_ERASING "audit-erasing"
#define RANGES_MAX   200 /* a line stays a line */

enum stage { STAGE_FIND, STAGE_WRITE };

struct erasure {
    struct daemon *daemon;
    struct control_call *call; /* NULL: it goes on after a restart */
    struct worker *worker;
    bool resumed;
    bool judged; /* who is meant is settled: `names` are ids alone when it is resumed */
    enum stage stage;
    struct string_list files;
    struct erase_plan plan;
    struct audit_actor actor;
    char *reason, *person;
    struct engine_act act;
    int r;
    struct error e;
};

static void erasure_free(struct erasure *x)
{
    x->daemon->erasure = NULL;
    worker_free(x->worker);
    string_list_done(&x->files);
    erase_plan_done(&x->plan);
    free(x->reason);
    free(x->person);
    free(x);
}

static bool is_remembered(struct daemon *d)
{
    CLEANUP(freep) char *text = NULL;
    struct error ignored = {0};
    return state_meta_get(d->state, META_ERASING, &text, &ignored) == 0;
}

static int on_again(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)source;
    (void)usec;
    erase_resume(userdata);
    return 0;
}

/* What was begun goes on when it can: a full disk, a file in a form that cannot be read. */
static void erasure_fail(struct erasure *x, const struct error *e)
{
    struct daemon *d = x->daemon;
    bool again = is_remembered(d) &&
                 timer_in(d->event, NULL, d->settings->sync.hold_retry_usec, on_again, d) >= 0;
    const char *then = again ? "; it is tried again by itself until it is done" : "";
    log_error("Erasing from the audit stopped: %s%s", e->message, then);
    if (x->call)
        control_fail(TAKE(x->call), "failed", "%s%s", e->message, then);
    erasure_free(x);
}

/* What is remembered of it; NULL: nothing, it is over. */
struct memory {
    char *text;
};

/* now: what is remembered from this line on; NULL: the same as before. */
static int record(struct erasure *x, const struct memory *now, const char *event,
                  const char *sentence, json_t *details_taken, struct error *e)
{
    json_auto_t *details = details_taken;
    CLEANUP(freep) char *text = details ? json_to_text(details, JSON_COMPACT) : NULL;
    struct audit_row row = {.event = event, .sentence = sentence, .details = text};
    if (!text)
        return error_out_of_memory(e);
    x->act = (struct engine_act){.actor = &x->actor, .reason = x->reason};
    engine_act(x->daemon->engine, &x->act);
    int r = now ? engine_remember(x->daemon->engine, META_ERASING, now->text, &row, e)
                : engine_record(x->daemon->engine, &row, e);
    engine_act(x->daemon->engine, NULL);
    return r;
}

/* On the thread. */
static void work(void *userdata)
{
    struct erasure *x = userdata;
    const char *const *files = (const char *const *)x->files.items;
    if (x->stage == STAGE_FIND)
        x->r = erase_find(&x->plan, files, x->files.n_items, &x->e);
    for (size_t i = 0; x->stage == STAGE_WRITE && i < x->files.n_items && x->r == 0; i++)
        x->r = erase_file(files[i], &x->plan.files[i], &x->e);
}

static void on_done(void *userdata);

static int start_work(struct erasure *x, enum stage stage, struct error *e)
{
    x->stage = stage;
    x->worker = worker_free(x->worker);
    return worker_start(&x->worker, x->daemon->event, work, on_done, x, e);
}

/* Stretches of lines that follow each other, [first, last]. */
static json_t *next_ranges(const struct erase_lines *l, size_t *at)
{
    json_t *ranges = json_array();
    while (*at < l->n_seqs && json_array_size(ranges) < RANGES_MAX) {
        size_t first = *at, last = first;
        while (last + 1 < l->n_seqs && l->seqs[last + 1] == l->seqs[last] + 1)
            last++;
        json_array_append_new(
            ranges, json_pack("[I, I]", (json_int_t)l->seqs[first], (json_int_t)l->seqs[last]));
        *at = last + 1;
    }
    return ranges;
}

static int record_lines(struct erasure *x, struct error *e)
{
    bool any = false;
    int r = 0;
    for (size_t i = 0; i < x->plan.n_files && r == 0; i++)
        for (size_t at = 0; at < x->plan.files[i].n_seqs && r == 0; any = true)
            r = record(x, NULL, "erased", "what these lines tell of a person is removed",
                       json_pack("{s:o}", "lines", next_ranges(&x->plan.files[i], &at)), e);
    /* In the file before anything is gone from another one. Without any the engine may be in the
     * middle of a transaction, and nothing will be gone. */
    return r < 0 || !any ? r : audit_export_run(x->daemon->audit, e);
}

static int finish(struct erasure *x, struct error *e)
{
    size_t n = 0, n_files = 0, n_old = 0;
    for (size_t i = 0; i < x->plan.n_files; i++) {
        n += x->plan.files[i].n_seqs;
        n_files += x->plan.files[i].n_seqs > 0;
        n_old += x->plan.files[i].n_old;
    }
    int r =
        record(x, &(struct memory){NULL}, "erase-end", "the erasure is done",
               json_pack("{s:I, s:I, s:I, s:b}", "lines", (json_int_t)n, "files",
                         (json_int_t)n_files, "old_form", (json_int_t)n_old, "resumed", x->resumed),
               e);
    if (r < 0)
        return r;
    log_notice("What %zu line%s of the audit told of a person was erased", n, text_plural(n));
    if (x->call)
        control_reply(TAKE(x->call), json_pack("{s:I, s:I, s:I}", "lines", (json_int_t)n, "files",
                                               (json_int_t)n_files, "old_form", (json_int_t)n_old));
    erasure_free(x);
    return 0;
}

static int count_ids(const struct erasure *x)
{
    /* The word itself, and an id for each entry that it means. */
    return (int)x->plan.names.n_items - 1;
}

static char *memory_of(const struct erasure *x)
{
    json_auto_t *object =
        json_pack("{s:s, s:s?, s:I, s:s, s:s, s:s}", "person", x->person, "reason", x->reason,
                  "uid", (json_int_t)x->actor.uid, "name", x->actor.name, "login", x->actor.login,
                  "session", x->actor.session);
    json_t *ids = x->judged ? json_array() : NULL;
    for (size_t i = 1; ids && i < x->plan.names.n_items; i++)
        json_array_append_new(ids, json_string(x->plan.names.items[i]));
    if (ids)
        json_object_set_new(object, "ids", ids);
    return object ? json_to_text(object, JSON_COMPACT) : NULL;
}

/* Before the first file is written: later the files do not tell any more who was meant, and another
 * may have the name. */
static int remember_ids(struct erasure *x, struct error *e)
{
    x->judged = true;
    CLEANUP(freep) char *text = memory_of(x);
    return text ? engine_remember(x->daemon->engine, META_ERASING, text, NULL, e)
                : error_out_of_memory(e);
}

static int on_found(struct erasure *x, struct error *e)
{
    if (!x->judged && count_ids(x) > 1) {
        int r = record(x, &(struct memory){NULL}, "erase-end",
                       "nothing was erased: the name means more than one person",
                       json_pack("{s:i}", "lines", 0), e);
        return r < 0
                   ? r
                   : error_set(
                         e, -EINVAL,
                         "that name means more than one entry; erase them one by one, by id: %s, %s%s",
                         x->plan.names.items[1], x->plan.names.items[2],
                         x->plan.names.n_items > 3 ? " …" : "");
    }
    int r = record_lines(x, e);
    if (r == 0 && !x->judged)
        r = remember_ids(x, e);
    return r < 0 ? r : start_work(x, STAGE_WRITE, e);
}

static void on_done(void *userdata)
{
    struct erasure *x = userdata;
    int r = x->r;
    if (r == -ENOMEM)
        error_out_of_memory(&x->e);
    if (r == 0)
        r = x->stage == STAGE_FIND ? on_found(x, &x->e) : finish(x, &x->e);
    if (r < 0)
        erasure_fail(x, &x->e);
}

/* All but the present file, which tells nothing of anybody yet. */
static int find_closed(struct erasure *x, struct error *e)
{
    struct string_list all = {0}, unread = {0};
    const char *present = strrchr(x->daemon->settings->audit_file, '/');
    int r = history_files(x->daemon, true, &all, &unread, e);
    for (size_t i = 0; i < all.n_items && r == 0; i++)
        if (strcmp(strrchr(all.items[i], '/'), present) != 0 &&
            string_list_add(&x->files, all.items[i]) < 0)
            r = error_out_of_memory(e);
    if (r == 0 && unread.n_items)
        r = error_set(
            e, -EINVAL,
            "%s is not compressed by gzip, so nothing could be erased from it: uncompress it first",
            unread.items[0]);
    string_list_done(&all);
    string_list_done(&unread);
    return r;
}

static int begin(struct erasure *x, struct error *e)
{
    x->plan.resumed = x->resumed;
    if (!x->judged && string_list_add(&x->plan.names, x->person) < 0)
        return error_out_of_memory(e);
    int r = audit_export_rotate(x->daemon->audit, true, e);
    if (r == 0)
        r = find_closed(x, e);
    return r < 0 ? r : start_work(x, STAGE_FIND, e);
}

static struct erasure *erasure_new(struct daemon *d, const char *person, const char *reason)
{
    struct erasure *x = calloc(1, sizeof(*x));
    if (!x)
        return NULL;
    x->daemon = d;
    x->person = strdup(person);
    x->reason = reason ? strdup(reason) : NULL;
    d->erasure = x;
    if (x->person && (x->reason || !reason))
        return x;
    erasure_free(x);
    return NULL;
}

static int remember(struct erasure *x, struct error *e)
{
    CLEANUP(freep) char *text = memory_of(x);
    if (!text)
        return error_out_of_memory(e);
    return record(x, &(struct memory){text}, "erase-begin",
                  "a person's data is erased from the audit", json_object(), e);
}

void erase_start(struct daemon *d, struct control_call *call, const char *person,
                 const struct audit_actor *actor, const char *reason)
{
    struct error e = {0};
    if (d->erasure || is_remembered(d)) {
        control_fail(call, "busy", "another erasure is under way");
        return;
    }
    struct erasure *x = erasure_new(d, person, reason);
    if (!x) {
        control_fail(call, "failed", "out of memory");
        return;
    }
    x->call = call;
    x->actor = *actor;
    int r = remember(x, &e);
    if (r == 0)
        r = begin(x, &e);
    if (r < 0)
        erasure_fail(x, &e);
}

static int take_ids(struct erasure *x, const json_t *ids, struct error *e)
{
    const json_t *id;
    size_t i;
    x->judged = ids;
    json_array_foreach ((json_t *)(uintptr_t)ids, i, id)
        if (json_string_value(id) && string_list_add(&x->plan.names, json_string_value(id)) < 0)
            return error_out_of_memory(e);
    return 0;
}

static void text_into(char *to, size_t size, const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    snprintf(to, size, "%s", text ? text : "");
}

void erase_resume(struct daemon *d)
{
    CLEANUP(freep) char *text = NULL;
    struct error e = {0};
    if (d->erasure || !d->audit || state_meta_get(d->state, META_ERASING, &text, &e) != 0)
        return;
    json_auto_t *object = json_loads(text, 0, NULL);
    const char *person = json_string_value(json_object_get(object, "person"));
    struct erasure *x =
        person ? erasure_new(d, person, json_string_value(json_object_get(object, "reason")))
               : NULL;
    if (!x)
        return;
    x->resumed = true;
    x->actor.uid = (uint32_t)json_integer_value(json_object_get(object, "uid"));
    text_into(x->actor.name, sizeof(x->actor.name), object, "name");
    text_into(x->actor.login, sizeof(x->actor.login), object, "login");
    text_into(x->actor.session, sizeof(x->actor.session), object, "session");
    int r = engine_remember(d->engine, META_ERASING, text, NULL, &e); /* commits what is open */
    if (r == 0)
        r = take_ids(x, json_object_get(object, "ids"), &e);
    if (r == 0)
        r = begin(x, &e);
    if (r < 0)
        erasure_fail(x, &e);
}

void erase_cancel(struct daemon *d)
{
    struct erasure *x = d->erasure;
    if (!x)
        return;
    if (x->call)
        control_fail(TAKE(x->call), "failed",
                     "rosterd ends; the erasure goes on when it starts again");
    erasure_free(x);
}
