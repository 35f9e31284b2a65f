/*
 * Asks a server what it is: the root entry, then the entries that say more (monitor, suffix,
 * base, NTDS settings, subschema), one after the other. Only the root entry must be readable;
 * everything else that is hidden is left unknown, and whoever needs it draws the consequence.
 */
#include "config.h"

#include "directory/rootdse.h"

#include <errno.h>
#include <ldap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "directory/decode.h"
#include "directory/libldap.h"
#include "directory/schema-read.h"
#include "directory/search.h"
#include "directory/session.h"
#include "model/dn.h"
#include "model/schema.h"

#define AD_CAPABILITY "1.2.840.113556.1.4.800"

enum step { STEP_ROOT, STEP_MONITOR, STEP_SUFFIX, STEP_BASE, STEP_SERVICE, STEP_SCHEMA, STEP_END };

struct rootdse_read {
    struct session *session;
    struct search *search;
    enum step step;
    struct rootdse *found;
    char *bases[DIRECTORY_MAX_SEARCHES];
    unsigned n_bases, at; /* at: the base whose suffix, or which itself, is read */
    uint64_t timeout_usec;
    bool openldap_class, ad_capability;
    char *vendor, *version, *host;
    rootdse_done_fn done;
    void *userdata;
};

static void go_on(struct rootdse_read *r);

struct rootdse *rootdse_free(struct rootdse *d)
{
    if (!d)
        return NULL;
    free(d->product_text);
    string_list_done(&d->controls);
    string_list_done(&d->naming_contexts);
    free(d->subschema);
    free(d->monitor);
    free(d->ds_service_name);
    free(d->default_context);
    free(d->invocation_id);
    for (size_t i = 0; i < DIRECTORY_MAX_SEARCHES; i++) {
        free(d->suffixes[i]);
        free(d->suffix_ids[i]);
    }
    schema_free(d->schema);
    free(d);
    return NULL;
}

struct rootdse_read *rootdse_read_free(struct rootdse_read *r)
{
    if (!r)
        return NULL;
    search_free(r->search);
    rootdse_free(r->found);
    for (size_t i = 0; i < r->n_bases; i++)
        free(r->bases[i]);
    free(r->vendor);
    free(r->version);
    free(r->host);
    free(r);
    return NULL;
}

bool rootdse_has_control(const struct rootdse *d, const char *oid)
{
    return string_list_contains(&d->controls, oid);
}

const char *rootdse_children_attribute(const struct rootdse *d)
{
    return d->product == PRODUCT_OPENLDAP ? "hasSubordinates"
           : d->product == PRODUCT_389    ? "numSubordinates"
                                          : NULL;
}

char *rootdse_container_filter(const struct rootdse *d)
{
    const char *children = rootdse_children_attribute(d);
    CLEANUP(buffer_done) struct buffer b = {0};
    buffer_add_text(&b, "(|");
    for (size_t i = 0; decode_container_classes[i]; i++)
        buffer_format(&b, "(objectClass=%s)", decode_container_classes[i]);
    if (children)
        buffer_format(&b, d->product == PRODUCT_389 ? "(%s>=1)" : "(%s=TRUE)", children);
    buffer_add_text(&b, ")");
    return buffer_take(&b);
}

static void fail(struct rootdse_read *r, int code, const struct error *e)
{
    r->search = search_free(r->search);
    r->done(code, NULL, e, r->userdata);
}

static char *first_text(struct berval *values)
{
    return values && values[0].bv_val ? strndup(values[0].bv_val, values[0].bv_len) : NULL;
}

static void set_text(char **slot, struct berval *values)
{
    if (!*slot)
        *slot = first_text(values);
}

static uint64_t first_number(struct berval *values)
{
    CLEANUP(freep) char *text = first_text(values);
    uint64_t n = 0;
    return text && text_parse_unsigned(text, UINT64_MAX, &n) == 0 ? n : 0;
}

static int add_all(struct string_list *list, struct berval *values)
{
    for (size_t i = 0; values && values[i].bv_val; i++)
        if (string_list_add_n(list, values[i].bv_val, values[i].bv_len) < 0)
            return -ENOMEM;
    return 0;
}

static bool has_value(struct berval *values, const char *text)
{
    for (size_t i = 0; values && values[i].bv_val; i++)
        if (values[i].bv_len == strlen(text) &&
            strncasecmp(values[i].bv_val, text, values[i].bv_len) == 0)
            return true;
    return false;
}

/* 389 counts for each backend ("lastusn;userroot"), and does not say which one holds the
 * suffix: the lowest is safe. The changelog's own counter may start below zero. */
static void take_last_usn(struct rootdse *d, const char *name, uint64_t n)
{
    if (strcasecmp(name, "lastusn;changelog") == 0 || n > INT32_MAX)
        return;
    if (!d->has_last_usn || n < d->highest_usn)
        d->highest_usn = n;
    d->has_last_usn = true;
}

static int take_root(struct rootdse_read *r, const char *name, struct berval *values)
{
    struct rootdse *d = r->found;
    if (text_equal_ascii_case(name, "supportedControl"))
        return add_all(&d->controls, values);
    if (text_equal_ascii_case(name, "namingContexts"))
        return add_all(&d->naming_contexts, values);
    if (text_equal_ascii_case(name, "subschemaSubentry"))
        set_text(&d->subschema, values);
    else if (text_equal_ascii_case(name, "monitorContext"))
        set_text(&d->monitor, values);
    else if (text_equal_ascii_case(name, "dsServiceName"))
        set_text(&d->ds_service_name, values);
    else if (text_equal_ascii_case(name, "defaultNamingContext"))
        set_text(&d->default_context, values);
    else if (text_equal_ascii_case(name, "vendorName"))
        set_text(&r->vendor, values);
    else if (text_equal_ascii_case(name, "vendorVersion"))
        set_text(&r->version, values);
    else if (text_equal_ascii_case(name, "dnsHostName"))
        set_text(&r->host, values);
    else if (text_equal_ascii_case(name, "highestCommittedUSN"))
        d->highest_usn = first_number(values);
    else if (strncasecmp(name, "lastusn", 7) == 0) {
        take_last_usn(d, name, first_number(values));
    } else if (text_equal_ascii_case(name, "firstChangeNumber"))
        d->first_change = first_number(values);
    else if (text_equal_ascii_case(name, "lastChangeNumber")) {
        d->last_change = first_number(values);
        d->has_changelog = true;
    } else if (text_equal_ascii_case(name, "objectClass"))
        r->openldap_class = r->openldap_class || has_value(values, "OpenLDAProotDSE");
    else if (text_equal_ascii_case(name, "supportedCapabilities"))
        r->ad_capability = r->ad_capability || has_value(values, AD_CAPABILITY);
    return 0;
}

/* The suffix entry and the base entry: which identity they show, and which watermark. */
static void take_entry(struct rootdse_read *r, const char *name, struct berval *values)
{
    static const enum identity_kind kinds[] = {IDENTITY_ENTRYUUID, IDENTITY_OBJECTGUID,
                                               IDENTITY_NSUNIQUEID};
    struct rootdse *d = r->found;
    bool has = values && values[0].bv_val;
    for (size_t i = 0; i < ARRAY_SIZE(kinds) && has; i++) {
        if (!text_equal_ascii_case(name, identity_attribute(kinds[i])))
            continue;
        /* 389 may show an entryUUID on some entries only. */
        if (d->product == PRODUCT_OTHER && d->identity == 0)
            d->identity = kinds[i];
        if (r->step == STEP_SUFFIX && kinds[i] == d->identity && !d->suffix_ids[r->at])
            d->suffix_ids[r->at] =
                identity_from_value(kinds[i], values[0].bv_val, values[0].bv_len);
    }
    if (r->step != STEP_BASE || r->at > 0 || !has)
        return;
    d->has_entry_csn = d->has_entry_csn || text_equal_ascii_case(name, "entryCSN");
    d->has_entry_usn = d->has_entry_usn || text_equal_ascii_case(name, "entryusn");
    d->has_modify_timestamp =
        d->has_modify_timestamp || text_equal_ascii_case(name, "modifyTimestamp");
}

static int take_attribute(struct rootdse_read *r, const char *name, struct berval *values)
{
    switch (r->step) {
    case STEP_ROOT: return take_root(r, name, values);
    case STEP_MONITOR:
        if (text_equal_ascii_case(name, "monitoredInfo"))
            set_text(&r->version, values);
        return 0;
    case STEP_SUFFIX:
    case STEP_BASE: take_entry(r, name, values); return 0;
    case STEP_SERVICE:
        if (text_equal_ascii_case(name, "invocationId") && values && values[0].bv_val &&
            !r->found->invocation_id)
            r->found->invocation_id =
                identity_from_value(IDENTITY_OBJECTGUID, values[0].bv_val, values[0].bv_len);
        return 0;
    case STEP_SCHEMA:
    case STEP_END: break;
    }
    return 0;
}

static int on_entry(LDAP *ld, LDAPMessage *m, void *userdata, struct error *e)
{
    struct rootdse_read *r = userdata;
    if (r->step == STEP_BASE)
        r->found->base_visible[r->at] = true;
    if (r->step == STEP_SCHEMA)
        return r->found->schema ? 0 : schema_read_message(ld, m, &r->found->schema, e);
    CLEANUP(libldap_ber_freep) BerElement *ber = NULL;
    struct berval dn, name = {0}, *values = NULL;
    int code = ldap_get_dn_ber(ld, m, &ber, &dn), failed = 0;
    while (code == LDAP_SUCCESS && failed == 0 &&
           (code = ldap_get_attribute_ber(ld, m, ber, &name, &values)) == LDAP_SUCCESS &&
           name.bv_val) {
        CLEANUP(freep) char *text = strndup(name.bv_val, name.bv_len);
        failed = text ? take_attribute(r, text, values) : -ENOMEM;
        ber_memfree(values);
        values = NULL;
    }
    if (failed < 0)
        return error_out_of_memory(e);
    return code == LDAP_SUCCESS ? 0 : libldap_error(e, code, NULL, "an entry cannot be read");
}

/* "OpenLDAP: slapd 2.5.13+dfsg-5 (…)" of cn=Monitor -> "OpenLDAP 2.5.13+dfsg-5" */
static char *openldap_text(const char *info)
{
    const char *p = info ? strstr(info, "slapd ") : NULL;
    if (!p)
        return strdup("OpenLDAP");
    p += strlen("slapd ");
    return libldap_format("OpenLDAP %.*s", (int)strcspn(p, " ("), p);
}

static void name_product(struct rootdse_read *r)
{
    struct rootdse *d = r->found;
    if (r->openldap_class) {
        d->product = PRODUCT_OPENLDAP;
        d->identity = IDENTITY_ENTRYUUID;
        d->product_text = strdup("OpenLDAP");
    } else if (r->ad_capability) {
        d->product = PRODUCT_ACTIVE_DIRECTORY;
        d->identity = IDENTITY_OBJECTGUID;
        d->product_text = r->vendor && strncasecmp(r->vendor, "Samba", 5) == 0
                              ? libldap_format("Samba %s", r->version ? r->version : "")
                              : strdup("Active Directory");
    } else if (r->version && strncasecmp(r->version, "389-Directory", 13) == 0) {
        d->product = PRODUCT_389;
        d->identity = IDENTITY_NSUNIQUEID;
        d->product_text = strdup(r->version);
    } else {
        d->product = PRODUCT_OTHER;
        d->product_text = libldap_format("%s%s%s", r->vendor ? r->vendor : "unknown server",
                                         r->version ? " " : "", r->version ? r->version : "");
    }
}

static void find_suffix(struct rootdse_read *r, unsigned at)
{
    CLEANUP(freep) char *base = NULL;
    char **suffix = &r->found->suffixes[at];
    size_t best = 0;
    if (dn_key(NULL, r->bases[at], &base, NULL) < 0)
        return;
    for (size_t i = 0; i < r->found->naming_contexts.n_items; i++) {
        const char *context = r->found->naming_contexts.items[i];
        CLEANUP(freep) char *key = NULL;
        if (dn_key(NULL, context, &key, NULL) < 0 || !dn_key_is_below(base, key))
            continue;
        if (*suffix && strlen(key) <= best)
            continue;
        best = strlen(key);
        free(*suffix);
        *suffix = strdup(context);
    }
}

static void end_of_step(struct rootdse_read *r, const struct search_outcome *outcome)
{
    struct rootdse *d = r->found;
    if (r->step == STEP_ROOT) {
        name_product(r);
        for (unsigned i = 0; i < r->n_bases; i++)
            find_suffix(r, i);
    } else if (r->step == STEP_MONITOR && d->product == PRODUCT_OPENLDAP) {
        free(d->product_text);
        d->product_text = openldap_text(r->version);
    } else if (r->step == STEP_BASE) {
        d->base_codes[r->at] = outcome->code;
        if (r->at > 0 || d->base_visible[0])
            return;
        snprintf(d->base_doubt, sizeof(d->base_doubt), "%s (LDAP code %d)%s%s",
                 ldap_err2string(outcome->code), outcome->code, outcome->said ? ": " : "",
                 outcome->said ? outcome->said : "");
    } else if (r->step == STEP_SCHEMA && outcome->code != LDAP_SUCCESS) {
        log_debug("the schema cannot be read: %s", ldap_err2string(outcome->code));
    }
}

/* The steps of bases are done for each of them. */
static void advance(struct rootdse_read *r)
{
    if ((r->step == STEP_SUFFIX || r->step == STEP_BASE) && ++r->at < r->n_bases)
        return;
    r->at = 0;
    r->step++;
}

/* Bases in one naming context belong to one entry. */
static const char *suffix_to_read(struct rootdse_read *r)
{
    struct rootdse *d = r->found;
    for (unsigned i = 0; i < r->at; i++)
        if (text_equal(d->suffixes[i], d->suffixes[r->at])) {
            if (d->suffix_ids[i])
                d->suffix_ids[r->at] = strdup(d->suffix_ids[i]);
            return NULL;
        }
    return d->suffixes[r->at];
}

/* Who has no time says nothing of what can be seen. But of several bases one may be that of a
 * server behind this one, which is away while the others can be followed. */
static bool has_no_time(const struct rootdse_read *r, int code)
{
    bool of_base = r->step == STEP_SUFFIX || r->step == STEP_BASE;
    return code == LDAP_BUSY || (code == LDAP_UNAVAILABLE && !(of_base && r->n_bases > 1));
}

static void on_done(struct search *s, const struct search_outcome *outcome, void *userdata)
{
    (void)s;
    struct rootdse_read *r = userdata;
    if (has_no_time(r, outcome->code) || (r->step == STEP_ROOT && outcome->code != LDAP_SUCCESS)) {
        struct error e = {0};
        int code =
            libldap_error(&e, outcome->code, outcome->said,
                          "%s: the server's root entry cannot be read", session_uri(r->session));
        fail(r, code, &e);
        return;
    }
    end_of_step(r, outcome);
    r->search = search_free(r->search);
    advance(r);
    go_on(r);
}

static void on_failed(struct search *s, int code, const struct error *e, void *userdata)
{
    (void)s;
    struct error copy = *e;
    fail(userdata, code, &copy);
}

/* false: nothing to ask in this step. */
static bool prepare_step(struct rootdse_read *r, struct search_request *q)
{
    static const char *const root[] = {"*",
                                       "+",
                                       "supportedControl",
                                       "namingContexts",
                                       "subschemaSubentry",
                                       "monitorContext",
                                       "dsServiceName",
                                       "defaultNamingContext",
                                       "vendorName",
                                       "vendorVersion",
                                       "dnsHostName",
                                       "highestCommittedUSN",
                                       "firstChangeNumber",
                                       "lastChangeNumber",
                                       "supportedCapabilities",
                                       "lastusn",
                                       NULL};
    static const char *const monitor[] = {"monitoredInfo", NULL};
    static const char *const entry[] = {"objectClass", "entryUUID", "objectGUID",      "nsUniqueId",
                                        "entryCSN",    "entryusn",  "modifyTimestamp", NULL};
    static const char *const service[] = {"invocationId", NULL};
    static const char *const schema[] = {"attributeTypes", "objectClasses", NULL};
    const struct rootdse *d = r->found;
    q->scope = LDAP_SCOPE_BASE;
    q->filter = "(objectClass=*)";
    q->timeout_usec = r->timeout_usec;
    q->referrals = DIRECTORY_REFERRALS_IGNORE;
    switch (r->step) {
    case STEP_ROOT:
        q->base = "";
        q->attributes = root;
        break;
    case STEP_MONITOR:
        q->base = d->monitor;
        q->attributes = monitor;
        break;
    case STEP_SUFFIX:
        q->base = suffix_to_read(r);
        q->attributes = entry;
        break;
    case STEP_BASE:
        q->base = r->bases[r->at];
        q->attributes = entry;
        break;
    case STEP_SERVICE:
        q->base = d->ds_service_name;
        q->attributes = service;
        break;
    case STEP_SCHEMA:
        q->base = d->subschema;
        q->filter = "(objectClass=subschema)";
        q->attributes = schema;
        break;
    case STEP_END: break;
    }
    return q->base != NULL;
}

static void go_on(struct rootdse_read *r)
{
    static const struct search_events events = {
        .entry = on_entry, .done = on_done, .failed = on_failed};
    struct search_request q = {0};
    while (r->step != STEP_END && !prepare_step(r, &q))
        advance(r);
    if (r->step == STEP_END) {
        r->done(0, TAKE(r->found), NULL, r->userdata);
        return;
    }
    struct error e = {0};
    int code = search_start(&r->search, r->session, &q, &events, r, &e);
    if (code < 0)
        fail(r, code, &e);
}

int rootdse_read_start(struct rootdse_read **ret, struct session *session, const char *const *bases,
                       unsigned n_bases, uint64_t timeout_usec, rootdse_done_fn done,
                       void *userdata, struct error *e)
{
    static const struct search_events events = {
        .entry = on_entry, .done = on_done, .failed = on_failed};
    struct rootdse_read *r = calloc(1, sizeof(*r));
    if (r)
        r->found = calloc(1, sizeof(*r->found));
    if (!r || !r->found) {
        rootdse_read_free(r);
        return error_out_of_memory(e);
    }
    r->session = session;
    r->n_bases = n_bases;
    for (unsigned i = 0; i < n_bases; i++)
        if (!(r->bases[i] = strdup(bases[i]))) {
            rootdse_read_free(r);
            return error_out_of_memory(e);
        }
    r->timeout_usec = timeout_usec;
    r->done = done;
    r->userdata = userdata;
    struct search_request q = {0};
    prepare_step(r, &q);
    int code = search_start(&r->search, session, &q, &events, r, e);
    if (code < 0) {
        rootdse_read_free(r);
        return code;
    }
    *ret = r;
    return 0;
}
