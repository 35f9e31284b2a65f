/*
 * Erasing one person from closed files. Who is meant is found out first, over all files: ids,
 * and with them every DN, login, mail and number that was theirs. Then every line is taken that
 * is about them, or that names them within what it tells of somebody else: one of the two must
 * be unreadable afterwards, and the right to be forgotten is the stronger one.
 *
 * A file is written beside itself, synced and renamed, so a crash leaves the old or the new one.
 */
#include "config.h"

#include "audit/erase.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "audit/compose.h"
#include "audit/files.h"
#include "audit/line.h"
#include "audit/view.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "model/dn.h"
#include "model/json.h"

#define SHORTEST_VALUE 5 /* shorter ones stand in too many places by chance */
#define WORD           "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define JOINTS         ".-_+%" /* between two parts of one address */

void erase_plan_done(struct erase_plan *p)
{
    for (size_t i = 0; i < p->n_files; i++)
        free(p->files[i].seqs);
    free(p->files);
    free(p->named);
    string_list_done(&p->names);
    string_list_done(&p->values);
    *p = (struct erase_plan){0};
}

static bool is_name(const struct erase_plan *p, const char *text)
{
    for (size_t i = 0; text && i < p->names.n_items; i++)
        if (text_equal_fold(text, p->names.items[i]) || dn_equal(NULL, text, p->names.items[i]))
            return true;
    return false;
}

static bool is_theirs(const struct erase_plan *p, const json_t *person)
{
    const char *id = json_text_of(person, "id");

    /* A login can be another's later: with an id, the id decides. */
    return id ? is_name(p, id)
              : is_name(p, json_text_of(person, "dn")) || is_name(p, json_text_of(person, "login"));
}

static int add_once(struct string_list *l, const char *text)
{
    return !text || !*text ? 0 : string_list_add_once(l, text);
}

static int add_values(struct erase_plan *p, const json_t *changes)
{
    json_t *change;
    size_t i;

    json_array_foreach ((json_t *)(uintptr_t)changes, i, change) {
        const char *field = json_text_of(change, "field");
        const char *to = json_text_of(change, "to"), *from = json_text_of(change, "from");

        if (!field || !compose_is_contact(field))
            continue;
        if ((to && strlen(to) >= SHORTEST_VALUE && add_once(&p->values, to) < 0) ||
            (from && strlen(from) >= SHORTEST_VALUE && add_once(&p->values, from) < 0))
            return -ENOMEM;
    }
    return 0;
}

/* What the act that is resumed has named is to be erased, though what told whose a value is may be
 * gone by now. */
static int learn_named(struct erase_plan *p, const json_t *view, int64_t by)
{
    const char *event = json_text_of(view, "event");
    const json_t *lines = json_object_get(json_object_get(view, "details"), "lines"), *range;
    size_t i;

    if (event && strcmp(event, "erase-begin") == 0 && by > p->begun)
        p->begun = by;
    if (!event || strcmp(event, "erased") != 0)
        return 0;
    json_array_foreach ((json_t *)(uintptr_t)lines, i, range) {
        if (memory_grow(&p->named, &p->named_capacity, p->n_named + 1, sizeof(*p->named)) < 0)
            return -ENOMEM;
        p->named[p->n_named++] = (struct erase_stretch){
            .by = by,
            .first = json_integer_value(json_array_get(range, 0)),
            .last = json_integer_value(json_array_get(range, 1)),
        };
    }
    return 0;
}

static int by_first(const void *a, const void *b)
{
    const struct erase_stretch *left = a, *right = b;
    return (left->first > right->first) - (left->first < right->first);
}

static void keep_last_act(struct erase_plan *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n_named; i++)
        if (p->named[i].by > p->begun)
            p->named[n++] = p->named[i];
    p->n_named = n;
    if (n)
        qsort(p->named, n, sizeof(*p->named), by_first);
}

/* Stretches of one act do not overlap. */
static bool is_named(const struct erase_plan *p, int64_t seq)
{
    size_t low = 0, high = p->n_named;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (p->named[middle].last < seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low < p->n_named && p->named[low].first <= seq;
}

/* The first look finds ids by any name, the second all names and values by the ids. */
static int learn(struct erase_plan *p, const json_t *view, bool ids_only)
{
    const json_t *person = json_object_get(view, "person");
    const char *id = json_text_of(person, "id"), *dn = json_text_of(person, "dn");
    const char *login = json_text_of(person, "login");

    if (ids_only)
        return (is_name(p, dn) || is_name(p, login) || is_name(p, id)) ? add_once(&p->names, id)
                                                                       : 0;
    if (!is_theirs(p, person))
        return 0;
    if (add_once(&p->values, dn) < 0)
        return -ENOMEM;
    return add_values(p, json_object_get(view, "changes"));
}

/* A letter or a digit that makes another word of what stands beside it; the end of an escape is
 * none: \n, \u000A, and \\x0a, which stands for a byte. */
static bool goes_on_before(const char *text, const char *at)
{
    const char *p = at - 1;

    if (at == text || !strchr(WORD, *p))
        return false;
    if (p > text && p[-1] == '\\' && strchr("bfnrt", *p))
        return false;
    if (p - text >= 3 && p[-2] == 'x' && p[-3] == '\\')
        return false;
    return !(p - text >= 5 && memcmp(p - 5, "\\u00", 4) == 0);
}

/* A stop and the like go on only before another letter. */
static bool goes_on_behind(const char *at, const char *end)
{
    if (at < end && strchr(JOINTS, *at))
        at++;
    return at < end && strchr(WORD, *at);
}

/* As a value of its own: +44 20 555 1 is not in +44 20 555 12, nor ann@example.com in
 * jo.ann@example.com. */
static bool stands_in(const char *text, size_t size, const char *value, size_t n)
{
    const char *end = text + size;

    for (const char *at = text; (at = memmem(at, (size_t)(end - at), value, n)); at++) {
        const char *before = at > text && strchr(JOINTS, at[-1]) && at - 1 > text ? at - 1 : at;

        if (!goes_on_before(text, before) && !goes_on_before(text, at) &&
            !goes_on_behind(at + n, end))
            return true;
    }
    return false;
}

/* Does what a line tells of somebody else hold a value of this person? */
static bool mentions(const struct erase_plan *p, const char *text, size_t size)
{
    for (size_t i = 0; i < p->values.n_items; i++) {
        CLEANUP(buffer_done) struct buffer b = {0};

        line_add_string(&b, p->values.items[i]);
        if (!b.failed && stands_in(text, size, b.data + 1, b.size - 2))
            return true;
    }
    for (size_t i = 0; i < p->names.n_items; i++)
        if (strlen(p->names.items[i]) >= 16 &&
            stands_in(text, size, p->names.items[i], strlen(p->names.items[i])))
            return true;
    return false;
}

static int note(struct erase_lines *l, int64_t seq)
{
    if (memory_grow(&l->seqs, &l->capacity, l->n_seqs + 1, sizeof(*l->seqs)) < 0)
        return -ENOMEM;
    l->seqs[l->n_seqs++] = seq;
    return 0;
}

static int judge(struct erase_plan *p, struct erase_lines *found, const struct line_reader *l,
                 const struct line_chain *c, const json_t *view)
{
    bool theirs = is_theirs(p, json_object_get(view, "person"));

    if (c->version == LINE_OLD) {
        found->n_old += theirs || mentions(p, l->line, l->size);
        return 0;
    }
    if (!c->personal ||
        (!theirs && !is_named(p, c->seq) && !mentions(p, c->personal, c->personal_size)))
        return 0;
    return note(found, c->seq);
}

enum look { LOOK_IDS, LOOK_NAMES, LOOK_LINES };

static int look(struct erase_plan *p, const struct audit_files *all, enum look how, struct error *e)
{
    CLEANUP(line_reader_done) struct line_reader l = {.files = all};
    CLEANUP(audit_view_freep) struct audit_view *v = audit_view_new();
    struct line_chain c;
    int r = v ? 0 : error_out_of_memory(e);

    while (r == 0 && (r = line_reader_next(&l, e)) > 0) {
        r = 0;
        if (l.torn || line_look(l.line, l.size, &c) <= 0)
            continue;
        json_t *view = audit_view_read(v, l.line, l.size);
        if (view && how == LOOK_LINES)
            r = judge(p, &p->files[l.file], &l, &c, view);
        else if (view)
            r = learn(p, view, how == LOOK_IDS);
        if (view && r == 0 && p->resumed && how == LOOK_IDS)
            r = learn_named(p, view, c.seq);
        json_decref(view);
        if (r < 0)
            return error_out_of_memory(e);
    }
    return r;
}

int erase_find(struct erase_plan *p, const char *const *paths, size_t n_paths, struct error *e)
{
    struct audit_files all = {.paths = (char **)(uintptr_t)paths, .n_paths = n_paths};
    int r;

    p->files = calloc(n_paths + 1, sizeof(*p->files));
    if (!p->files)
        return error_out_of_memory(e);
    p->n_files = n_paths;
    r = look(p, &all, LOOK_IDS, e);
    keep_last_act(p);
    if (r == 0)
        r = look(p, &all, LOOK_NAMES, e);
    return r == 0 ? look(p, &all, LOOK_LINES, e) : r;
}

static bool is_listed(const struct erase_lines *l, int64_t seq)
{
    size_t low = 0, high = l->n_seqs;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (l->seqs[middle] < seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low < l->n_seqs && l->seqs[low] == seq;
}

static int write_line(gzFile out, const struct line_reader *l, const struct erase_lines *lines)
{
    struct line_chain c;
    size_t size = l->size;
    bool cut = line_parse(l->line, l->size, &c) > 0 && c.personal && is_listed(lines, c.seq);

    if (cut) /* up to the comma before "p" */
        size = (size_t)(c.personal - l->line) - (sizeof(",\"p\":") - 1);
    if ((size && gzwrite(out, l->line, (unsigned)size) != (int)size) ||
        (cut && gzwrite(out, "}", 1) != 1) || (!l->torn && gzwrite(out, "\n", 1) != 1))
        return -EIO;
    return 0;
}

static int copy(const char *path, gzFile out, const struct erase_lines *lines, struct error *e)
{
    struct audit_files one = {.paths = (char **)&path, .n_paths = 1};
    CLEANUP(line_reader_done) struct line_reader l = {.files = &one};
    int r;

    while ((r = line_reader_next(&l, e)) > 0)
        if (write_line(out, &l, lines) < 0)
            return error_set(e, -EIO, "%s cannot be written anew: %s", path, strerror(errno));
    return r;
}

static int sync_folder(const char *path)
{
    CLEANUP(freep) char *text = strdup(path);
    int fd = text ? open(dirname(text), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    int r = fd < 0 || fsync(fd) < 0 ? -errno : 0;

    if (fd >= 0)
        close(fd);
    return r;
}

static bool is_compressed(const char *path)
{
    unsigned char magic[2] = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool is = fd >= 0 && pread(fd, magic, 2, 0) == 2 && magic[0] == 0x1f && magic[1] == 0x8b;

    if (fd >= 0)
        close(fd);
    return is;
}

static int replace(const char *path, const char *beside, int fd, const struct stat *st,
                   struct error *e)
{
    int r = 0;

    /* The time of the last line decides how long it is kept. */
    struct timespec times[2] = {st->st_atim, st->st_mtim};
    if (fchmod(fd, st->st_mode & 07777) < 0 || futimens(fd, times) < 0 || fsync(fd) < 0 ||
        rename(beside, path) < 0)
        r = -errno;
    if (r == 0 && fchown(fd, st->st_uid, st->st_gid) < 0 && errno != EPERM)
        r = -errno;
    if (r == 0)
        r = sync_folder(path);
    return r < 0 ? error_set(e, r, "%s cannot be replaced: %s", path, strerror(-r)) : 0;
}

int erase_file(const char *path, const struct erase_lines *lines, struct error *e)
{
    char beside[4096];
    struct stat st;
    int fd, r;

    if (lines->n_seqs == 0)
        return 0;
    if (stat(path, &st) < 0 ||
        snprintf(beside, sizeof(beside), "%s.erasing", path) >= (int)sizeof(beside))
        return error_set(e, -errno, "%s cannot be inspected: %s", path, strerror(errno));
    fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    int second = fd < 0 ? -1 : dup(fd);
    gzFile out = second < 0 ? NULL : gzdopen(second, is_compressed(path) ? "wb" : "wbT");
    if (!out) {
        r = error_set(e, -errno, "%s cannot be written: %s", beside, strerror(errno));
        if (second >= 0)
            close(second);
        if (fd >= 0)
            close(fd);
        return r;
    }
    r = copy(path, out, lines, e);
    if (gzclose(out) != Z_OK && r == 0)
        r = error_set(e, -EIO, "%s cannot be written: %s", beside, strerror(errno));
    if (r == 0)
        r = replace(path, beside, fd, &st, e);
    if (r < 0)
        (void)unlink(beside);
    close(fd);
    return r;
}
