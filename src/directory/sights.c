/*
 * A rule's group that is not among the groups that were read may be a typing error, or lie
 * outside of the base, or be of a class that group_filter does not select, or be hidden from
 * this account: four mistakes with four cures. So the entry itself is asked for, by its DN, and
 * then once more with the filter. It decides nothing.
 */
#include "config.h"

#include "directory/sights.h"

#include <errno.h>
#include <ldap.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "directory/libldap.h"
#include "directory/options.h"
#include "directory/search.h"
#include "model/dn.h"

struct sights {
    struct sights_request request;
    const char *base_keys[SIGHTS_BASES_MAX], *bases[SIGHTS_BASES_MAX];
    struct string_list dns;
    size_t at;
    bool selecting; /* the second question about dns.items[at] */
    bool found, is_dynamic;
    struct buffer classes; /* of the entry, for people */
    struct search *search;
    struct sights_events events;
    void *userdata;
};

struct sights *sights_free(struct sights *s)
{
    if (!s)
        return NULL;
    search_free(s->search);
    string_list_done(&s->dns);
    buffer_done(&s->classes);
    free(s);
    return NULL;
}

static int ask(struct sights *s, struct error *e);

static int on_entry(LDAP *ld, LDAPMessage *m, void *userdata, struct error *e)
{
    struct sights *s = userdata;
    s->found = true;
    if (s->selecting)
        return 0;
    struct berval **urls = ldap_get_values_len(ld, m, "memberURL");
    struct berval **classes = ldap_get_values_len(ld, m, "objectClass");
    s->is_dynamic = urls && urls[0];
    buffer_clear(&s->classes);
    for (size_t i = 0; classes && classes[i]; i++) {
        char shown[64];
        buffer_format(&s->classes, "%s%s", i > 0 ? ", " : "",
                      text_printable(shown, sizeof(shown), classes[i]->bv_val, classes[i]->bv_len));
    }
    ldap_value_free_len(urls);
    ldap_value_free_len(classes);
    return s->classes.failed ? error_out_of_memory(e) : 0;
}

static bool is_covered(const struct sights *s, const char *dn)
{
    CLEANUP(freep) char *key = NULL;
    if (dn_key(s->request.schema, dn, &key, NULL) < 0)
        return true; /* the rule's own check has said so */
    for (size_t i = 0; i < s->request.n_bases; i++)
        if (dn_key_is_below(key, s->request.base_keys[i]))
            return true;
    return false;
}

static void tell(struct sights *s, struct buffer *sentence)
{
    CLEANUP(freep) char *text = buffer_take(sentence);
    if (text && *text)
        s->events.tell(s->dns.items[s->at], text, s->userdata);
}

static void tell_outside(struct sights *s)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    buffer_add_text(&b, "exists, but lies outside of what is searched (");
    for (size_t i = 0; i < s->request.n_bases; i++)
        buffer_format(&b, "%s%s", i > 0 ? " and " : "", s->request.bases[i]);
    buffer_add_text(&b, "): set [directory] group_base to an entry above it");
    tell(s, &b);
}

/* After the first question; true: the second one is needed. */
static bool judge_entry(struct sights *s, const struct search_outcome *outcome)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    if (!s->found) {
        bool absent = outcome->code == LDAP_SUCCESS || outcome->code == LDAP_NO_SUCH_OBJECT;
        if (!absent)
            buffer_format(&b, "cannot be looked at by this account: %s (LDAP code %d)%s%s",
                          ldap_err2string(outcome->code), outcome->code, outcome->said ? ": " : "",
                          outcome->said ? outcome->said : "");
        tell(s, &b);
        return false;
    }
    if (is_covered(s, s->dns.items[s->at]))
        return true;
    tell_outside(s);
    return false;
}

static void judge_selection(struct sights *s)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    if (s->is_dynamic)
        buffer_add_text(&b, "names its members by memberURL, which rosterd does not follow: let "
                            "the server expand it, or write the URL's filter into the rule's when");
    else if (!s->found)
        buffer_format(&b,
                      "exists, but [directory] group_filter %s does not select it; it is of the "
                      "classes %s",
                      s->request.groups, s->classes.data ? s->classes.data : "(hidden)");
    tell(s, &b);
}

static void on_failed(struct search *search, int r, const struct error *e, void *userdata)
{
    (void)search;
    struct sights *s = userdata;
    s->events.failed(r, e, s->userdata);
}

static void on_done(struct search *search, const struct search_outcome *outcome, void *userdata)
{
    (void)search;
    struct sights *s = userdata;
    struct error e = {0};
    if (!s->selecting && judge_entry(s, outcome)) {
        s->selecting = true;
    } else {
        if (s->selecting)
            judge_selection(s);
        s->selecting = false;
        s->at++;
    }
    if (s->at == s->dns.n_items) {
        s->events.over(s->userdata);
        return;
    }
    int r = ask(s, &e);
    if (r < 0)
        s->events.failed(r, &e, s->userdata);
}

static int ask(struct sights *s, struct error *e)
{
    static const struct search_events events = {
        .entry = on_entry, .done = on_done, .failed = on_failed};
    static const char *const attributes[] = {"objectClass", "memberURL", NULL};
    struct search_request q = {
        .base = s->dns.items[s->at],
        .scope = LDAP_SCOPE_BASE,
        .filter = s->selecting ? s->request.groups : "(objectClass=*)",
        .attributes = attributes,
        .referrals = DIRECTORY_REFERRALS_IGNORE,
        .timeout_usec = s->request.timeout_usec,
    };
    s->found = false;
    s->search = search_free(s->search);
    return search_start(&s->search, s->request.session, &q, &events, s, e);
}

int sights_start(struct sights **ret, const struct sights_request *request,
                 const struct sights_events *events, void *userdata, struct error *e)
{
    struct sights *s = calloc(1, sizeof(*s));
    if (!s)
        return error_out_of_memory(e);
    s->request = *request;
    s->request.dns = NULL;
    memcpy(s->base_keys, request->base_keys, request->n_bases * sizeof(*s->base_keys));
    memcpy(s->bases, request->bases, request->n_bases * sizeof(*s->bases));
    s->request.base_keys = s->base_keys;
    s->request.bases = s->bases;
    s->events = *events;
    s->userdata = userdata;
    int r = 0;
    for (size_t i = 0; i < request->dns->n_items && r == 0; i++)
        if (string_list_add(&s->dns, request->dns->items[i]) < 0)
            r = error_out_of_memory(e);
    if (r == 0)
        r = ask(s, e);
    if (r < 0) {
        sights_free(s);
        return r;
    }
    *ret = s;
    return 0;
}
