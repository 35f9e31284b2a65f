/*
 * What the audit says about one person. The audit's files may be long, so a thread reads them:
 * it has file names and search words of its own and touches nothing of the daemon. The loop
 * answers when the thread says that it is done. One history at a time.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>

#include "audit/files.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/worker.h"
#include "daemon/daemon.h"
#include "daemon/report.h"
#include "model/json.h"
#include "state/mirror.h"

#define LINES_MAX 1000 /* the newest ones */

struct found {
    int64_t seq;
    char *line;
};

struct history {
    struct daemon *daemon;
    struct control_call *call;
    struct worker *worker;
    /* Given to the thread, and its answer. */
    struct string_list files, ids, unread;
    char *person;
    struct found *lines;
    size_t n_lines, capacity;
    int r;
    struct error e;
};

static void history_free(struct history *h)
{
    if (h->daemon->history == h)
        h->daemon->history = NULL;
    worker_free(h->worker);
    for (size_t i = 0; i < h->n_lines; i++)
        free(h->lines[i].line);
    free(h->lines);
    string_list_done(&h->files);
    string_list_done(&h->ids);
    free(h->person);
    string_list_done(&h->unread);
    free(h);
}

/* Only the newest lines are kept. */
static void drop_oldest(struct history *h)
{
    for (size_t i = 0; i < LINES_MAX; i++)
        free(h->lines[i].line);
    h->n_lines -= LINES_MAX;
    memmove(h->lines, &h->lines[LINES_MAX], h->n_lines * sizeof(*h->lines));
}

/* The lines are answered as they read, whatever form they have in the file. */
static int take_line(const char *line, const json_t *view, void *userdata)
{
    struct history *h = userdata;
    (void)line;
    if (h->n_lines == 2 * (size_t)LINES_MAX)
        drop_oldest(h);
    if (memory_grow(&h->lines, &h->capacity, h->n_lines + 1, sizeof(*h->lines)) < 0)
        return -ENOMEM;
    char *copy = json_to_text(view, JSON_COMPACT);
    if (!copy)
        return -ENOMEM;
    int64_t seq = json_integer_value(json_object_get(view, "seq"));
    h->lines[h->n_lines++] = (struct found){.seq = seq, .line = copy};
    return 0;
}

static int compare(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

/* A file that is damaged, or one that should follow and does not, may have held more. */
static int note_damage(struct history *h, const struct audit_doubts *doubts)
{
    if (doubts->n_unread + doubts->n_breaks == 0 || !doubts->file)
        return 0;
    const char *slash = strrchr(doubts->file, '/');
    return string_list_add_once(&h->unread, slash ? slash + 1 : doubts->file);
}

static void read_files(void *userdata)
{
    CLEANUP(audit_doubts_done) struct audit_doubts doubts = {0};
    struct history *h = userdata;
    const char *const *files = (const char *const *)h->files.items;
    struct audit_filter filter = {.person = h->person, .ids = &h->ids, .doubts = &doubts};
    if (h->files.n_items)
        h->r = audit_each(files, h->files.n_items, &filter, take_line, h, &h->e);
    if (h->r == 0)
        h->r = note_damage(h, &doubts);
    if (h->r == -ENOMEM)
        error_out_of_memory(&h->e);
    if (h->n_lines)
        qsort(h->lines, h->n_lines, sizeof(*h->lines), compare);
}

static json_t *lines_of(const struct history *h)
{
    size_t n_unique = 0, skip = 0, seen = 0;
    json_auto_t *lines = json_array();
    for (size_t i = 0; i < h->n_lines; i++)
        n_unique += i == 0 || h->lines[i].seq != h->lines[i - 1].seq;
    skip = n_unique > LINES_MAX ? n_unique - LINES_MAX : 0;
    for (size_t i = 0; i < h->n_lines; i++) {
        if (i && h->lines[i].seq == h->lines[i - 1].seq)
            continue;
        if (seen++ >= skip && json_array_append_new(lines, report_text(h->lines[i].line)) < 0)
            return NULL;
    }
    return json_incref(lines);
}

static json_t *unread_of(const struct history *h)
{
    json_t *names = json_array();
    for (size_t i = 0; i < h->unread.n_items; i++)
        json_array_append_new(names, report_text(h->unread.items[i]));
    return names;
}

static void on_done(void *userdata)
{
    struct history *h = userdata;
    json_t *answer =
        h->r == 0 ? json_pack("{s:o, s:o}", "lines", lines_of(h), "unread", unread_of(h)) : NULL;
    if (answer)
        control_reply(TAKE(h->call), answer);
    else
        control_fail(TAKE(h->call), "failed", "%s",
                     h->e.message[0] ? h->e.message : "out of memory");
    history_free(h);
}

/* FILE, and what rotation makes of it: FILE.1, FILE-20261124, FILE.2.gz. */
static bool is_rotated(const char *name, const char *base)
{
    const char *rest = name + strlen(base);
    size_t left = strlen(rest);

    if (left > 3 && strcmp(rest + left - 3, ".gz") == 0)
        left -= 3;
    return left == 0 || (left > 1 && strspn(rest + 1, "0123456789.-") >= left - 1);
}

/* Whatever somebody called it, as FILE.old or FILE-web1: what it holds says whether it is one. */
static bool is_sibling(const char *name, const char *base)
{
    size_t size = strlen(base);

    return strncmp(name, base, size) == 0 && strchr("-.", name[size]) && !strstr(name, ".erasing");
}

/* Of another compression: the answer says that it was not read. */
static bool is_unreadable(const char *name, const char *base)
{
    static const char *const ends[] = {".xz", ".zst", ".bz2", ".lz4"};
    size_t size = strlen(name);
    if (strncmp(name, base, strlen(base)) != 0)
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
        if (size > strlen(ends[i]) && strcmp(name + size - strlen(ends[i]), ends[i]) == 0)
            return true;
    return false;
}

/* Whether it holds what a file that was taken begins with as well: a copy. */
static bool is_copy(const struct string_list *taken, int64_t first)
{
    int64_t other;

    for (size_t i = 0; i < taken->n_items; i++)
        if (audit_files_is_one(taken->items[i], &other) && other == first)
            return true;
    return false;
}

/* Of a folder what begins as our file is called: first what rotation names, then what else holds
 * lines. */
static int list_files(DIR *dir, const char *folder, const char *base, bool odd, bool copies,
                      struct string_list *ret)
{
    int r = 0;

    rewinddir(dir);
    for (struct dirent *entry; r == 0 && (entry = readdir(dir));) {
        char path[4096];
        int64_t first;

        if (!is_sibling(entry->d_name, base) || is_rotated(entry->d_name, base) == odd ||
            snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name) >= (int)sizeof(path))
            continue;
        if (!odd || (audit_files_is_one(path, &first) && (copies || !is_copy(ret, first))))
            r = string_list_add(ret, path);
    }
    return r;
}

int history_files(struct daemon *d, bool copies, struct string_list *ret,
                  struct string_list *ret_unread, struct error *e)
{
    CLEANUP(freep) char *for_folder = strdup(d->settings->audit_file);
    CLEANUP(freep) char *for_base = strdup(d->settings->audit_file);
    if (!for_folder || !for_base)
        return error_out_of_memory(e);
    const char *folder = dirname(for_folder), *base = basename(for_base);
    DIR *dir = opendir(folder);
    if (!dir)
        return error_set(e, -errno, "%s cannot be read: %s", folder, strerror(errno));
    int r = 0;
    for (struct dirent *entry; r == 0 && (entry = readdir(dir));)
        if (is_unreadable(entry->d_name, base))
            r = string_list_add(ret_unread, entry->d_name);
    if (r == 0)
        r = list_files(dir, folder, base, false, copies, ret);
    if (r == 0)
        r = list_files(dir, folder, base, true, copies, ret);
    (void)closedir(dir);
    return r < 0 ? error_out_of_memory(e) : 0;
}

/* The word itself, and the ids of everybody whom it means now: an id finds rows of an earlier
 * name too. */
static int find_ids(struct history *h, const char *person, struct error *e)
{
    h->person = strdup(person);
    return h->person ? mirror_find_people(h->daemon->state, person, &h->ids, e)
                     : error_out_of_memory(e);
}

/* Rows that have not left yet belong to the history too. */
static void export_rows(struct daemon *d)
{
    struct error e = {0};
    if (d->audit && !state_in_transaction(d->state) && audit_export_run(d->audit, &e) < 0)
        log_error("%s", e.message);
}

void history_start(struct daemon *d, struct control_call *call, const char *person)
{
    struct error e = {0};
    if (d->history) {
        control_fail(call, "busy", "another history is being read");
        return;
    }
    struct history *h = calloc(1, sizeof(*h));
    if (!h) {
        control_fail(call, "failed", "out of memory");
        return;
    }
    h->daemon = d;
    h->call = call;
    d->history = h;
    export_rows(d);
    int r = history_files(d, false, &h->files, &h->unread, &e);
    if (r == 0)
        r = find_ids(h, person, &e);
    if (r == 0)
        r = worker_start(&h->worker, d->event, read_files, on_done, h, &e);
    if (r < 0) {
        control_fail(TAKE(h->call), "failed", "%s", e.message);
        history_free(h);
    }
}

void history_cancel(struct daemon *d)
{
    if (!d->history)
        return;
    control_fail(TAKE(d->history->call), "failed", "rosterd ends");
    history_free(d->history);
}
