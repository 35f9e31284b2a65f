/*
 * Of whom the directory says, by a search of its own beside the read, that access is to end.
 * Whoever has no user, or whose entry says so already, needs no such word.
 */
#include "config.h"

#include "intake/urgent.h"

#include <stdbool.h>

#include "directory/feed.h"
#include "intake/reading-internal.h"
#include "intake/told.h"
#include "state/link.h"
#include "state/person.h"

#define LOOKS_AT_ONCE 256 /* takes a few ms */

static const char *urgent_filter(void *userdata)
{
    struct reading *g = userdata;
    bool users = link_count(g->state, LINK_ACTIVE) || link_count(g->state, LINK_DISABLED);
    return users ? ruleset_revoke_filter(rules_ruleset(g->rules)) : NULL;
}

static int look_soon(struct reading *g, const char *entry_id)
{
    books_wake(g->books, WORK_DUE);
    return string_list_add_once(&g->revocations, entry_id);
}

/* What stands in the queue because of that word goes with it. */
static int not_any_more(struct reading *g, const struct string_list *ids, struct error *e)
{
    int r = 0;
    for (size_t i = 0; i < ids->n_items && r == 0; i++) {
        r = person_mark_dirty(g->state, ids->items[i], e);
        if (r == 0 && look_soon(g, ids->items[i]) < 0)
            r = error_out_of_memory(e);
    }
    return r;
}

static int take_back(struct reading *g, unsigned search, const char *id, struct error *e)
{
    CLEANUP(string_list_done) struct string_list ids = {0};
    if (!told_take_back(rules_told(g->rules), id, search))
        return 0;
    return string_list_add(&ids, id) < 0 ? error_out_of_memory(e) : not_any_more(g, &ids, e);
}

/* 1: the entry as it is in the mirror says so by itself. */
static int mirror_says_so(const struct reading *g, const char *id, struct error *e)
{
    struct mirror_entry m = {0};
    int r = mirror_load(g->state, id, &m, e);
    bool there = r == 0 && m.entry && !m.gone && m.entry->kind == ENTRY_PERSON;
    if (there)
        r = ruleset_revokes(rules_ruleset(g->rules), m.entry);
    mirror_entry_done(&m);
    return there && r < 0 ? error_out_of_memory(e) : there || r < 0 ? r : 0;
}

/* Nobody needs to look who it is that left long ago, however many there are. Whose user is not in
 * use may be about to get it back: nothing of that leaves before the end of the read. */
static int look_where_needed(struct reading *g, const char *id, enum link_status status,
                             bool is_shown, struct error *e)
{
    if (status != LINK_ACTIVE)
        return is_shown ? 0 : person_mark_dirty(g->state, id, e);
    int r = is_shown ? queue_revokes(g->state, id, e) : 0;
    if (r != 0)
        return r < 0 ? r : 0;
    return look_soon(g, id) < 0 ? error_out_of_memory(e) : 0;
}

/* The server compares as it does; what counts is what the rules say of the same entry. */
static int urgent_named(void *userdata, unsigned search, const struct entry *entry, struct error *e)
{
    struct reading *g = userdata;
    struct told *told = rules_told(g->rules);
    enum link_status status;
    int r = ruleset_revokes(rules_ruleset(g->rules), entry);
    if (r <= 0)
        return r < 0 ? error_out_of_memory(e) : take_back(g, search, entry->id, e);
    r = link_load_status(g->state, entry->id, &status, e);
    if (r < 0 || ((r == STATE_NONE || status == LINK_DELETED) && !told_has(told, entry->id)))
        return r < 0 ? r : 0;
    int is_shown = mirror_says_so(g, entry->id, e);
    if (is_shown < 0)
        return is_shown;
    int n = told_note(told, entry->id, search, is_shown);
    if (n < 0)
        return error_out_of_memory(e);
    return n > 0 ? look_where_needed(g, entry->id, status, is_shown, e) : 0;
}

static int urgent_left(void *userdata, unsigned search, const char *id, struct error *e)
{
    return take_back(userdata, search, id, e);
}

static void urgent_begin(void *userdata, unsigned search)
{
    struct reading *g = userdata;
    told_begin(rules_told(g->rules), search);
}

static int urgent_listed(void *userdata, unsigned search, struct error *e)
{
    CLEANUP(string_list_done) struct string_list ids = {0};
    struct reading *g = userdata;
    if (told_end(rules_told(g->rules), search, &ids) < 0)
        return error_out_of_memory(e);
    return not_any_more(g, &ids, e);
}

/* Between reads the mirror is never older than what was told before. */
static int urgent_is_open(void *userdata, struct error *e)
{
    struct reading *g = userdata;
    struct told *told = rules_told(g->rules);
    size_t n = told->n_open < LOOKS_AT_ONCE ? told->n_open : LOOKS_AT_ONCE;
    int r = 0;
    for (; n > 0 && r >= 0; n--) {
        const char *id = told_next_open(told);
        r = mirror_says_so(g, id, e);
        if (r > 0)
            told_forget(told, id);
    }
    if (r >= 0 && !told->n_open)
        told_done(told);
    return r < 0 ? r : told->n_open > 0;
}

static int urgent_over(void *userdata, struct error *e)
{
    CLEANUP(string_list_done) struct string_list ids = {0};
    struct reading *g = userdata;
    if (told_end_all(rules_told(g->rules), &ids) < 0)
        return error_out_of_memory(e);
    return not_any_more(g, &ids, e);
}

/* Amid a read, whoever is revoked no more does not wait for its end either: what was planned
 * before would leave until then. */
int urgent_came(struct reading *g, const char *entry_id, bool revoked, bool changed,
                struct error *e)
{
    if (!ruleset_revoke_filter(rules_ruleset(g->rules)))
        return 0;
    if (revoked)
        told_forget(rules_told(g->rules), entry_id);
    else
        told_set_shown(rules_told(g->rules), entry_id, false);
    int r = changed && revoked ? 1
            : changed && g->under_way && !told_has(rules_told(g->rules), entry_id)
                ? queue_revokes(g->state, entry_id, e)
                : 0;
    if (r <= 0)
        return r;
    return look_soon(g, entry_id) < 0 ? error_out_of_memory(e) : 0;
}

int urgent_is_unchanged(struct reading *g, const char *entry_id, struct error *e)
{
    struct told *told = rules_told(g->rules);
    if (!told_has(told, entry_id))
        return 0;
    int r = told_is_shown(told, entry_id) ? 1 : mirror_says_so(g, entry_id, e);
    if (r > 0)
        told_forget(told, entry_id);
    return r < 0 ? r : 0;
}

const struct feed_urgent intake_urgent = {
    .filter = urgent_filter,
    .begin = urgent_begin,
    .named = urgent_named,
    .left = urgent_left,
    .listed = urgent_listed,
    .is_open = urgent_is_open,
    .over = urgent_over,
};
