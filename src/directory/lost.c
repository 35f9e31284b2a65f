/*
 * What the mirror has of an entry and a read does not show any more: members of a group, and
 * the keys by which groups name a person. It was removed, or the right to see it was lost, and
 * nothing in the entry tells which. So the server is asked, by a search of the entry itself for
 * `(!(member=DN))`: where the account may not look at the values this is Undefined (RFC 4511
 * 4.5.1.7), and nothing is found; what is found has lost its member. Whatever else is answered
 * leaves it open. Then nobody is taken for removed, and the group is marked as one that hides
 * members.
 *
 * Active Directory answers as if what may not be seen were not there. But it hides an attribute
 * of an entry as a whole, so whoever sees one member sees them all; and its people name their
 * groups, computed from the same link: somebody who still names the group is still in it. That
 * nobody does proves something only where this account sees of what people in the same
 * containers are members.
 *
 * Of whom was removed it is asked, last, whether this account sees them at all: visible.h.
 */
#include "config.h"

#include "directory/lost.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "directory/environment.h"
#include "directory/libldap.h"
#include "directory/rootdse.h"
#include "directory/search.h"
#include "directory/visible.h"
#include "model/dn.h"
#include "model/schema.h"

#define VALUES_AT_ONCE 50
#define PLACES_MAX     5 /* containers that are looked at */

struct lost {
    struct feed_environment *env;
    unsigned search;
    struct decoded decoded; /* the entry as it came */
    struct entry *missing;  /* what it lost */
    enum { ASK_NOTHING, ASK_ENTRY, ASK_PEOPLE } how;
    bool asked;                /* the first question was put */
    size_t n_asked;            /* of its members */
    struct string_list places; /* Active Directory: who must show what they are members of … */
    size_t n_places;           /* … asked for */
    bool open;                 /* it is hidden, or not known */
    bool looks;                /* the question under way is of `visible` */
    struct visible visible;    /* who was removed, as far as the group tells */
    struct search_request request;
    char *base, *filter;
};

struct lost *lost_free(struct lost *l)
{
    if (!l)
        return NULL;
    decoded_done(&l->decoded);
    visible_done(&l->visible);
    entry_free(l->missing);
    string_list_done(&l->places);
    free(l->base);
    free(l->filter);
    free(l);
    return NULL;
}

static void add_absent(struct buffer *b, const char *attribute, const char *value)
{
    CLEANUP(freep) char *escaped = libldap_filter_escape(value, strlen(value));
    if (!escaped)
        b->failed = true;
    else
        buffer_format(b, "(!(%s=%s))", attribute, escaped);
}

static void add_member(const struct lost *l, const struct member *m, struct buffer *b)
{
    const struct decoder *d = &l->env->decoder;
    switch (m->kind) {
    case MEMBER_DN:
        if (l->decoded.may_member)
            add_absent(b, "member", m->text);
        if (l->decoded.may_unique &&
            (!l->decoded.may_member || !d->schema || schema_knows(d->schema, "uniqueMember")))
            add_absent(b, "uniqueMember", m->text);
        break;
    case MEMBER_LOGIN: add_absent(b, "memberUid", m->text); break;
    case MEMBER_PRIMARY: add_absent(b, "gidNumber", m->text); break;
    }
}

static void add_keys(const struct lost *l, struct buffer *b)
{
    const struct entry *e = l->missing;
    const char *login = l->env->decoder.login_attribute;
    if (e->primary_key)
        add_absent(b, "gidNumber", e->primary_key);
    if (e->login_key)
        add_absent(b, login, e->login_key);
    for (size_t i = 0; i < e->other_login_keys.n_items; i++)
        add_absent(b, login, e->other_login_keys.items[i]);
}

static const struct search_request *ask(struct lost *l, char *base, int scope, char *filter)
{
    static const char *const nothing[] = {"1.1", NULL};
    free(l->base);
    free(l->filter);
    l->base = base;
    l->filter = filter;
    if (!base || !filter)
        return NULL;
    l->request = (struct search_request){
        .base = base,
        .scope = scope,
        .filter = filter,
        .attributes = nothing,
        .size_limit = 1,
        .referrals = DIRECTORY_REFERRALS_IGNORE,
        .timeout_usec = l->env->options->search_timeout_usec,
    };
    return &l->request;
}

static const struct search_request *ask_entry(struct lost *l)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    size_t end = l->n_asked + VALUES_AT_ONCE;
    buffer_add_text(&b, "(&");
    for (; l->n_asked < l->missing->n_members && l->n_asked < end; l->n_asked++)
        add_member(l, &l->missing->members[l->n_asked], &b);
    add_keys(l, &b);
    buffer_add_text(&b, ")");
    l->asked = true;
    return ask(l, strdup(l->decoded.dn), LDAP_SCOPE_BASE, b.failed ? NULL : strdup(b.data));
}

static const struct search_request *ask_people(struct lost *l)
{
    struct feed_environment *env = l->env;
    const char *suffix = env->server->suffixes[l->search];
    if (l->asked)
        return ask(l, strdup(l->places.items[l->n_places++]), LDAP_SCOPE_ONELEVEL,
                   strdup("(memberOf=*)"));
    CLEANUP(freep) char *escaped = libldap_filter_escape(l->decoded.dn, strlen(l->decoded.dn));
    l->asked = true;
    return ask(l, strdup(suffix ? suffix : env->searches[l->search].base), LDAP_SCOPE_SUBTREE,
               escaped ? libldap_format("(memberOf=%s)", escaped) : NULL);
}

static bool asks_first(const struct lost *l)
{
    return l->how != ASK_NOTHING &&
           (!l->asked || (l->how == ASK_PEOPLE ? l->n_places < l->places.n_items
                                               : l->n_asked < l->missing->n_members));
}

static int compare_members(const void *one, const void *other)
{
    const struct member *a = one, *b = other;
    return a->kind != b->kind ? (int)a->kind - (int)b->kind : strcmp(a->key, b->key);
}

/* A list of the members as they are now, sorted; their texts are the entry's. */
static struct member *sorted_members(const struct entry *e)
{
    struct member *list = calloc(e->n_members + 1, sizeof(*list));
    if (!list)
        return NULL;
    if (e->n_members)
        memcpy(list, e->members, e->n_members * sizeof(*list));
    qsort(list, e->n_members, sizeof(*list), compare_members);
    return list;
}

int lost_look_again(struct lost *l, struct error *e)
{
    struct feed_environment *env = l->env;
    CLEANUP(entry_freep) struct entry *now = NULL;
    if (l->open || !l->visible.moved)
        return 0;
    l->visible.moved = false;
    int r = env->sink->lost(env->userdata, l->decoded.entry, &now, e);
    if (r != 0 || !now)
        return r;
    /* What is added meanwhile is there once: `now` names nobody twice. */
    size_t n_known = l->missing->n_members;
    struct member *known = sorted_members(l->missing);
    if (!known)
        return error_out_of_memory(e);
    for (size_t i = 0; i < now->n_members && r == 0; i++) {
        const struct member *m = &now->members[i];
        if (!bsearch(m, known, n_known, sizeof(*known), compare_members) &&
            entry_add_member(l->missing, m->kind, m->key, m->text) < 0)
            r = error_out_of_memory(e);
    }
    free(known);
    return r;
}

bool lost_is_asking(struct lost *l)
{
    if (l->open)
        return false;
    return asks_first(l) || (l->visible.env && visible_is_asking(&l->visible));
}

const struct search_request *lost_question(struct lost *l)
{
    l->looks = !asks_first(l);
    return l->looks               ? visible_question(&l->visible)
           : l->how == ASK_PEOPLE ? ask_people(l)
                                  : ask_entry(l);
}

bool lost_is_answer(const struct lost *l, int code)
{
    return l->looks ? visible_is_answer(&l->visible, code) : !libldap_is_no_answer(code);
}

int lost_found(struct lost *l, LDAP *ld, LDAPMessage *m, struct error *e)
{
    return l->looks ? visible_found(&l->visible, ld, m, e) : 0;
}

int lost_answer(struct lost *l, size_t n_found, int code)
{
    bool named = l->how == ASK_PEOPLE && l->n_places == 0; /* somebody still names the group */
    if (l->looks && lost_is_answer(l, code))
        return visible_answer(&l->visible, code);
    l->open = l->looks || (n_found > 0) == named;
    return 0;
}

static int keep_keys(struct lost *l)
{
    struct entry *e = l->decoded.entry, *old = l->missing;
    int r = 0;
    if (old->primary_key && !e->primary_key)
        e->primary_key = TAKE(old->primary_key);
    if (old->login_key && !e->login_key) {
        r = entry_take_login_key(e, TAKE(old->login_key));
        for (size_t i = 0; r == 0 && i < old->other_login_keys.n_items; i++)
            r = entry_take_login_key(e, strdup(old->other_login_keys.items[i]));
    }
    return r;
}

int lost_take(struct lost *l, bool full, struct decoded *ret, struct error *e)
{
    int n_kept = l->open ? keep_keys(l) : visible_keep(&l->visible, l->decoded.entry);
    if (n_kept < 0)
        return error_out_of_memory(e);
    *ret = l->decoded;
    l->decoded = (struct decoded){0};
    ret->asked = true;
    if (n_kept)
        log_notice("%s: %d member%s whom it does not name any more %s not shown to this account, "
                   "and %s the group until %s seen again: they may have been moved",
                   ret->dn, n_kept, n_kept == 1 ? "" : "s", n_kept == 1 ? "is" : "are",
                   n_kept == 1 ? "keeps" : "keep", n_kept == 1 ? "it is" : "they are");
    if (n_kept && !full && l->env->deletions_are_untold)
        feed_doubts(l->env, "somebody whom a group does not name any more may be gone");
    ret->entry->has_raw &= !n_kept; /* the same bytes may mean something else tomorrow */
    if (!l->open)
        return 0;
    log_debug("%s: what it does not show any more may be hidden from this account", ret->dn);
    ret->entry->has_raw = false;
    ret->entry->members_hidden = ret->entry->kind == ENTRY_GROUP;
    return 0;
}

static bool shows(const struct entry *e, enum member_kind kind)
{
    for (size_t i = 0; i < e->n_members; i++)
        if (e->members[i].kind == kind)
            return true;
    return false;
}

static int note_place(struct lost *l, const char *dn)
{
    const char *place = dn_parent(dn);
    if (!place || l->places.n_items == PLACES_MAX || string_list_contains(&l->places, place))
        return 0;
    return string_list_add(&l->places, place);
}

/* Where the server answers as if what is hidden were not there, or is another one. */
static int judge_by_rest(struct lost *l, bool can_ask)
{
    int r = 0;
    /* A SID, a primary group and an account name are never removed there. */
    l->open = can_ask && (l->missing->primary_key || l->missing->login_key);
    for (size_t i = 0; i < l->missing->n_members && r == 0; i++) {
        const struct member *m = &l->missing->members[i];
        if ((m->kind != MEMBER_PRIMARY || !can_ask) && shows(l->decoded.entry, m->kind))
            continue;
        l->how = ASK_PEOPLE;
        if (m->kind != MEMBER_DN || !can_ask)
            l->open = true;
        else
            r = note_place(l, m->text);
    }
    return r;
}

int lost_new(struct lost **ret, struct feed_environment *env, unsigned search,
             struct decoded *taken, struct entry *missing_taken, struct error *e)
{
    struct lost *l = calloc(1, sizeof(*l));
    if (!l) {
        entry_free(missing_taken);
        return error_out_of_memory(e);
    }
    l->env = env;
    l->search = search;
    l->missing = missing_taken;
    l->decoded = *taken;
    *taken = (struct decoded){0};
    bool foreign = l->decoded.foreign;
    if (!foreign && !env->decoder.active_directory) {
        l->how = ASK_ENTRY;
    } else if (judge_by_rest(l, !foreign) < 0) {
        lost_free(l);
        return error_out_of_memory(e);
    }
    if (!foreign && l->missing->n_members)
        visible_begin(&l->visible, env, l->missing);
    *ret = l;
    return 0;
}
