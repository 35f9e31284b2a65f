/*
 * Active Directory, as Samba showed it: DirSync tells what changed since a cookie, members of
 * groups as differences, deletions to whoever may see them (test_feed_dirsync.py:
 * test_follows_changes, test_ordinary_reader); a notification says when to ask. Links follow people
 * by themselves: no group changes when somebody is renamed or deleted.
 */
#include "config.h"

#include <ldap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "peer.h"
#include "world.h"

#define ANSWER_MOST 7 /* entries; AD counts bytes, and says that there are more */

#define NTDS "CN=NTDS Settings,CN=DC1,CN=Servers,CN=Sites,CN=Configuration," SUFFIX

/* The first three parts are written the other way round. */
void guid_write(const struct item *i, char ret[37])
{
    const unsigned char *u = i->uuid;
    const unsigned char turned[16] = {u[3], u[2], u[1],  u[0],  u[5],  u[4],  u[7],  u[6],
                                      u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]};
    uuid_write(turned, ret);
}

/* The cookie is of one controller; another one's it answers with everything. Amid several answers
 * it says since when they tell what changed. */
static void cookie_write(char ret[80], uint64_t usn, uint64_t since)
{
    snprintf(ret, 80, "%u usn=%llu since=%llu", directory_data.n_controllers,
             (unsigned long long)usn, (unsigned long long)since);
}

static uint64_t cookie_read(const struct question *q, uint64_t *ret_since)
{
    unsigned controller = 0;
    unsigned long long usn = 0, since = 0;
    if (sscanf(q->cookie, "%u usn=%llu since=%llu", &controller, &usn, &since) != 3 ||
        controller != directory_data.n_controllers)
        usn = since = 0;
    *ret_since = since;
    return usn;
}

static void put_links(BerElement *ber, const struct item *i, uint64_t since, bool added)
{
    bool any = false;
    for (size_t n = 0; n < i->n_links && !directory_troubles("hides members"); n++) {
        const struct item_link *l = &i->links[n];
        bool last = *l->text; /* of who is gone nothing is told */
        for (size_t k = n + 1; k < i->n_links && last; k++)
            last = strcasecmp(i->links[k].text, l->text) != 0;
        if (!last || l->csn <= since || l->added != added)
            continue;
        if (!any)
            ber_printf(ber, "{s[", added ? "member;range=1-1" : "member;range=0-0");
        any = true;
        ber_printf(ber, "s", l->text);
    }
    if (any)
        ber_printf(ber, "]}");
}

static void say_change(const struct search *s, const struct item *i, uint64_t since)
{
    const struct answer_to to = answer_by(s->line);
    struct berval guid = {16, (char *)(uintptr_t)i->uuid};
    char dn[240], text[37];
    guid_write(i, text);
    snprintf(dn, sizeof(dn), "CN=x\\0ADEL:%s,CN=Deleted Objects," SUFFIX, text);
    BerElement *ber = entry_begin(s, i->gone ? dn : i->dn);
    ber_printf(ber, "{s[O]}", "objectGUID", &guid);
    if (i->gone)
        ber_printf(ber, "{s[s]}", "isDeleted", "TRUE");
    else if (i->made_csn > since || !i->n_links)
        ber_printf(ber, "{s[s]}", "name", "x");
    if (!i->gone) {
        put_links(ber, i, since, true);
        put_links(ber, i, since, false);
    }
    ber_printf(ber, "}}}");
    answer_say(&to, ber);
}

/* To whom it may be shown, and as long as it is remembered: of what was deleted before, a cookie
 * that is too old hears nothing, and nothing says so. */
static bool is_told(const struct item *i)
{
    if (!i->gone)
        return !is_hidden(i);
    return directory_data.session_log && i->changed_usec + DIRSYNC_REMEMBERED >= world.steady_usec;
}

/* What changed next after that; NULL: nothing. */
static const struct item *next_change(uint64_t usn)
{
    const struct item *found = NULL;
    for (size_t k = 0; k < directory_data.n_items; k++) {
        const struct item *i = directory_data.items[k];
        if (i->csn > usn && (!found || i->csn < found->csn) && is_told(i))
            found = i;
    }
    return found;
}

void dirsync_answer(const struct search *s)
{
    const struct answer_to to = answer_by(s->line);
    uint64_t since, usn = cookie_read(&s->q, &since);
    const struct item *i = NULL;
    char cookie[80];
    size_t n = 0;
    if (directory_troubles("busy") && chance_percent(CHANCE_DIRECTORY, 50)) {
        say_end(s, LDAP_BUSY, "");
        return;
    }
    /* With this filter only the cookie is wanted. */
    bool nobody = s->q.filter.tag == FILTER_EQUAL;
    for (; !nobody && (i = next_change(usn)) && n < ANSWER_MOST; n++) {
        say_change(s, i, since);
        usn = i->csn;
    }
    if (*s->q.cookie && n)
        seen(i ? POINT_PAGED : POINT_DIRSYNC);
    cookie_write(cookie, i ? usn : directory_data.csn, i ? since : directory_data.csn);
    BerElement *control = answer_new();
    ber_printf(control, "{iis}", i ? 1 : 0, 0, cookie);
    answer_result(&to, s->q.id, LDAP_RES_SEARCH_RESULT, LDAP_SUCCESS, "", OID_DIRSYNC, control);
}

void dirsync_notify(const struct search *s, const struct item *i)
{
    const struct answer_to to = answer_by(s->line);
    BerElement *ber = entry_begin(s, i->dn);
    ber_printf(ber, "}}}");
    answer_say(&to, ber);
}

void dirsync_put_root(struct item *root)
{
    char text[24];
    snprintf(text, sizeof(text), "%llu", (unsigned long long)directory_data.csn);
    item_add(root, "supportedCapabilities", "1.2.840.113556.1.4.800");
    item_add(root, "defaultNamingContext", SUFFIX);
    item_add(root, "dsServiceName", NTDS);
    item_add(root, "highestCommittedUSN", text);
    item_add(root, "supportedControl", OID_DIRSYNC);
    item_add(root, "supportedControl", OID_NOTIFICATION);
    item_add(root, "supportedControl", OID_SHOW_DELETED);
}

static void say_one(const struct search *s, const char *name, const void *value, size_t size)
{
    const struct answer_to to = answer_by(s->line);
    struct berval bv = {size, (char *)(uintptr_t)value};
    BerElement *ber = entry_begin(s, s->q.base);
    ber_printf(ber, value ? "{s[O]}}}}" : "}}}", name, &bv);
    answer_say(&to, ber);
    say_end(s, LDAP_SUCCESS, "");
}

bool dirsync_answer_own(const struct search *s)
{
    unsigned char id[16];
    memset(id, (int)(1 + directory_data.n_controllers), sizeof(id));
    if (s->q.scope != LDAP_SCOPE_BASE)
        return false;
    if (strcasecmp(s->q.base, NTDS) == 0)
        say_one(s, "invocationId", id, sizeof(id));
    else if (strcasecmp(s->q.base, "CN=Deleted Objects," SUFFIX) == 0)
        say_one(s, "isDeleted", directory_data.session_log ? "TRUE" : NULL, 4);
    else
        return false;
    return true;
}
