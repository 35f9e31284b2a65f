/* Single reads: what each asks, and what becomes of the answer. */
#include "config.h"

#include "directory/fetches.h"

#include <errno.h>
#include <ldap.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "directory/bases.h"
#include "directory/computed.h"
#include "directory/decode-raw.h"
#include "directory/decode.h"
#include "directory/environment.h"
#include "directory/fetches-internal.h"
#include "directory/group-memory.h"
#include "directory/libldap.h"
#include "directory/lost.h"
#include "directory/search.h"
#include "directory/session.h"
#include "model/dn.h"

#define FETCHES_AT_ONCE 8
#define AGAIN_MAX       2

int fetches_new(struct fetches **ret, struct feed_environment *env,
                const struct fetches_events *events, void *owner, struct error *e)
{
    struct fetches *l = calloc(1, sizeof(*l));
    if (!l)
        return error_out_of_memory(e);
    l->env = env;
    l->events = events;
    l->owner = owner;
    *ret = l;
    return 0;
}

struct fetch **fetch_bucket(struct fetches *l, const char *id)
{
    unsigned hash = 0;
    for (const char *p = id; *p; p++)
        hash = hash * 31 + (unsigned char)*p;
    return &l->of_id[hash % FETCH_BUCKETS];
}

void fetch_free(struct fetch *f)
{
    struct fetch **p = &f->owner->first;
    while (*p && *p != f)
        p = &(*p)->next;
    if (*p)
        *p = f->next;
    struct fetch **of_id = f->id ? fetch_bucket(f->owner, f->id) : NULL;
    while (of_id && *of_id && *of_id != f)
        of_id = &(*of_id)->next_of_id;
    if (of_id && *of_id)
        *of_id = f->next_of_id;
    if (f->search)
        f->owner->n_running--;
    search_free(f->search);
    decoded_done(&f->decoded);
    lost_free(f->lost);
    free(f->base);
    free(f->id);
    string_list_done(&f->doubted);
    free(f);
}

void fetches_reset(struct fetches *l, bool full)
{
    while (l->first)
        fetch_free(l->first);
    l->full = full;
}

struct fetches *fetches_free(struct fetches *l)
{
    if (!l)
        return NULL;
    fetches_reset(l, false);
    computed_done(&l->computed);
    free(l);
    return NULL;
}

bool fetches_any(const struct fetches *l)
{
    return l->first != NULL;
}

static void fail(struct fetches *l, int r, const struct error *e)
{
    l->events->failed(r, e, l->owner);
}

/* Of one of them that is through. */
static void end(struct fetch *f, int r, const struct error *e)
{
    struct fetches *l = f->owner;
    fetch_free(f);
    if (r < 0)
        fail(l, r, e);
    else
        l->events->moved(l->owner);
}

__attribute__((format(printf, 2, 3))) static void doubt(const struct fetches *l, const char *format,
                                                        ...)
{
    char sentence[512];
    va_list ap;
    va_start(ap, format);
    vsnprintf(sentence, sizeof(sentence), format, ap);
    va_end(ap);
    l->events->doubt(sentence, l->owner);
}

/* The whole of the entry's members is known: it may pass. */
static int complete_ranges(struct fetch *f, struct error *e)
{
    size_t n;
    const struct range_value *values = ranges_values(f->decoded.ranges, &n);
    int r = 0;
    for (size_t i = 0; i < n && r == 0; i++)
        r = decode_member(&f->owner->env->decoder, f->decoded.entry, MEMBER_DN, values[i].data,
                          values[i].size);
    if (r < 0)
        return error_set(e, r, "the members of %s cannot be taken: %s", f->decoded.dn,
                         strerror(-r));
    entry_sort(f->decoded.entry);
    return f->owner->events->complete(f->index, &f->decoded, f->owner->owner, e);
}

static int on_entry(LDAP *ld, LDAPMessage *m, void *userdata, struct error *e)
{
    struct fetch *f = userdata;
    struct fetches *l = f->owner;
    f->found = true;
    if (f->kind == FETCH_KIND || f->kind == FETCH_BASE)
        return 0;
    if (f->kind == FETCH_LOST)
        return lost_found(f->lost, ld, m, e);
    if (f->kind == FETCH_UNSEEN) {
        CLEANUP(freep) char *id = decode_id(&l->env->decoder, ld, m);
        f->found = text_equal(id, f->id); /* else another entry has this DN now */
        return 0;
    }
    if (f->kind == FETCH_RANGE) {
        int r = decode_range(f->decoded.ranges, ld, m);
        if (r == RANGES_AGAIN)
            log_debug("%s: changed while its members were read, reading again", f->decoded.dn);
        if (r < 0)
            return error_set(e, r, "the members of %s cannot be read to the end: %s", f->decoded.dn,
                             r == -EAGAIN ? "the group keeps changing" : strerror(-r));
        f->found = r == RANGES_COMPLETE;
        return 0;
    }
    if (f->overtaken)
        return 0;
    CLEANUP(decoded_done) struct decoded d = {0};
    CLEANUP(raw_entry_done) struct raw_entry raw = {0};
    /* Whether the server computes what was doubted is still to be learned. */
    const char *id = f->doubted.n_items ? NULL : f->id;
    int r = f->kind == FETCH_ENTRY ? l->events->read(f->index, ld, m, id, &raw, l->owner, e)
                                   : SINK_UNKNOWN_ID;
    if (r != SINK_UNKNOWN_ID)
        return r;
    r = group_memory_decode(&l->env->decoder, ld, m, NULL, &raw, !l->full, &d, e);
    if (r < 0)
        return r;
    CLEANUP(freep) char *key = NULL;
    /* Of one without a readable name nobody can tell where it lies. */
    if (d.entry && !d.bad_dn) {
        r = dn_key(l->env->decoder.schema, d.dn, &key, e);
        if (r < 0)
            return r;
        if (!dn_key_is_below(key, l->env->searches[f->index].base_key))
            return l->events->left(f->index, d.entry->id, "the entry was moved out of the base",
                                   l->owner, e);
    }
    if (f->id && d.entry && strcmp(f->id, d.entry->id) != 0)
        return 0; /* another entry has this DN now */
    r = d.entry ? computed_learn(&l->computed, l->env, &f->doubted, d.entry, f->base, e) : 0;
    if (r < 0)
        return r;
    if (f->kind == FETCH_PARENT && d.entry) {
        r = decoded_make_container(&d, e);
        if (r < 0)
            return r;
        d.is_parent = true;
    }
    return l->events->entry(f->index, &d, l->owner, e);
}

static int fetch_start(struct fetch *f, struct error *e);

static void fetch_failed(struct fetch *f, int r, const struct error *e)
{
    struct fetches *l = f->owner;
    l->events->unread(r, e, l->owner);
    end(f, 0, NULL);
}

static void on_failed(struct search *s, int r, const struct error *e, void *userdata)
{
    (void)s;
    struct error copy = *e;
    fetch_failed(userdata, r, &copy);
}

/* The server answers, and not with this entry: refused to the account, or gone amid its ranges.
 * That is this entry's matter. A read of everything goes on, and proves nothing; a difference
 * would never come again, so everything is read. */
static void pass_over(struct fetch *f, const struct search_outcome *outcome, const char *what)
{
    struct fetches *l = f->owner;
    struct error e = {0};
    int r = libldap_error(&e, outcome->code, outcome->said, "%s", what);
    if (l->full || libldap_is_no_answer(outcome->code)) {
        fetch_failed(f, r, &e);
        return;
    }
    log_debug("%s", e.message);
    feed_doubts(l->env, e.message);
    end(f, 0, NULL);
}

static void range_done(struct fetch *f, const struct search_outcome *outcome)
{
    struct fetches *l = f->owner;
    struct error e = {0};
    int r = 0;
    if (outcome->code != LDAP_SUCCESS || outcome->n_entries == 0) {
        char what[400];
        snprintf(what, sizeof(what), "the members of %.300s cannot be read to the end",
                 f->decoded.dn);
        pass_over(f, outcome, what);
        return;
    } else if (f->found) {
        r = complete_ranges(f, &e);
        end(f, r, &e);
        return;
    } else {
        f->search = search_free(f->search);
        l->n_running--;
        r = fetch_start(f, &e);
    }
    if (r < 0)
        fetch_failed(f, r, &e);
}

/* Found: the people's filter selects it. Else all that it is to us is the place of others. */
static void kind_done(struct fetch *f)
{
    struct fetches *l = f->owner;
    struct error e = {0};
    int r = f->found ? 0 : decoded_make_container(&f->decoded, &e);
    if (r == 0)
        r = l->events->complete(f->index, &f->decoded, l->owner, &e);
    end(f, r, &e);
}

static int pass_lost(struct fetch *f, struct error *e)
{
    CLEANUP(decoded_done) struct decoded d = {0};
    const struct fetches *l = f->owner;
    int r = lost_take(f->lost, l->full, &d, e);
    return r < 0 ? r : l->events->complete(f->index, &d, l->owner, e);
}

/* An answer that is none leaves it open, and what is open counts as hidden. */
static void lost_done(struct fetch *f, const struct search_outcome *outcome)
{
    struct fetches *l = f->owner;
    struct error e = {0};
    int r = lost_answer(f->lost, outcome->n_entries, outcome->code);
    f->search = search_free(f->search);
    l->n_running--;
    if (r < 0)
        error_out_of_memory(&e);
    else if (!lost_is_asking(f->lost))
        r = lost_look_again(f->lost, &e);
    if (r < 0) {
        end(f, r, &e);
        return;
    }
    if (lost_is_asking(f->lost)) {
        r = fetch_start(f, &e);
        if (r < 0)
            fetch_failed(f, r, &e);
        return;
    }
    r = pass_lost(f, &e);
    end(f, r, &e);
}

/* There is no such entry, or it is no longer one that the search shows: else the read proves
 * nothing. A proxy says of a server behind it that it is away only when asked for what is
 * there. */
static void judge_unseen(struct fetch *f, const struct search_outcome *outcome)
{
    if (f->found)
        doubt(f->owner, "%s is there, although the read of %s did not show it", f->base,
              f->owner->env->searches[f->index].base);
    else if (outcome->code != LDAP_SUCCESS && outcome->code != LDAP_NO_SUCH_OBJECT)
        doubt(f->owner,
              "%s was not shown, and it cannot be asked whether it is there (%s): a server "
              "behind this one may be away",
              f->base, ldap_err2string(outcome->code));
}

static void note_base(const struct fetch *f, int code)
{
    char why[FEED_DOUBT_SIZE];
    if (!bases_note(f->owner->env, f->index, f->found, code, why))
        doubt(f->owner, "%s", why);
}

static void read_again_failed(struct fetch *f, const struct search_outcome *outcome)
{
    struct fetches *l = f->owner;
    struct error e = {0};
    bool may_pass = f->decoded.entry || f->told; /* as it was told, then or since */
    if (may_pass && !libldap_is_no_answer(outcome->code)) {
        int r = f->decoded.entry ? l->events->entry(f->index, &f->decoded, l->owner, &e) : 0;
        end(f, r, &e);
        return;
    }
    char what[400];
    snprintf(what, sizeof(what), "%.300s cannot be read again", f->base);
    pass_over(f, outcome, what);
}

static bool is_asked_anew(const struct fetch *f)
{
    for (const struct fetch *x = *fetch_bucket(f->owner, f->id); x; x = x->next_of_id)
        if (x != f && x->kind == FETCH_ENTRY && x->index == f->index && !x->overtaken &&
            strcmp(x->id, f->id) == 0)
            return true;
    return false;
}

/* What was told since then is true, and whatever it lacks that is known is asked for by itself.
 * What else this was to show is read anew, but not for as long as the entry keeps changing. */
static void take_up_again(struct fetch *f)
{
    struct fetches *l = f->owner;
    struct error e = {0};
    bool over = fetch_holds(f) || is_asked_anew(f);
    f->was_doubted |= f->doubted.n_items > 0;
    if (over || f->n_again++ == AGAIN_MAX) {
        if (!over && f->was_doubted)
            feed_doubts(l->env, "an entry changed each time that it was read again");
        end(f, 0, NULL);
        return;
    }
    f->found = f->overtaken = false;
    f->told = true;
    string_list_done(&f->doubted);
    decoded_done(&f->decoded);
    f->search = search_free(f->search);
    l->n_running--;
    int r = fetch_start(f, &e);
    if (r < 0)
        fetch_failed(f, r, &e);
}

static void on_done(struct search *s, const struct search_outcome *outcome, void *userdata)
{
    (void)s;
    struct fetch *f = userdata;
    struct fetches *l = f->owner;
    bool gives_up = !l->full && f->kind != FETCH_LOST; /* the connection is made anew */
    bool answered = f->kind == FETCH_LOST ? lost_is_answer(f->lost, outcome->code)
                                          : !libldap_is_no_answer(outcome->code);
    if (!answered && f->kind != FETCH_BASE && !gives_up)
        feed_unanswered(l->env, outcome->doubt);
    if (f->overtaken && (answered || f->kind == FETCH_LOST)) {
        take_up_again(f);
        return;
    }
    if (f->kind == FETCH_RANGE) {
        range_done(f, outcome);
        return;
    }
    if (f->kind == FETCH_LOST) {
        lost_done(f, outcome);
        return;
    }
    if (f->kind == FETCH_KIND &&
        (outcome->code == LDAP_SUCCESS || outcome->code == LDAP_NO_SUCH_OBJECT)) {
        kind_done(f);
        return;
    }
    if (f->kind == FETCH_UNSEEN)
        judge_unseen(f, outcome);
    else if (f->kind == FETCH_BASE)
        note_base(f, outcome->code);
    else if (outcome->code != LDAP_SUCCESS && outcome->code != LDAP_NO_SUCH_OBJECT) {
        read_again_failed(f, outcome);
        return;
    } else if (!f->found && outcome->code == LDAP_SUCCESS && f->id && !l->full &&
               l->env->decoder.active_directory) {
        /* It is there, and our filter does not select it (any more). */
        struct error e = {0};
        int r = l->events->left(f->index, f->id, "the entry no longer matches the filter", l->owner,
                                &e);
        if (r < 0) {
            end(f, r, &e);
            return;
        }
    } else if (!f->found) {
        log_debug("%s: not found when read again", f->base); /* unknown, not gone */
    }
    end(f, 0, NULL);
}

static int fetch_start(struct fetch *f, struct error *e)
{
    static const char *const nothing[] = {"1.1", NULL};
    static const struct search_events events = {
        .entry = on_entry, .done = on_done, .failed = on_failed};
    struct feed_environment *env = f->owner->env;
    const char *range[] = {NULL, "uSNChanged", NULL};
    struct search_request request = {
        .base = f->base,
        .scope = LDAP_SCOPE_BASE,
        .filter = "(objectClass=*)",
        .attributes = (const char *const *)env->attributes,
        .referrals = env->options->referrals,
        .timeout_usec = env->options->search_timeout_usec,
    };
    if (f->kind == FETCH_ENTRY || f->kind == FETCH_UNSEEN)
        request.filter = env->searches[f->index].filter;
    const char *ids[] = {env->decoder.id_attribute, env->decoder.second_id_attribute, NULL};
    if (f->kind == FETCH_UNSEEN)
        request.attributes = ids;
    if (f->kind == FETCH_BASE)
        request.attributes = nothing;
    if (f->kind == FETCH_KIND) {
        const struct feed_search *s = &env->searches[f->index];
        request.filter = f->decoded.entry->kind == ENTRY_GROUP ? s->groups : s->persons;
        request.attributes = nothing;
    }
    if (f->kind == FETCH_RANGE) {
        range[0] = ranges_request(f->decoded.ranges);
        if (!env->decoder.active_directory)
            range[1] = NULL;
        request.attributes = range;
        f->found = false;
    }
    if (f->kind == FETCH_LOST) {
        const struct search_request *question = lost_question(f->lost);
        if (!question)
            return error_out_of_memory(e);
        request = *question;
        f->found = false;
    }
    int r = search_start(&f->search, env->session, &request, &events, f, e);
    if (r == 0)
        f->owner->n_running++;
    return r;
}

int fetches_start(struct fetches *l, struct error *e)
{
    int r = 0;
    for (struct fetch *f = l->first, *next; f && l->n_running < FETCHES_AT_ONCE && r == 0;
         f = next) {
        next = f->next;
        if (!f->search)
            r = fetch_start(f, e);
    }
    return r;
}
