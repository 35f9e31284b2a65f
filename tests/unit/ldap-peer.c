#include "config.h"

#include "ldap-peer.h"

#include <assert.h>
#include <lber.h>
#include <ldap.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ldap-ber.h"
#include "ldap-peer-filter.h"

/* As OpenLDAP's are. */
#define COOKIE "rid=000,csn=20260101000000.%06uZ#000000#000#000000"

static void send_all(void *userdata, const void *data, size_t size)
{
    struct peer *p = userdata;
    if (p->joins.is_late) {
        assert(p->joins.n_late + size <= sizeof p->joins.late);
        memcpy(p->joins.late + p->joins.n_late, data, size);
        p->joins.n_late += size;
        return;
    }
    for (size_t done = 0; p->fd >= 0 && done < size;) {
        ssize_t n = send(p->fd, (const char *)data + done, size - done, MSG_NOSIGNAL);
        if (n < 0)
            break;
        done += (size_t)n;
    }
}

/* "<GUID=…>" means an entry by its id. */
static const char *resolve(const struct peer *p, const char *base)
{
    unsigned first = 0;
    if (strncasecmp(base, "<GUID=", 6) != 0)
        return base;
    for (size_t i = 0; i < p->n_entries; i++) {
        char text[40];
        uuid_write(p->entries[i]->uuid, text);
        /* The first four bytes are written the other way round: each of ours is the same. */
        sscanf(base + 6, "%2x", &first);
        if (!p->entries[i]->gone && p->entries[i]->uuid[0] == first)
            return p->entries[i]->dn;
    }
    return base;
}

/* "…csn=20260101000000.000007Z#…" or "usn=7" */
static unsigned cookie_number(const struct question *q)
{
    const char *csn = strchr(q->cookie, '.');
    return *q->cookie ? (unsigned)atoi(csn ? csn + 1 : q->cookie + 4) : 0;
}

static bool wants(const struct question *q, const char *name)
{
    struct part left = q->attributes, a;
    if (left.size == 0)
        return true;
    while (part_take(&left, &a))
        if (part_is(&a, name) || part_is(&a, "*") ||
            (a.size > strlen(name) && a.data[strlen(name)] == ';' &&
             strncasecmp(name, (const char *)a.data, strlen(name)) == 0))
            return true;
    return false;
}

/* "member;range=3-*" asks for members from the fourth on. */
static size_t range_start(const struct question *q)
{
    struct part left = q->attributes, a;
    while (part_take(&left, &a))
        if (a.size > 13 && strncasecmp((const char *)a.data, "member;range=", 13) == 0)
            return (size_t)atoi((const char *)a.data + 13);
    return 0;
}

static void say_members(const struct peer *p, const struct question *q, BerElement *ber,
                        const struct peer_entry *e)
{
    size_t from = range_start(q), n = 0, end = 0;
    char room[64], name[64];
    while (peer_value(e, "member", n, room))
        n++;
    end = p->value_range && n > from + p->value_range ? from + p->value_range : n;
    if (!p->value_range)
        snprintf(name, sizeof name, "member");
    else if (end == n)
        snprintf(name, sizeof name, "member;range=%zu-*", from);
    else
        snprintf(name, sizeof name, "member;range=%zu-%zu", from, end - 1);
    ber_printf(ber, "{s[", name);
    for (size_t i = from; i < end; i++)
        if (!peer_hides(p, "member", peer_value(e, "member", i, room)))
            ber_printf(ber, "s", peer_value(e, "member", i, room));
    ber_printf(ber, "]}");
}

static void say_values(const struct peer *p, const struct question *q, BerElement *ber,
                       const struct peer_entry *e, bool pushed)
{
    static const char *const made[] = {"entryUUID", "entryCSN", "uSNChanged"};
    char room[64];
    for (size_t i = 0; i < e->n_values; i++) {
        const char *name = e->values[i].name, *value;
        bool seen = !wants(q, name) || (p->hidden && strcasecmp(p->hidden, name) == 0) ||
                    (pushed && p->computed && strcasecmp(p->computed, name) == 0);
        for (size_t k = 0; k < i && !seen; k++)
            seen = strcasecmp(e->values[k].name, name) == 0;
        if (seen)
            continue;
        if (strcasecmp(name, "member") == 0) {
            say_members(p, q, ber, e);
            continue;
        }
        ber_printf(ber, "{s[", name);
        for (size_t at = 0; (value = peer_value(e, name, at, room)); at++)
            ber_printf(ber, "s", value);
        ber_printf(ber, "]}");
    }
    for (size_t i = 0; i < 3; i++)
        if (wants(q, made[i]) && (p->active_directory ? i == 2 : i < 2))
            ber_printf(ber, "{s[s]}", made[i], peer_value(e, made[i], 0, room));
    if (p->active_directory && wants(q, "objectGUID")) {
        struct berval guid = {16, (char *)(uintptr_t)e->uuid};
        ber_printf(ber, "{s[O]}", "objectGUID", &guid);
    }
}

static void say_entry(struct peer *p, const struct question *q, const struct peer_entry *e,
                      int state, bool pushed)
{
    BerElement *ber = answer_new();
    ber_printf(ber, "{it{s{", q->id, (ber_tag_t)LDAP_RES_SEARCH_ENTRY, e->dn);
    if (state != LDAP_SYNC_DELETE)
        say_values(p, q, ber, e, pushed);
    ber_printf(ber, "}}");
    char cookie[80] = "";
    if (pushed)
        snprintf(cookie, sizeof cookie, COOKIE, p->csn);
    const struct answer_to to = {send_all, p};
    answer_entry_end(&to, ber, q->sync, state, e->uuid, cookie);
}

static void say_result(struct peer *p, int id, ber_tag_t tag, int code, const char *oid,
                       BerElement *control)
{
    const struct answer_to to = {send_all, p};
    answer_result(&to, id, tag, code,
                  code ? "as the test wants it" : "", oid, control);
}

static bool selects(const struct peer *p, const struct question *q, const struct peer_entry *e)
{
    return !e->gone && dn_lies_below(e->dn, q->base, q->scope) &&
           peer_test(p, e, q->filter) == YES;
}

static void say_ids(struct peer *p, const struct question *q)
{
    BerElement *value = answer_new();
    ber_printf(value, "t{b[", (ber_tag_t)LDAP_TAG_SYNC_ID_SET, p->lists_present ? 0 : 1);
    for (size_t i = 0; i < p->n_entries; i++) {
        const struct peer_entry *e = p->entries[i];
        struct berval id = {16, (char *)(uintptr_t)e->uuid};
        bool changed = e->csn > cookie_number(q);
        if (p->lists_present ? !changed && selects(p, q, e) : changed && !selects(p, q, e))
            ber_printf(value, "O", &id);
    }
    ber_printf(value, "]}");
    const struct answer_to to = {send_all, p};
    answer_sync_info(&to, q->id, value);
}

static void synchronise(struct peer *p, const struct question *q)
{
    char cookie[80];
    unsigned n = 0;
    if (p->no_sync || (*q->cookie && p->refresh_required)) {
        int code = p->no_sync ? LDAP_UNAVAILABLE_CRITICAL_EXTENSION : LDAP_SYNC_REFRESH_REQUIRED;
        p->refresh_required = false;
        say_result(p, q->id, LDAP_RES_SEARCH_RESULT, code, NULL, NULL);
        return;
    }
    for (size_t i = 0; i < p->n_entries; i++) {
        if (p->fail_code && n == p->fail_after)
            break;
        if (p->entries[i]->csn > cookie_number(q) && selects(p, q, p->entries[i])) {
            say_entry(p, q, p->entries[i], LDAP_SYNC_ADD, false);
            n++;
        }
    }
    if (p->fail_code) {
        int code = p->fail_code;
        p->fail_code = 0;
        say_result(p, q->id, LDAP_RES_SEARCH_RESULT, code, NULL, NULL);
        return;
    }
    if (*q->cookie)
        say_ids(p, q);
    snprintf(cookie, sizeof cookie, COOKIE, p->csn);
    if (q->mode == 1) {
        BerElement *done = answer_new();
        ber_printf(done, "{sb}", cookie, *q->cookie && p->lists_present ? 0 : 1);
        say_result(p, q->id, LDAP_RES_SEARCH_RESULT, LDAP_SUCCESS, OID_SYNC_DONE, done);
        return;
    }
    BerElement *value = answer_new();
    ber_printf(value, "t{s}",
               (ber_tag_t)(*q->cookie && p->lists_present ? LDAP_TAG_SYNC_REFRESH_PRESENT
                                                             : LDAP_TAG_SYNC_REFRESH_DELETE),
               cookie);
    const struct answer_to to = {send_all, p};
    answer_sync_info(&to, q->id, value);
    for (size_t i = 0; i < 4; i++)
        if (!p->followers[i].live) {
            struct peer_follower *f = &p->followers[i];
            *f = (struct peer_follower){.id = q->id, .live = true};
            snprintf(f->base, sizeof f->base, "%s", q->base);
            assert(q->filter.size + 1 < sizeof f->filter);
            f->filter[0] = (unsigned char)q->filter.tag;
            memcpy(f->filter + 1, q->filter.data, q->filter.size);
            f->n_filter = q->filter.size + 1;
            return;
        }
}

static void add_value(struct peer_entry *e, const char *name, const char *value)
{
    assert(e->n_values < PEER_VALUES);
    snprintf(e->values[e->n_values].name, sizeof e->values->name, "%s", name);
    snprintf(e->values[e->n_values++].value, sizeof e->values->value, "%s", value);
}

static void end_changes(struct peer *p, int id, bool more)
{
    BerElement *control = answer_new();
    char cookie[32];
    snprintf(cookie, sizeof cookie, "usn=%u", p->csn);
    ber_printf(control, "{iis}", more, 0, cookie);
    say_result(p, id, LDAP_RES_SEARCH_RESULT, LDAP_SUCCESS, OID_DIRSYNC, control);
}

/* Of each entry that changed since the cookie: its id, whether it is gone, its name, its sn. */
static void say_changes(struct peer *p, const struct question *q)
{
    bool any = false;
    for (size_t i = 0; i < p->n_entries; i++) {
        const struct peer_entry *e = p->entries[i];
        struct berval guid = {16, (char *)(uintptr_t)e->uuid};
        if (e->csn <= cookie_number(q) || q->filter.tag == 0xa3)
            continue;
        any = true;
        BerElement *ber = answer_new();
        ber_printf(ber, "{it{s{{s[O]}", q->id, (ber_tag_t)LDAP_RES_SEARCH_ENTRY, e->dn,
                   "objectGUID", &guid);
        ber_printf(ber, e->gone ? "{s[s]}" : "{s[s]}}}}", e->gone ? "isDeleted" : "name",
                   e->gone ? "TRUE" : "x");
        if (e->gone)
            ber_printf(ber, "}}}");
        answer_say(&(const struct answer_to){send_all, p}, ber);
    }
    if (any || !p->joins.group || q->filter.tag == 0xa3)
        end_changes(p, q->id, any && p->joins.group);
    else
        p->joins.id = q->id;
}

static void say_root(struct peer *p, const struct question *q)
{
    BerElement *ber = answer_new();
    char usn[16];
    snprintf(usn, sizeof usn, "%u", p->csn);
    ber_printf(ber, "{it{s{{s[s]}}}}", q->id, (ber_tag_t)LDAP_RES_SEARCH_ENTRY, "",
               "highestCommittedUSN", usn);
    answer_say(&(const struct answer_to){send_all, p}, ber);
    say_result(p, q->id, LDAP_RES_SEARCH_RESULT, LDAP_SUCCESS, NULL, NULL);
}

static void search(struct peer *p, const struct question *q)
{
    size_t i = (size_t)atoi(q->page), n = 0;
    bool lookup = q->scope == LDAP_SCOPE_BASE, found = !lookup, cut = false;
    int code = LDAP_SUCCESS;
    if (lookup && (!p->refused || strcasecmp(p->refused, q->base) == 0))
        code = p->lookup_code;
    for (; i < p->n_entries && !code && !(q->paged && !p->ignores_pages && n == q->page_size);
         i++) {
        const struct peer_entry *e = p->entries[i];
        found |= !e->gone && strcasecmp(e->dn, q->base) == 0;
        cut = !lookup && p->fail_code && n == p->fail_after && (*q->page || !p->fails_later);
        if (cut)
            break;
        if (selects(p, q, e)) {
            say_entry(p, q, e, 0, false);
            n++;
        }
    }
    if (cut) {
        code = p->fail_code;
        p->fail_code = 0;
    } else if (!code && !found)
        code = LDAP_NO_SUCH_OBJECT;
    BerElement *page = NULL;
    if (q->paged && !p->ignores_pages && !code) {
        char next[24] = "";
        if (i < p->n_entries)
            snprintf(next, sizeof next, "%zu", i);
        page = answer_new();
        ber_printf(page, "{is}", 0, next);
    }
    say_result(p, q->id, LDAP_RES_SEARCH_RESULT, code, OID_PAGED, page);
}

/* Its second part is due: what was answered before goes out after it. */
static void join(struct peer *p)
{
    struct peer_joins *j = &p->joins;
    struct berval guid = {16, (char *)(uintptr_t)j->group->uuid};
    BerElement *ber = answer_new();
    j->is_late = false;
    ber_printf(ber, "{it{s{{s[O]}{s[s]}}}}", j->id, (ber_tag_t)LDAP_RES_SEARCH_ENTRY,
               j->group->dn, "objectGUID", &guid, "member;range=1-1", j->member);
    answer_say(&(const struct answer_to){send_all, p}, ber);
    end_changes(p, j->id, false);
    send_all(p, j->late, j->n_late);
    add_value(j->group, "member", j->member);
    j->group = NULL;
}

static void serve_search(struct peer *p, int id, struct part request, struct part rest)
{
    struct question q;
    char base[sizeof q.base];
    question_read(&q, id, request, rest);
    memcpy(base, q.base, sizeof base);
    snprintf(q.base, sizeof q.base, "%s", resolve(p, base));
    bool lookup = q.scope == LDAP_SCOPE_BASE && *q.base;
    if (q.scope == LDAP_SCOPE_BASE)
        p->n_lookups++;
    else
        p->n_searches++;
    if (lookup && p->joins.group && p->joins.after && --p->joins.after == 0)
        p->joins.is_late = true;
    if (q.sync)
        synchronise(p, &q);
    else if (q.dirsync)
        say_changes(p, &q);
    else if (!*q.base)
        say_root(p, &q);
    else
        search(p, &q);
    if (p->joins.is_late && p->joins.id)
        join(p);
}

static void serve(struct peer *p, struct part message)
{
    struct part id, request;
    if (!part_take(&message, &id) || !part_take(&message, &request))
        return;
    int number = (int)part_number(&id);
    if (request.tag == LDAP_REQ_SEARCH)
        serve_search(p, number, request, message);
    for (size_t i = 0; request.tag == LDAP_REQ_ABANDON && i < 4; i++)
        if (p->followers[i].id == (int)part_number(&request))
            p->followers[i].live = false;
}

static int on_input(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    struct peer *p = userdata;
    (void)events;
    ssize_t n = read(fd, p->in + p->n_in, sizeof p->in - p->n_in);
    if (n <= 0) {
        sd_event_source_set_enabled(source, SD_EVENT_OFF);
        return 0;
    }
    p->n_in += (size_t)n;
    struct part left = {0, p->in, p->n_in}, message;
    while (part_take(&left, &message))
        serve(p, message);
    memmove(p->in, left.data, left.size);
    p->n_in = left.size;
    return 0;
}

struct peer *peer_new(sd_event *event, int fd_taken)
{
    struct peer *p = calloc(1, sizeof *p);
    assert(p);
    p->fd = fd_taken;
    assert(sd_event_add_io(event, &p->source, fd_taken, EPOLLIN, on_input, p) >= 0);
    return p;
}

void peer_close(struct peer *p)
{
    p->source = sd_event_source_disable_unref(p->source);
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
}

struct peer *peer_free(struct peer *p)
{
    if (!p)
        return NULL;
    peer_close(p);
    for (size_t i = 0; i < p->n_entries; i++)
        free(p->entries[i]);
    free(p);
    return NULL;
}

static void push(struct peer *p, const struct peer_entry *e, const bool *was)
{
    for (size_t i = 0; i < 4; i++) {
        struct peer_follower *f = &p->followers[i];
        struct part filter = {f->filter[0], f->filter + 1, f->n_filter - 1};
        struct question q = {
            .id = f->id, .scope = LDAP_SCOPE_SUBTREE, .filter = filter, .sync = true};
        if (!f->live)
            continue;
        snprintf(q.base, sizeof q.base, "%s", f->base);
        bool now = selects(p, &q, e);
        if (now || was[i])
            say_entry(p, &q, e, !now ? LDAP_SYNC_DELETE : was[i] ? LDAP_SYNC_MODIFY : LDAP_SYNC_ADD,
                      true);
    }
}

static void note(const struct peer *p, const struct peer_entry *e, bool was[4])
{
    for (size_t i = 0; i < 4; i++) {
        const struct peer_follower *f = &p->followers[i];
        struct part filter = {f->filter[0], f->filter + 1, f->n_filter ? f->n_filter - 1 : 0};
        was[i] = f->live && !e->gone && dn_lies_below(e->dn, f->base, LDAP_SCOPE_SUBTREE) &&
                 peer_test(p, e, filter) == YES;
    }
}

struct peer_entry *peer_add(struct peer *p, const char *dn, ...)
{
    struct peer_entry *e = calloc(1, sizeof *e);
    va_list ap;
    bool was[4] = {0};
    assert(e && p->n_entries < 32);
    snprintf(e->dn, sizeof e->dn, "%s", dn);
    p->entries[p->n_entries++] = e;
    memset(e->uuid, (int)p->n_entries, sizeof e->uuid);
    e->csn = ++p->csn;
    va_start(ap, dn);
    for (const char *name; (name = va_arg(ap, const char *));)
        add_value(e, name, va_arg(ap, const char *));
    va_end(ap);
    push(p, e, was);
    return e;
}

void peer_set(struct peer *p, struct peer_entry *e, const char *name, ...)
{
    size_t n = 0;
    bool was[4];
    va_list ap;
    note(p, e, was);
    for (size_t i = 0; i < e->n_values; i++)
        if (strcasecmp(e->values[i].name, name) != 0)
            e->values[n++] = e->values[i];
    e->n_values = n;
    va_start(ap, name);
    for (const char *value; (value = va_arg(ap, const char *));)
        add_value(e, name, value);
    va_end(ap);
    e->csn = ++p->csn;
    push(p, e, was);
}

void peer_delete(struct peer *p, struct peer_entry *e)
{
    bool was[4];
    note(p, e, was);
    e->gone = true;
    e->csn = ++p->csn;
    push(p, e, was);
}

void peer_rename(struct peer *p, struct peer_entry *e, const char *dn)
{
    bool was[4];
    note(p, e, was);
    snprintf(e->dn, sizeof e->dn, "%s", dn);
    e->csn = ++p->csn;
    push(p, e, was);
}
