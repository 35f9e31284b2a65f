/*
 * An LDAP server as OpenLDAP's slapd with syncprov speaks: bind, search with pages, content
 * synchronisation (RFC 4533) with and without a log of its session. Answers are made by
 * liblber; requests are read by a few lines of their own.
 */
#include "config.h"

#include "directory.h"

#include <lber.h>
#include <ldap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "world.h"

#define OID_SYNC      "1.3.6.1.4.1.4203.1.9.1.1"
#define OID_STATE     "1.3.6.1.4.1.4203.1.9.1.2"
#define OID_SYNC_INFO "1.3.6.1.4.1.4203.1.9.1.4"
#define OID_PAGED     "1.2.840.113556.1.4.319"

struct tlv {
    unsigned tag;
    const unsigned char *data;
    size_t size;
};

struct search {
    struct search *next;
    struct line *line;
    unsigned char *copy; /* of the request, which the rest points into */
    int id;
    char base[200];
    int scope;
    struct tlv filter, attributes;
    int sync; /* 0: a plain search; 1: refresh; 3: refresh and persist */
    uint64_t cookie_csn;
    bool has_cookie;
    bool paged;
    size_t page_size, page_from;
    bool was; /* the entry that changes matched before */
};
static struct search *followers;

/* The next element of what is left; false at its end. */
static bool take(struct tlv *left, struct tlv *ret)
{
    if (left->size < 2)
        return false;
    const unsigned char *p = left->data;
    size_t n = p[1], head = 2;
    ret->tag = p[0];
    if (n & 0x80) {
        size_t count = n & 0x7f;
        n = 0;
        if (left->size < 2 + count)
            return false;
        for (size_t i = 0; i < count; i++)
            n = n << 8 | p[2 + i];
        head += count;
    }
    if (left->size < head + n)
        return false;
    ret->data = p + head;
    ret->size = n;
    left->data += head + n;
    left->size -= head + n;
    return true;
}

static long number_of(const struct tlv *t)
{
    long n = 0;
    for (size_t i = 0; i < t->size; i++)
        n = n << 8 | t->data[i];
    return n;
}

static bool same(const struct tlv *t, const char *text)
{
    return t->size == strlen(text) && strncasecmp((const char *)t->data, text, t->size) == 0;
}

/* By the server's own clock, which is right, and then by number. */
static void write_csn(char ret[64], const struct item *i)
{
    time_t t = (time_t)(1767225600 + i->changed_usec / SECOND);
    struct tm tm;
    gmtime_r(&t, &tm);
    size_t n = strftime(ret, 64, "%Y%m%d%H%M%S", &tm);
    snprintf(ret + n, 64 - n, ".%06lluZ#000000#000#000000", (unsigned long long)i->csn);
}

/* Values of the entry, also those that the server itself keeps. */
static const char *value_at(const struct item *i, const struct tlv *name, size_t at,
                            char room[64])
{
    for (size_t n = 0; n < i->n_values; n++)
        if (same(name, i->values[n].name) && at-- == 0)
            return i->values[n].text;
    if (at != 0)
        return NULL;
    if (same(name, "entryUUID"))
        return i->uuid_text;
    if (same(name, "entryCSN")) {
        write_csn(room, i);
        return room;
    }
    if (same(name, "modifyTimestamp")) {
        write_csn(room, i);
        memcpy(room + 14, "Z", 2);
        return room;
    }
    return NULL;
}

static bool contains(const char *value, const struct tlv *part, unsigned tag)
{
    size_t n = strlen(value);
    if (n < part->size)
        return false;
    if (tag == 0x80)
        return strncasecmp(value, (const char *)part->data, part->size) == 0;
    if (tag == 0x82)
        return strncasecmp(value + n - part->size, (const char *)part->data, part->size) == 0;
    for (size_t i = 0; i + part->size <= n; i++)
        if (strncasecmp(value + i, (const char *)part->data, part->size) == 0)
            return true;
    return false;
}

static bool matches(const struct item *i, struct tlv filter)
{
    struct tlv left = filter, a, b, part;
    char room[64];
    const char *value;
    switch (filter.tag) {
    case 0xa0:
        while (take(&left, &a))
            if (!matches(i, a))
                return false;
        return true;
    case 0xa1:
        while (take(&left, &a))
            if (matches(i, a))
                return true;
        return false;
    case 0xa2: return take(&left, &a) && !matches(i, a);
    case 0x87: return same(&filter, "objectClass") || value_at(i, &filter, 0, room);
    default: break;
    }
    if (!take(&left, &a) || !take(&left, &b))
        return false;
    for (size_t at = 0; (value = value_at(i, &a, at, room)); at++) {
        if (filter.tag == 0xa3 && same(&b, value))
            return true;
        if (filter.tag == 0xa5 && strncasecmp(value, (const char *)b.data, b.size) >= 0)
            return true;
        if (filter.tag == 0xa4) {
            struct tlv parts = b;
            bool all = true;
            while (take(&parts, &part))
                all = all && contains(value, &part, part.tag);
            if (all)
                return true;
        }
    }
    return false;
}

static bool is_below(const char *dn, const char *base, int scope)
{
    size_t n = strlen(dn), b = strlen(base);
    if (n == b && strcasecmp(dn, base) == 0)
        return scope != LDAP_SCOPE_ONELEVEL;
    if (scope == LDAP_SCOPE_BASE || n <= b || (b && dn[n - b - 1] != ',') ||
        strcasecmp(dn + n - b, base) != 0)
        return false;
    return scope == LDAP_SCOPE_SUBTREE || !memchr(dn, ',', n - b - 1);
}

static bool selects(const struct search *s, const struct item *i)
{
    return !i->gone && is_below(i->dn, s->base, s->scope) && matches(i, s->filter);
}

static void say(struct line *l, BerElement *ber)
{
    struct berval bv;
    if (ber_flatten2(ber, &bv, 0) < 0)
        abort();
    line_say(l, bv.bv_val, bv.bv_len);
    ber_free(ber, 1);
}

static BerElement *ber_new(void)
{
    BerElement *ber = ber_alloc_t(LBER_USE_DER);
    if (!ber)
        abort();
    return ber;
}

static void say_result(struct line *l, int id, ber_tag_t tag, int code, const char *text,
                       BerElement *page)
{
    BerElement *ber = ber_new();
    ber_printf(ber, "{it{ess}", id, tag, code, "", text);
    if (page) {
        struct berval bv;
        ber_flatten2(page, &bv, 0);
        ber_printf(ber, "t{{sO}}", (ber_tag_t)0xa0, OID_PAGED, &bv);
        ber_free(page, 1);
    }
    ber_printf(ber, "}");
    say(l, ber);
}

static void cookie_text(char ret[80])
{
    snprintf(ret, 80, "rid=000,csn=20260101000000.%06lluZ#000000#000#000000",
             (unsigned long long)directory_data.csn);
}

static bool wanted(const struct search *s, const char *name, bool operational)
{
    struct tlv left = s->attributes, a;
    if (!left.size)
        return !operational;
    while (take(&left, &a))
        if (same(&a, name) || same(&a, operational ? "+" : "*"))
            return true;
    return false;
}

static void put_attribute(BerElement *ber, const struct item *i, const char *name)
{
    struct tlv t = {0, (const unsigned char *)name, strlen(name)};
    char room[64];
    const char *value;
    ber_printf(ber, "{s[", name);
    for (size_t at = 0; (value = value_at(i, &t, at, room)); at++)
        ber_printf(ber, "s", value);
    ber_printf(ber, "]}");
}

static bool is_first(const struct item *i, size_t at)
{
    for (size_t n = 0; n < at; n++)
        if (strcasecmp(i->values[n].name, i->values[at].name) == 0)
            return false;
    return true;
}

static void say_entry(const struct search *s, const struct item *i, int state, bool with_cookie)
{
    static const char *const own[] = {"entryUUID", "entryCSN", "modifyTimestamp"};
    BerElement *ber = ber_new();
    ber_printf(ber, "{it{s{", s->id, (ber_tag_t)LDAP_RES_SEARCH_ENTRY, i->dn);
    for (size_t n = 0; state != LDAP_SYNC_DELETE && n < i->n_values; n++)
        if (is_first(i, n) && wanted(s, i->values[n].name, false))
            put_attribute(ber, i, i->values[n].name);
    for (size_t n = 0; state != LDAP_SYNC_DELETE && i->csn && n < 3; n++)
        if (wanted(s, own[n], true))
            put_attribute(ber, i, own[n]);
    ber_printf(ber, "}}");
    if (s->sync) {
        BerElement *control = ber_new();
        struct berval id = {16, (char *)(uintptr_t)i->uuid}, bv;
        char cookie[80];
        cookie_text(cookie);
        ber_printf(control, with_cookie ? "{eOs}" : "{eO}", state, &id, cookie);
        ber_flatten2(control, &bv, 0);
        ber_printf(ber, "t{{sO}}", (ber_tag_t)0xa0, OID_STATE, &bv);
        ber_free(control, 1);
    }
    ber_printf(ber, "}");
    say(s->line, ber);
}

static void say_info(const struct search *s, BerElement *value)
{
    BerElement *ber = ber_new();
    struct berval bv;
    ber_flatten2(value, &bv, 0);
    ber_printf(ber, "{it{tstO}}", s->id, (ber_tag_t)LDAP_RES_INTERMEDIATE, (ber_tag_t)0x80,
               OID_SYNC_INFO, (ber_tag_t)0x81, &bv);
    ber_free(value, 1);
    say(s->line, ber);
}

/* The ids of entries that are unchanged (present) or gone since the cookie. */
static void say_ids(const struct search *s, bool deletes)
{
    BerElement *value = ber_new();
    size_t n = 0;
    ber_printf(value, "t{b[", (ber_tag_t)LDAP_TAG_SYNC_ID_SET, deletes ? 1 : 0);
    for (size_t k = 0; k < directory_data.n_items; k++) {
        const struct item *i = directory_data.items[k];
        bool changed = i->csn > s->cookie_csn;
        if (deletes ? changed && !selects(s, i) : !changed && selects(s, i)) {
            struct berval id = {16, (char *)(uintptr_t)i->uuid};
            ber_printf(value, "O", &id);
            n++;
        }
    }
    ber_printf(value, "]}");
    if (n)
        say_info(s, value);
    else
        ber_free(value, 1);
}

static void refresh(const struct search *s)
{
    bool present = s->has_cookie && !directory_data.session_log;
    if (s->has_cookie)
        seen(present ? POINT_PRESENT_PHASE : POINT_DELETE_PHASE);
    char cookie[80];
    for (size_t k = 0; k < directory_data.n_items; k++) {
        const struct item *i = directory_data.items[k];
        if ((!s->has_cookie || i->csn > s->cookie_csn) && selects(s, i))
            say_entry(s, i, LDAP_SYNC_ADD, false);
    }
    if (s->has_cookie)
        say_ids(s, !present);
    cookie_text(cookie);
    BerElement *value = ber_new();
    ber_printf(
        value, "t{s}",
        (ber_tag_t)(present ? LDAP_TAG_SYNC_REFRESH_PRESENT : LDAP_TAG_SYNC_REFRESH_DELETE),
        cookie);
    say_info(s, value);
}

static void plain(const struct search *s)
{
    size_t n = 0, k = s->page_from;
    bool found = !*s->base || s->scope != LDAP_SCOPE_BASE;
    for (; k < directory_data.n_items && !(s->paged && n == s->page_size); k++) {
        const struct item *i = directory_data.items[k];
        found = found || (!i->gone && strcasecmp(i->dn, s->base) == 0);
        if (selects(s, i)) {
            say_entry(s, i, 0, false);
            n++;
        }
    }
    BerElement *page = s->paged ? ber_new() : NULL;
    char next[24] = "";
    if (k < directory_data.n_items)
        snprintf(next, sizeof(next), "%zu", k);
    if (page)
        ber_printf(page, "{is}", 0, next);
    say_result(s->line, s->id, LDAP_RES_SEARCH_RESULT,
               found ? LDAP_SUCCESS : LDAP_NO_SUCH_OBJECT, "", page);
}

static void say_root(const struct search *s)
{
    struct item root = {.dn = ""};
    item_add(&root, "objectClass", "top");
    if (directory_data.polled)
        item_add(&root, "vendorName", "Anybody");
    else
        item_add(&root, "objectClass", "OpenLDAProotDSE");
    item_add(&root, "namingContexts", SUFFIX);
    if (!directory_data.polled)
        item_add(&root, "supportedControl", OID_SYNC);
    item_add(&root, "supportedControl", OID_PAGED);
    item_add(&root, "supportedLDAPVersion", "3");
    say_entry(s, &root, 0, false);
    for (size_t n = 0; n < root.n_values; n++) {
        free(root.values[n].name);
        free(root.values[n].text);
    }
    free(root.values);
    say_result(s->line, s->id, LDAP_RES_SEARCH_RESULT, LDAP_SUCCESS, "", NULL);
}

static void take_control(struct search *s, struct tlv control)
{
    struct tlv oid, value = {0}, part, inner, field;
    if (!take(&control, &oid))
        return;
    while (take(&control, &part))
        if (part.tag == 0x04)
            value = part;
    if (!take(&value, &inner) || !take(&inner, &field))
        return;
    if (same(&oid, OID_PAGED)) {
        s->paged = true;
        s->page_size = (size_t)number_of(&field);
        if (take(&inner, &field) && field.size)
            s->page_from = strtoul((const char *)field.data, NULL, 10);
    } else if (same(&oid, OID_SYNC)) {
        s->sync = (int)number_of(&field);
        if (take(&inner, &field) && field.tag == 0x04) {
            char text[100] = "";
            memcpy(text, field.data, field.size < 99 ? field.size : 99);
            const char *at = strstr(text, "20260101000000.");
            s->has_cookie = at != NULL;
            s->cookie_csn = at ? strtoull(at + 15, NULL, 10) : 0;
        }
    }
}

static void search_free(struct search *s)
{
    free(s->copy);
    free(s);
}

static void serve_search(struct line *l, int id, struct tlv request, struct tlv rest)
{
    struct search *s = calloc(1, sizeof(*s));
    size_t size = (size_t)(rest.data + rest.size - request.data);
    struct tlv field[8] = {0}, controls, control;
    if (!s || !(s->copy = malloc(size)))
        abort();
    memcpy(s->copy, request.data, size);
    rest.data = s->copy + (rest.data - request.data);
    request.data = s->copy;
    for (unsigned i = 0; i < 8 && take(&request, &field[i]); i++)
        ;
    s->line = l;
    s->id = id;
    snprintf(s->base, sizeof(s->base), "%.*s", (int)field[0].size, (const char *)field[0].data);
    s->scope = (int)number_of(&field[1]);
    s->filter = field[6];
    s->attributes = field[7];
    if (take(&rest, &controls))
        while (take(&controls, &control))
            take_control(s, control);
    if (!*s->base && s->scope == LDAP_SCOPE_BASE) {
        say_root(s);
    } else if (!s->sync) {
        plain(s);
    } else {
        refresh(s);
        s->next = followers;
        followers = s;
        return;
    }
    search_free(s);
}

static void serve(struct line *l, struct tlv message)
{
    struct tlv id, request;
    if (!take(&message, &id) || !take(&message, &request))
        return;
    int number = (int)number_of(&id);
    switch (request.tag) {
    case LDAP_REQ_BIND: say_result(l, number, LDAP_RES_BIND, LDAP_SUCCESS, "", NULL); break;
    case LDAP_REQ_SEARCH: serve_search(l, number, request, message); break;
    case LDAP_REQ_UNBIND: line_hang_up(l); break;
    case LDAP_REQ_ABANDON:
        for (struct search **p = &followers, *s; (s = *p);) {
            if (s->line != l || s->id != (int)number_of(&request)) {
                p = &s->next;
                continue;
            }
            *p = s->next;
            search_free(s);
        }
        break;
    default: say_result(l, number, LDAP_RES_EXTENDED, LDAP_UNWILLING_TO_PERFORM, "", NULL);
    }
}

void directory_hear(struct line *l)
{
    struct tlv left = {0, l->in, l->n_in}, message;
    line_ref(l);
    while (l->fd >= 0 && take(&left, &message))
        serve(l, message);
    line_eat(l, l->n_in - left.size);
    line_unref(l);
}

void directory_hung_up(struct line *l)
{
    for (struct search **p = &followers, *s; (s = *p);) {
        if (s->line != l) {
            p = &s->next;
            continue;
        }
        *p = s->next;
        search_free(s);
    }
}

void directory_cut(void)
{
    sockets_cut(PEER_DIRECTORY);
}

void change_begin(struct item *i)
{
    for (struct search *s = followers; s; s = s->next)
        s->was = selects(s, i);
}

void change_end(struct item *i)
{
    i->csn = ++directory_data.csn;
    i->changed_usec = world.steady_usec;
    world.n_changes++;
    for (struct search *s = followers; s; s = s->next) {
        bool is = selects(s, i);
        if (s->was || is)
            say_entry(s, i,
                      !is      ? LDAP_SYNC_DELETE
                      : s->was ? LDAP_SYNC_MODIFY
                               : LDAP_SYNC_ADD,
                      true);
    }
}
