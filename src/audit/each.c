/*
 * Lines that answer a question: about one person, of some kinds, of some time. It reads and does
 * not judge: what is no line is passed over, as audit_verify() is there to say so.
 *
 * A person is known by what the question says (id, DN or login) and by every id that such a line
 * has, so that a history goes on across renames. An outcome that leaves to its intent what was done
 * to whom is read if that was.
 */
#include "config.h"

#include "audit/each.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/files.h"
#include "audit/form.h"
#include "audit/line.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "model/dn.h"

#define SALT_SIZE 22 /* characters */

/* A plain word stands in the line as it is, but for its case, so most lines need no parsing. */
static bool is_plain(const char *text)
{
    for (; *text; text++)
        if (*text <= ' ' || *text > '~' || strchr("\"\\=,", *text))
            return false;
    return true;
}

struct search {
    const struct audit_filter *filter;
    struct audit_view *view;
    bool plain;
    json_t *ids; /* of whoever is meant: an object with a member for each */
    /* How the lines follow each other. */
    bool any, has_link;
    size_t file;
    int64_t last, last_of_others; /* numbers: of the line before, the highest of the files before */
    struct chain_hash link;       /* of the last line of a block, which a file may end with */
};

static void search_done(struct search *s)
{
    json_decref(s->ids);
}

static bool is_named(const json_t *view, const char *person)
{
    const json_t *object = json_object_get(view, "person");
    const char *id = json_string_value(json_object_get(object, "id"));
    const char *dn = json_string_value(json_object_get(object, "dn"));
    const char *login = json_string_value(json_object_get(object, "login"));

    return (id && text_equal_ascii_case(id, person)) || (login && text_equal_fold(login, person)) ||
           (dn && dn_equal(NULL, dn, person));
}

/* Is it of one of the ids? The id stands right behind the salt, and nearly always as it is. */
static bool has_id(const struct search *s, const struct line_chain *l)
{
    static const char begin[] = "{\"s\":\"", between[] = "\",\"id\":\"";
    const char *id;
    size_t size;

    if (!l->personal)
        return l->version == LINE_OLD;
    id = l->personal + sizeof(begin) - 1 + SALT_SIZE + sizeof(between) - 1;
    if (l->personal_size < (size_t)(id - l->personal) ||
        memcmp(id - (sizeof(between) - 1), between, sizeof(between) - 1) != 0)
        return true;
    size = strcspn(id, "\"\\");
    return id[size] == '\\' || json_object_getn(s->ids, id, size);
}

/* A name stands in what is personal alone: another place where the word stands, as that of the kind
 * of an operation, is none. */
static bool may_name(const struct search *s, const char *line, size_t size)
{
    struct line_chain chain;

    if (!s->plain)
        return true;
    if (!strcasestr(line, s->filter->person))
        return false;
    if (line_look(line, size, &chain) <= 0 || chain.version == LINE_OLD)
        return true;
    return chain.personal && strcasestr(chain.personal, s->filter->person);
}

/* The ids of whoever is meant: one pass of its own, since a line may come before the name that
 * was asked for. */
static int find_ids(struct search *s, const struct audit_files *files, struct error *e)
{
    CLEANUP(line_reader_done) struct line_reader l = {.files = files};
    CLEANUP(audit_view_freep) struct audit_view *v = audit_view_new();
    int r = v ? 0 : error_out_of_memory(e);

    while (r == 0 && (r = line_reader_next(&l, e)) > 0) {
        json_t *view;
        const char *id;

        r = 0;
        if (l.torn)
            continue;
        if (!may_name(s, l.line, l.size)) { /* but a number that it has may be of another now */
            if (audit_view_pass(v, l.line, audit_view_intent(v, l.line)) < 0)
                r = error_out_of_memory(e);
            continue;
        }
        view = audit_view_read(v, l.line, l.size);
        id = json_string_value(json_object_get(json_object_get(view, "person"), "id"));
        if (id && *id && is_named(view, s->filter->person) &&
            json_object_set_new(s->ids, id, json_true()) < 0)
            r = error_out_of_memory(e);
        json_decref(view);
    }
    return r;
}

static bool is_member(const json_t *view, const char *name, const char *wanted)
{
    const char *text = json_string_value(json_object_get(view, name));

    return !wanted || (text && strcmp(text, wanted) == 0);
}

/* Times of one form compare as texts; a date alone is its first moment. */
static bool is_in_time(const char *time, const struct audit_filter *f)
{
    return (!f->since || strcmp(time, f->since) >= 0) && (!f->until || strcmp(time, f->until) < 0);
}

bool filter_takes(const struct audit_filter *f, const struct line_chain *l, const json_t *view)
{
    return view && l->seq > f->after && is_in_time(l->time, f) &&
           is_member(view, "event", f->event) && is_member(view, "operation", f->kind) &&
           is_member(view, "code", f->code);
}

/* ,"op":"kind" of a line of version 1, which holds no such text but as that member. */
static bool is_of_kind(const char *line, const char *kind)
{
    char member[64];

    return snprintf(member, sizeof(member), ",\"op\":\"%s\"", kind) >= (int)sizeof(member) ||
           strstr(line, member);
}

enum audit_want filter_wants(const struct audit_filter *f, const struct line_chain *l,
                             const char *line, enum audit_intent intent)
{
    bool outcomes = !f->event || strcmp(f->event, "outcome") == 0;

    if (l->version == LINE_OLD)
        return l->seq > f->after ? AUDIT_READ : AUDIT_PASS_OVER;
    if (f->kind && intent != AUDIT_INTENT_READ && !is_of_kind(line, f->kind))
        return AUDIT_PASS_OVER;
    if (l->seq > f->after && is_in_time(l->time, f) && (!f->event || line_is_event(line, f->event)))
        return AUDIT_READ;
    return outcomes && line_is_event(line, "intent") ? AUDIT_NOTE : AUDIT_PASS_OVER;
}

bool audit_is_doubtful(const struct audit_doubts *d)
{
    return d->n_unread || d->n_breaks || d->n_again;
}

void audit_doubts_done(struct audit_doubts *d)
{
    free(d->file);
    *d = (struct audit_doubts){0};
}

static int doubt(struct audit_doubts *d, uint64_t *count, const struct line_reader *l)
{
    ++*count;
    if (d->file)
        return 0;
    d->line = l->number;
    d->file = strdup(l->files->paths[l->file]);
    return d->file ? 0 : -ENOMEM;
}

static int doubt_line(struct search *s, const struct line_reader *l)
{
    struct audit_doubts *d = s->filter->doubts;

    return d ? doubt(d, &d->n_unread, l) : 0;
}

/* A compressed file that ends too early held more than was read. */
static int doubt_cut(struct search *s, const struct line_reader *l)
{
    struct audit_doubts *d = s->filter->doubts;

    if (!d || l->n_cut == 0)
        return 0;
    d->n_unread += l->n_cut;
    if (!d->file)
        d->file = strdup(l->files->paths[l->cut_file]);
    return d->file ? 0 : -ENOMEM;
}

/* What was passed over must not hold in other bytes what was looked for. */
static int look_at_form(struct search *s, const struct line_reader *l,
                        const struct line_chain *chain)
{
    if (!s->filter->doubts || chain->version == LINE_OLD || form_is_ours(l->line, l->size))
        return 0;
    return doubt_line(s, l);
}

/* A number that an earlier file had already: the file was given twice, or is of another audit. */
static bool is_again(struct search *s, const struct line_reader *l, const struct line_chain *chain)
{
    if (l->file != s->file)
        s->last_of_others = s->last > s->last_of_others ? s->last : s->last_of_others;
    return s->any && chain->seq <= s->last_of_others;
}

/* Does it continue the line before? True: it has a number again, and is passed over. Where there is
 * no memory for the file's name it is counted without. */
static bool follow(struct search *s, const struct line_reader *l, const struct line_chain *chain)
{
    struct audit_doubts *d = s->filter->doubts, none = {0};
    struct line_chain whole;
    bool again = is_again(s, l, chain);
    bool broken = s->any && !again &&
                  (chain->seq != s->last + 1 ||
                   (l->file != s->file && s->has_link && !chain_equal(&s->link, &chain->prev)));

    d = d ? d : &none;
    if (again || broken)
        (void)doubt(d, again ? &d->n_again : &d->n_breaks, l);
    s->has_link =
        !again && l->block_at == l->block_size && line_parse(l->line, l->size, &whole) > 0;
    if (s->has_link)
        s->link = whole.link;
    if (!again) {
        d->first_seq = s->any ? d->first_seq : chain->seq;
        s->any = true;
        s->last = d->last_seq = chain->seq;
    }
    s->file = l->file;
    audit_doubts_done(&none);
    return again;
}

static bool is_about(const struct search *s, const struct line_reader *l, const json_t *view)
{
    const struct audit_filter *f = s->filter;
    const char *id;

    if (!f->person)
        return true;
    id = json_string_value(json_object_get(json_object_get(view, "person"), "id"));
    return (id && json_object_get(s->ids, id)) ||
           (may_name(s, l->line, l->size) && is_named(view, f->person));
}

/* Only an intent that may be about them matters to their outcomes. */
static enum audit_want wants(struct search *s, const struct line_chain *chain,
                             const struct line_reader *l, enum audit_intent intent, void *userdata)
{
    const char *line = l->line;
    enum audit_want want = filter_wants(s->filter, chain, line, intent);

    if (want != AUDIT_PASS_OVER && s->filter->person && intent != AUDIT_INTENT_READ &&
        !may_name(s, line, l->size) && !has_id(s, chain))
        return AUDIT_PASS_OVER;
    return want == AUDIT_READ && s->filter->wants ? s->filter->wants(chain, line, userdata) : want;
}

static int look_at(struct search *s, const struct line_reader *l, audit_line_fn fn, void *userdata)
{
    enum audit_intent intent;
    struct line_chain chain;
    json_t *view;
    int r = 0;

    if (l->torn)
        return 0;
    if (line_look(l->line, l->size, &chain) <= 0)
        return doubt_line(s, l);
    if (follow(s, l, &chain))
        return 0;
    intent = audit_view_intent(s->view, l->line);
    if (s->filter->doubts)
        s->filter->doubts->n_unknown += intent == AUDIT_INTENT_MISSING;
    switch (wants(s, &chain, l, intent, userdata)) {
    case AUDIT_PASS_OVER:
        r = audit_view_pass(s->view, l->line, intent);
        return r == 0 ? look_at_form(s, l, &chain) : r;
    case AUDIT_NOTE:
        r = audit_view_note(s->view, l->line, l->size, intent);
        return r == 0 ? look_at_form(s, l, &chain) : r;
    case AUDIT_READ: break;
    }
    view = audit_view_read(s->view, l->line, l->size);
    if (!view)
        return doubt_line(s, l);
    if (filter_takes(s->filter, &chain, view) && is_about(s, l, view))
        r = fn(l->line, view, userdata);
    json_decref(view);
    return r;
}

int audit_each(const char *const *paths, size_t n_files, const struct audit_filter *filter,
               audit_line_fn fn, void *userdata, struct error *e)
{
    CLEANUP(audit_files_done) struct audit_files files = {0};
    CLEANUP(line_reader_done) struct line_reader l = {.files = &files};
    CLEANUP(audit_view_freep) struct audit_view *v = audit_view_new();
    CLEANUP(search_done) struct search s = {.filter = filter, .view = v};
    int r = v ? audit_files_order(&files, paths, n_files, e) : error_out_of_memory(e);

    if (r == 0 && filter->brief)
        audit_view_brief(v);
    s.plain = filter->person && is_plain(filter->person);
    s.ids = json_object();
    if (r == 0 && !s.ids)
        r = error_out_of_memory(e);
    for (size_t i = 0; r == 0 && filter->ids && i < filter->ids->n_items; i++)
        if (json_object_set_new(s.ids, filter->ids->items[i], json_true()) < 0)
            r = error_out_of_memory(e);
    if (r == 0 && filter->person)
        r = find_ids(&s, &files, e);
    while (r == 0 && (r = line_reader_next(&l, e)) > 0)
        r = look_at(&s, &l, fn, userdata);
    return r == 0 ? doubt_cut(&s, &l) : r;
}
