#include "config.h"

#include "directory/visible.h"

#include <errno.h>
#include <ldap.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "directory/decode.h"
#include "directory/environment.h"
#include "directory/identity.h"
#include "directory/libldap.h"
#include "directory/options.h"
#include "model/dn.h"

#define MEMBERS_AT_ONCE 50

void visible_begin(struct visible *v, struct feed_environment *env, const struct entry *missing)
{
    *v = (struct visible){.env = env, .missing = missing};
}

void visible_done(struct visible *v)
{
    free(v->unseen);
    free(v->base);
    free(v->filter);
    *v = (struct visible){0};
}

/* The id of whom the mirror has by this name; NULL: nobody, or it failed. */
static char *id_of(struct visible *v, size_t at)
{
    const struct member *m = &v->missing->members[at];
    char *id = NULL;
    struct error e = {0};
    if (m->kind == MEMBER_DN && v->env->sink->known_id(v->env->userdata, m->text, &id, &e) < 0) {
        log_debug("%s", e.message);
        v->failed = true;
    }
    return id;
}

bool visible_is_asking(struct visible *v)
{
    for (; v->next < v->missing->n_members; v->next++) {
        CLEANUP(freep) char *id = id_of(v, v->next);
        if (id || v->failed) /* which the question tells */
            return true;
        v->moved |= v->missing->members[v->next].kind == MEMBER_DN;
    }
    return false;
}

/* The search that has this place, which is where most of them are; -1: none. */
static int search_of(const struct visible *v, size_t at)
{
    for (unsigned s = 0; s < v->env->n_searches; s++)
        if (v->env->searches[s].filter && feed_has_below(v->env, s, v->missing->members[at].text))
            return (int)s;
    return -1;
}

/* Several at once, by their ids, in one search; *ret_n: how many. */
static char *filter_of_several(struct visible *v, int search, size_t *ret_n)
{
    const struct decoder *d = &v->env->decoder;
    CLEANUP(buffer_done) struct buffer b = {0};
    size_t n = 0;
    buffer_add_text(&b, "(|");
    for (; n < MEMBERS_AT_ONCE && v->next + n < v->missing->n_members; n++) {
        CLEANUP(freep) char *id = id_of(v, v->next + n);
        CLEANUP(freep) char *value = id ? identity_filter_value(d->identity, id) : NULL;
        if (!value || search_of(v, v->next + n) != search)
            break;
        buffer_format(&b, "(%s=%s)", d->id_attribute, value);
    }
    buffer_add_text(&b, ")");
    *ret_n = n;
    return n > 1 ? buffer_take(&b) : NULL;
}

const struct search_request *visible_question(struct visible *v)
{
    const struct feed_environment *env = v->env;
    int search = search_of(v, v->next);
    bool several =
        v->next >= v->singly_until && search >= 0 && env->decoder.identity != IDENTITY_ATTRIBUTE;
    v->n_asked = 1;
    free(v->base);
    free(v->filter);
    v->filter = several ? filter_of_several(v, search, &v->n_asked) : NULL;
    several = v->filter != NULL;
    v->n_asked = several ? v->n_asked : 1;
    v->n_found = 0;
    v->ids[0] = env->decoder.id_attribute;
    v->ids[1] = env->decoder.second_id_attribute;
    v->base = strdup(several ? env->searches[search].base : v->missing->members[v->next].text);
    if (!several)
        v->filter = strdup("(objectClass=*)");
    if (!v->base || !v->filter || v->failed)
        return NULL;
    v->request = (struct search_request){
        .base = v->base,
        .scope = several ? env->searches[search].scope : LDAP_SCOPE_BASE,
        .filter = v->filter,
        .attributes = v->ids,
        .referrals = DIRECTORY_REFERRALS_IGNORE,
        .timeout_usec = env->options->search_timeout_usec,
    };
    return &v->request;
}

/* Only who is called as the mirror has them: under another name they were moved since, and the
 * group may name them by that; and whoever else has their name now says nothing of them. */
int visible_found(struct visible *v, LDAP *ld, LDAPMessage *m, struct error *e)
{
    CLEANUP(libldap_memory_freep) char *dn = ldap_get_dn(ld, m);
    CLEANUP(freep) char *found = decode_id(&v->env->decoder, ld, m);
    CLEANUP(freep) char *key = NULL;
    int r = dn && dn_is_valid(dn) ? dn_key(v->env->decoder.schema, dn, &key, e) : 0;
    for (size_t i = v->next; key && found && r == 0 && i < v->next + v->n_asked; i++) {
        if (strcmp(v->missing->members[i].key, key) != 0)
            continue;
        CLEANUP(freep) char *id = id_of(v, i);
        v->n_found += text_equal(id, found);
    }
    return r;
}

/* Several are asked for one by one when they cannot be asked for together. What lies on another
 * server, whose people are read there, is not ours to ask. */
bool visible_is_answer(const struct visible *v, int code)
{
    if (v->n_asked > 1)
        return code >= 0;
    bool elsewhere =
        code == LDAP_REFERRAL && v->env->options->referrals == DIRECTORY_REFERRALS_FOLLOW;
    return elsewhere || !libldap_is_no_answer(code);
}

/* Of one, another answer says nothing. */
int visible_answer(struct visible *v, int code)
{
    bool hidden = code == LDAP_NO_SUCH_OBJECT || code == LDAP_INSUFFICIENT_ACCESS;
    bool all = v->n_found >= v->n_asked || (code != LDAP_SUCCESS && !hidden);
    if (v->n_asked > 1 && (code != LDAP_SUCCESS || !all)) {
        v->singly_until = code == LDAP_SUCCESS ? v->next + v->n_asked : SIZE_MAX;
        return 0;
    }
    if (!all && memory_grow(&v->unseen, &v->capacity, v->n_unseen + 1, sizeof(*v->unseen)) < 0)
        return -ENOMEM;
    if (!all)
        v->unseen[v->n_unseen++] = v->next;
    v->next += v->n_asked;
    return 0;
}

int visible_keep(const struct visible *v, struct entry *group)
{
    for (size_t i = 0; i < v->n_unseen; i++) {
        const struct member *m = &v->missing->members[v->unseen[i]];
        if (entry_add_member(group, m->kind, m->key, m->text) < 0)
            return -ENOMEM;
    }
    if (v->n_unseen)
        entry_sort(group);
    return (int)v->n_unseen;
}
