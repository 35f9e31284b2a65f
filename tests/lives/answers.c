/*
 * What the directory's answers go through: troubles that may meet any of them, each named after
 * the test that showed it. Slow answers and cuts at a drawn byte are what networks do
 * (test_ldap_wire.py cuts at each byte of some answers).
 */
#include "config.h"

#include <ldap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "peer.h"
#include "world.h"

/* A message by its kind, and whom it is about: of a bind the name, and never the password. */
void trace_message(const struct line *l, bool is_answer, struct part message)
{
    static const struct {
        unsigned tag;
        const char *name;
        unsigned shown; /* which of its parts is a text worth it; 0: none */
    } kinds[] = {{LDAP_REQ_BIND, "bind", 2},         {LDAP_RES_BIND, "bound", 0},
                 {LDAP_REQ_SEARCH, "search", 1},     {LDAP_RES_SEARCH_ENTRY, "entry", 1},
                 {LDAP_RES_SEARCH_RESULT, "end", 0}, {LDAP_RES_INTERMEDIATE, "news", 0},
                 {LDAP_REQ_UNBIND, "unbind", 0},     {LDAP_REQ_ABANDON, "abandon", 0}};
    struct part id, body, part = {0}, first = {0};
    char text[200] = "";
    unsigned k = 0;
    if (!world.trace || !part_take(&message, &id) || !part_take(&message, &body))
        return;
    while (k < 7 && kinds[k].tag != body.tag)
        k++;
    struct part left = body;
    (void)(part_take(&left, &first) && kinds[k].shown > 1 && part_take(&left, &part));
    if (kinds[k].shown)
        part_text(kinds[k].shown > 1 ? &part : &first, text, sizeof(text));
    else if (first.tag == LBER_ENUMERATED)
        snprintf(text, sizeof(text), "%ld", part_number(&first));
    trace("%s %d: %ld %s %s", is_answer ? "directory to" : "to directory from", l->fd,
          part_number(&id), kinds[k].name, text);
}

struct late { /* an answer that is on its way */
    struct line *line;
    size_t size;
    unsigned char data[];
};

static void arrives(void *userdata, uint64_t argument)
{
    struct late *a = userdata;
    (void)argument;
    line_say(a->line, a->data, a->size);
    line_unref(a->line);
    free(a);
}

/* In their order; what came behind a slow one waits for it. */
static void say_late(struct line *l, const void *data, size_t size, uint64_t wait_usec)
{
    struct late *a = malloc(sizeof(*a) + size);
    if (!a)
        abort();
    a->line = line_ref(l);
    a->size = size;
    memcpy(a->data, data, size);
    l->late_usec =
        (l->late_usec > world.steady_usec ? l->late_usec : world.steady_usec) + wait_usec;
    world_at(l->late_usec, arrives, a, 0);
}

static void line_answer(void *userdata, const void *data, size_t size)
{
    struct line *l = userdata;
    struct part all = {0, data, size}, message;
    if (part_take(&all, &message))
        trace_message(l, true, message);
    bool slow = directory_troubles("slow") && chance_percent(CHANCE_DIRECTORY, 30);
    if (slow || l->late_usec > world.steady_usec) {
        seen(POINT_SLOW_DIRECTORY);
        say_late(l, data, size, slow ? chance(CHANCE_DIRECTORY, 8 * SECOND) : 0);
        return;
    }
    /* A connection that breaks in the middle of a message (test_feed_faults.py). */
    if (directory_troubles("cuts short") && chance_percent(CHANCE_DIRECTORY, 5)) {
        seen(POINT_CUT_SHORT);
        line_say(l, data, chance(CHANCE_DIRECTORY, size));
        line_hang_up(l);
        return;
    }
    line_say(l, data, size);
}

struct answer_to answer_by(const struct line *l)
{
    return (struct answer_to){line_answer, (void *)(uintptr_t)l};
}

void say_end(const struct search *s, int code, const char *text)
{
    const struct answer_to to = answer_by(s->line);
    answer_result(&to, s->q.id, LDAP_RES_SEARCH_RESULT, code, text, NULL, NULL);
}

#define ELSEWHERE "ldap://other.example.com/dc=other"

/* Go and ask somebody else: for all of it (test_proof.py:test_referral_as_result), or for the
 * rest (test_continuation_references). */
static bool refers(const struct search *s)
{
    const struct answer_to to = answer_by(s->line);
    bool all = chance(CHANCE_DIRECTORY, 2);
    BerElement *ber = answer_new();
    seen(POINT_REFERRAL);
    if (all)
        ber_printf(ber, "{it{esst{s}}}", s->q.id, (ber_tag_t)LDAP_RES_SEARCH_RESULT,
                   LDAP_REFERRAL, "", "", (ber_tag_t)LDAP_TAG_REFERRAL, ELSEWHERE);
    else
        ber_printf(ber, "{it{s}}", s->q.id, (ber_tag_t)LDAP_RES_SEARCH_REFERENCE, ELSEWHERE);
    answer_say(&to, ber);
    return all;
}

static struct line *cut_sync; /* over which a synchronisation ended so; NULL: none */

static void note_cut(struct line *l)
{
    if (cut_sync)
        line_unref(cut_sync);
    cut_sync = line_ref(l);
}

bool directory_cut_sync(void)
{
    return cut_sync && cut_sync->fd >= 0;
}

/* test_proof.py:test_ended_early, test_syncrepl.py:test_limits_in_refresh;
 * test_feed_syncrepl.py:test_size_limit. */
bool ends_early(const struct search *s)
{
    static const struct {
        const char *trouble;
        int code;
        enum point point;
    } limits[] = {{"limits", LDAP_SIZELIMIT_EXCEEDED, POINT_SIZE_LIMIT},
                  {"time limit", LDAP_TIMELIMIT_EXCEEDED, POINT_TIME_LIMIT},
                  {"admin limit", LDAP_ADMINLIMIT_EXCEEDED, POINT_ADMIN_LIMIT}};
    if (directory_troubles("refers"))
        return refers(s);
    for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
        if (!directory_troubles(limits[i].trouble))
            continue;
        seen(limits[i].point);
        if (s->q.sync)
            note_cut(s->line);
        say_end(s, limits[i].code, "");
        return true;
    }
    return false;
}
