/*
 * An attribute that vanished from more people than the configured share since the last whole
 * read, as when an access rule of the directory changes. It is noted, and whoever lacks it now
 * waits; people who left took their values along, which is no vanishing.
 */
#include "config.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "intake/reading-internal.h"
#include "model/json.h"
#include "model/operation.h"
#include "state/person.h"
#include "state/queue.h"

#define VANISHED_NAME_SIZE 256
#define FEWEST_VALUES      5 /* below that a share says nothing */
#define META_APPROVED      "vanished-approved"

/* Counts of a whole read: by attribute name, and under "" how many people there were. */
static json_t *counts_before(struct reading *g, int *ret_r, struct error *e)
{
    CLEANUP(freep) char *text = NULL;
    *ret_r = state_meta_get(g->state, "attribute-counts", &text, e);
    return *ret_r == 0 ? json_loads(text, 0, NULL) : NULL;
}

static double count_of(const json_t *counts, const char *name)
{
    return (double)json_integer_value(json_object_get(counts, name));
}

static bool is_among(const char *names, const char *name)
{
    const size_t size = strlen(name);
    for (const char *p = names; (p = strchr(p, ',')) != NULL && *++p;)
        if (strncmp(p, name, size) == 0 && (p[size] == ',' || !p[size]))
            return true;
    return false;
}

static void say_vanished(struct reading *g, const char *name, double before, size_t now,
                         bool is_lost, struct string_list *standing)
{
    char cause[300], sentence[512];
    snprintf(cause, sizeof(cause), "attribute:%s", name);
    if (is_lost)
        snprintf(
            sentence, sizeof(sentence),
            "the attribute %s had values for %.0f people before and has values for %zu now: changes of "
            "those who lack it wait for approval",
            name, before, now);
    else
        snprintf(
            sentence, sizeof(sentence),
            "the attribute %s is new to the rules, and the read for it was not whole: those who lack it "
            "lose nothing before a whole read, or approval",
            name);
    alarm_set(g->books, cause, REASON_ATTRIBUTE_VANISHED, sentence);
    if (string_list_add(standing, cause) < 0) /* told again at the next read */
        log_debug("Out of memory: the alarm of %s ends", name);
}

static void say_back(struct reading *g, const char *name)
{
    char cause[300];
    snprintf(cause, sizeof(cause), "attribute:%s", name);
    alarm_over(g->books, cause);
}

/* Fills `vanished` (names between commas) and the counts to compare the next read with: for a
 * vanished attribute those before, so that it stays vanished until it is back or approved. */
static json_t *compare_counts(struct reading *g, const json_t *old, const size_t *counts,
                              size_t people, const struct string_list *unread, char *vanished,
                              size_t size, struct string_list *standing)
{
    const struct string_list *names = ruleset_attributes(rules_ruleset(g->rules));
    double people_before = count_of(old, ""), left = people_before - (double)people;
    double limit = people_before * g->options->sync->attribute_vanish_percent / 100.0;
    json_t *now = json_object();
    snprintf(vanished, size, ",");
    json_object_set_new(now, "", json_integer((json_int_t)people));
    for (size_t i = 0; i < names->n_items; i++) {
        const char *name = names->items[i];
        double before = count_of(old, name);
        double lost = before - (double)counts[i] - (left > 0 ? left : 0);
        bool is_lost = before >= FEWEST_VALUES && lost > limit;
        /* Nobody is decided about while it is read. */
        bool is_unread =
            string_list_contains(unread, name) && (!g->under_way || is_among(g->vanished, name));
        json_object_set_new(now, name,
                            json_integer(is_lost ? (json_int_t)before : (json_int_t)counts[i]));
        if (is_lost || is_unread) {
            size_t used = strlen(vanished);
            snprintf(vanished + used, size - used, "%s,", name);
            say_vanished(g, name, before, counts[i], is_lost, standing);
        }
    }
    return now;
}

/* Those who waited, and those who lack the attribute, are in another position now. */
static int note_vanished(struct reading *g, const char *vanished, struct error *e)
{
    if (!strcmp(vanished, g->vanished) || (!g->vanished[0] && !strcmp(vanished, ",")))
        return 0;
    snprintf(g->vanished, sizeof(g->vanished), "%s", vanished);
    int r = state_meta_set(g->state, META_VANISHED, vanished, e);
    if (r == 0) /* of another one */
        r = state_meta_set(g->state, META_APPROVED, NULL, e);
    return r < 0 ? r : person_mark_all_dirty(g->state, e);
}

static void note_unread(struct reading *g, const struct string_list *unread)
{
    snprintf(g->unread, sizeof(g->unread), ",");
    for (size_t i = 0; i < unread->n_items; i++) {
        size_t used = strlen(g->unread);
        snprintf(g->unread + used, sizeof(g->unread) - used, "%s,", unread->items[i]);
    }
}

static int compare(struct reading *g, bool whole, size_t *counts, struct error *e)
{
    size_t people;
    char vanished[sizeof(g->vanished)];
    int r = mirror_attribute_counts(g->state, ruleset_attributes(rules_ruleset(g->rules)), counts,
                                    &people, e);
    if (r < 0)
        return r;
    g->people_unlooked = 0;
    g->people_looked = people;
    CLEANUP(string_list_done) struct string_list standing = {0};
    CLEANUP(string_list_done) struct string_list unread = {0};
    r = unread_names(g, &unread, e);
    if (r < 0)
        return r;
    note_unread(g, &unread);
    json_t *old = counts_before(g, &r, e);
    json_t *now = r < 0 ? NULL
                        : compare_counts(g, old, counts, people, &unread, vanished,
                                         sizeof(vanished), &standing);
    CLEANUP(freep) char *text = now ? json_to_text(now, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    json_decref(old);
    json_decref(now);
    if (r < 0)
        return r;
    if (!text)
        return error_out_of_memory(e);
    /* Also of those that are not read any more. */
    r = alarm_over_but(g->books, "attribute:", &standing, e);
    if (r < 0)
        return r;
    /* What increments take away bit by bit must add up. */
    if (whole)
        r = state_meta_set(g->state, "attribute-counts", text, e);
    return r < 0 ? r : note_vanished(g, vanished, e);
}

int reading_accept_vanished(struct reading *g, const char *shown, struct error *e)
{
    char name[VANISHED_NAME_SIZE];
    const char *p = g->vanished + strspn(g->vanished, ",");
    if (!*p || !text_equal(shown, g->vanished))
        return 0;
    for (; *p; p += strspn(p, ",")) {
        size_t length = strcspn(p, ",");
        snprintf(name, sizeof(name), "%.*s", (int)length, p);
        say_back(g, name);
        p += length;
    }
    g->vanished[0] = '\0';
    int r = state_meta_set(g->state, META_VANISHED, NULL, e);
    if (r == 0)
        r = state_meta_set(g->state, META_APPROVED, NULL, e);
    if (r == 0)
        r = unread_accept(g, e);
    return r < 0 ? r : state_meta_set(g->state, "attribute-counts", NULL, e);
}

int reading_accept_vanished_later(struct reading *g, const char *shown, struct error *e)
{
    return text_equal(shown, g->vanished) ? state_meta_set(g->state, META_APPROVED, shown, e) : 0;
}

static int waits_for_it(const struct operation *o, void *userdata)
{
    (void)userdata;
    return text_equal(o->reason, REASON_ATTRIBUTE_VANISHED) ? 1 : 0;
}

int reading_evaluated(struct reading *g, struct error *e)
{
    CLEANUP(freep) char *approved = NULL;
    int r = g->vanished[0] ? state_meta_get(g->state, META_APPROVED, &approved, e) : STATE_NONE;
    if (r == 0)
        r = queue_each(g->state, OPERATION_PARKED, waits_for_it, NULL, e);
    return r == 0 ? reading_accept_vanished(g, approved, e) : r < 0 ? r : 0;
}

/* Increments and reads that are not proven whole may show as much of a changed access rule as a
 * whole read does: once as many people came as could be too many, it is looked. */
bool vanish_is_due(const struct reading *g)
{
    double share = g->options->sync->attribute_vanish_percent / 100.0;
    return g->people_unlooked >= FEWEST_VALUES &&
           (double)g->people_unlooked > (double)g->people_looked * share;
}

int vanish_look(struct reading *g, bool whole, struct error *e)
{
    const struct string_list *names = ruleset_attributes(rules_ruleset(g->rules));
    if (!names->n_items)
        return 0;
    size_t *counts = calloc(names->n_items, sizeof(*counts));
    int r = counts ? compare(g, whole, counts, e) : error_out_of_memory(e);
    free(counts);
    return r;
}

int vanish_end(struct reading *g, struct error *e)
{
    CLEANUP(string_list_done) struct string_list unread = {0};
    bool look = false;
    int r = unread_end(g, &look, e);
    if (r == 0)
        r = unread_names(g, &unread, e);
    if (r == 0)
        note_unread(g, &unread);
    for (size_t i = 0; i < unread.n_items; i++)
        look |= !is_among(g->vanished, unread.items[i]);
    return r < 0 || !look ? r : vanish_look(g, false, e);
}

const char *reading_vanished_here(const struct reading *g, const struct entry *entry, char *buffer,
                                  size_t size, bool *ret_unread)
{
    char name[VANISHED_NAME_SIZE];
    const char *p = g->vanished[0] == ',' ? g->vanished + 1 : g->vanished, *found = NULL;
    *ret_unread = false;
    while (*p) {
        size_t length = strcspn(p, ",");
        snprintf(name, sizeof(name), "%.*s", (int)length, p);
        if (!entry_attribute(entry, name) && (!found || *ret_unread)) {
            snprintf(buffer, size, "%s", name);
            found = buffer;
            *ret_unread = is_among(g->unread, name);
        }
        p += length + (p[length] == ',');
    }
    return found;
}
