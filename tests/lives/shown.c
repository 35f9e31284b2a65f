/*
 * What of its entries a server shows to whoever asks: filters, attributes, and what access rules
 * hide for a while.
 */
#include "config.h"

#include <ldap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "peer.h"
#include "world.h"

/* By the server's own clock, which is right, and then by number. */
static void write_csn(char ret[64], const struct item *i)
{
    time_t t = (time_t)(1767225600 + i->changed_usec / SECOND);
    struct tm tm;
    gmtime_r(&t, &tm);
    size_t n = strftime(ret, 64, "%Y%m%d%H%M%S", &tm);
    snprintf(ret + n, 64 - n, ".%06lluZ#000000#000#000000", (unsigned long long)i->csn);
}

/* What each server keeps of an entry by itself; objectGUID is no text and is put elsewhere.
 * 389's ids in text: test_feed_389.py:test_follows_changes. */
static const char *const own_names[][4] = {
    [SERVER_OPENLDAP] = {"entryUUID", "entryCSN", "modifyTimestamp"},
    [SERVER_OTHER] = {"entryUUID", "entryCSN", "modifyTimestamp"},
    [SERVER_389] = {"nsUniqueId", "entryusn", "modifyTimestamp"},
    [SERVER_AD] = {"uSNChanged", "modifyTimestamp"},
};

static const char *own_value(const struct item *i, const struct part *name, char room[64])
{
    const unsigned char *u = i->uuid;
    if (part_is(name, "entryUUID"))
        return i->uuid_text;
    if (part_is(name, "nsUniqueId"))
        snprintf(room, 64, "%02x%02x%02x%02x-%02x%02x%02x%02x-%02x%02x%02x%02x-%02x%02x%02x%02x",
                 u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12],
                 u[13], u[14], u[15]);
    else if (part_is(name, "uSNChanged") || part_is(name, "entryusn"))
        snprintf(room, 64, "%llu", (unsigned long long)i->csn);
    else
        write_csn(room, i);
    if (part_is(name, "modifyTimestamp"))
        memcpy(room + 14, "Z", 2);
    return room;
}

/* ---- what the account may not see ---- */

/* Of one search: of fewer nobody can know whether they left all at once. */
#define FEWEST_HIDDEN 6

/* Which base shows somebody; where one search shows them all, to hide some would be to say that
 * they are gone. */
static unsigned place_of(const struct item *i)
{
    return directory_data.two_bases && strstr(i->dn, ",ou=contractors,") ? 1 : 0;
}

static bool is_meant(const struct item *i)
{
    return item_get(i, "uid") && (directory_troubles("hides people") ||
                                  (directory_troubles("hides contractors") && place_of(i)));
}

void rights_change(void)
{
    size_t n[2] = {0};
    for (size_t k = 0; directory_hides() && k < directory_data.n_items; k++) {
        const struct item *i = directory_data.items[k];
        n[place_of(i)] += !i->gone && i->made_csn <= directory_data.trouble_csn && is_meant(i);
    }
    for (unsigned p = 0; p < 2; p++)
        directory_data.hides_place[p] = n[p] >= FEWEST_HIDDEN;
}

/* People, those of one base, or all below their base with the base itself (test_proof.py:
 * test_people_hidden, test_people_of_a_base_hidden, test_base_invisible). A base that lies in
 * another one adds nothing: without it, nobody could know whether it was removed. */
bool is_hidden(const struct item *i)
{
    const char *base = directory_data.nested_bases ? SUFFIX : "ou=people,";
    return (directory_data.hides_place[place_of(i)] && is_meant(i)) ||
           (directory_troubles("hides base") && strstr(i->dn, base));
}

/* An attribute; or of a group's members some (test_hidden.py: test_slapd, test_slapd_one_value,
 * test_389, test_samba; test_proof.py:test_access_narrowed). Active Directory hides all or none. */
static bool is_value_hidden(const char *name, const char *text)
{
    bool some = directory_data.server != SERVER_AD && directory_troubles("hides some members");
    if (!*directory_data.trouble) /* this is asked often */
        return false;
    return (directory_troubles("hides members") && strcasecmp(name, "member") == 0) ||
           (some && strcasecmp(name, "member") == 0 &&
            chance_of(text, directory_data.chance) % 3 == 0) ||
           (directory_troubles("hides mails") && strcasecmp(name, "mail") == 0) ||
           (directory_troubles("hides names") && strcasecmp(name, "givenName") == 0);
}

long long directory_shown_members(const struct item *group)
{
    long long n = 0;
    for (size_t k = 0; k < group->n_values; k++)
        n += strcasecmp(group->values[k].name, "member") == 0 &&
             !is_value_hidden(group->values[k].name, group->values[k].text);
    return n;
}

/* The groups that have somebody as a member, which Active Directory computes of what may be seen of
 * people (test_hidden.py:test_samba). */
static const char *group_at(const struct item *i, size_t at)
{
    for (size_t k = 0; k < directory_data.n_items; k++) {
        const struct item *group = directory_data.items[k];
        if (!group->gone && group->n_links && item_has(group, "member", i->dn) && at-- == 0)
            return group->dn;
    }
    return NULL;
}

/* Values of the entry, also those that the server itself keeps. */
static const char *value_at(const struct item *i, const struct part *name, size_t at,
                            char room[64])
{
    for (size_t n = 0; n < i->n_values; n++)
        if (part_is(name, i->values[n].name) &&
            !is_value_hidden(i->values[n].name, i->values[n].text) && at-- == 0)
            return i->values[n].text;
    if (directory_data.server == SERVER_AD && part_is(name, "memberOf"))
        return group_at(i, at);
    for (size_t n = 0; at == 0 && i->csn && own_names[directory_data.server][n]; n++)
        if (part_is(name, own_names[directory_data.server][n]))
            return own_value(i, name, room);
    return NULL;
}

/* ---- filters ---- */

/* RFC 4511, 4.5.1.7: what may not be looked at is neither. */
enum match { MATCH_NO, MATCH_YES, MATCH_UNDEFINED };

static bool contains(const char *value, const struct part *part)
{
    size_t n = strlen(value);
    if (n < part->size)
        return false;
    if (part->tag == LDAP_SUBSTRING_INITIAL)
        return strncasecmp(value, (const char *)part->data, part->size) == 0;
    if (part->tag == LDAP_SUBSTRING_FINAL)
        return strncasecmp(value + n - part->size, (const char *)part->data, part->size) == 0;
    for (size_t i = 0; i + part->size <= n; i++)
        if (strncasecmp(value + i, (const char *)part->data, part->size) == 0)
            return true;
    return false;
}

static bool has_part(const char *value, struct part parts)
{
    struct part part;
    while (part_take(&parts, &part))
        if (!contains(value, &part))
            return false;
    return true;
}

/* Numbers are compared as such. The bound ends where it says: the tag of what
 * follows it in the message, a sequence, is the digit '0'. */
static bool is_at_least(const struct part *name, const char *value, const struct part *bound)
{
    char text[80];
    snprintf(text, sizeof(text), "%.*s", (int)bound->size, (const char *)bound->data);
    if (part_is(name, "uSNChanged") || part_is(name, "entryusn"))
        return strtoull(value, NULL, 10) >= strtoull(text, NULL, 10);
    return strcasecmp(value, text) >= 0;
}

static enum match match_item(const struct item *i, struct part filter)
{
    struct part name, wanted;
    char room[64], text[200];
    const char *value;
    unsigned tag = filter.tag;
    if (!part_take(&filter, &name) || !part_take(&filter, &wanted))
        return MATCH_NO;
    if (part_is(&name, "objectGUID"))
        return wanted.size == 16 && memcmp(wanted.data, i->uuid, 16) == 0 ? MATCH_YES : MATCH_NO;
    for (size_t at = 0; (value = value_at(i, &name, at, room)); at++)
        if (tag == FILTER_EQUAL       ? part_is(&wanted, value)
            : tag == FILTER_AT_LEAST ? is_at_least(&name, value, &wanted)
            : tag == FILTER_PART     ? has_part(value, wanted)
                                     : false)
            return MATCH_YES;
    /* Active Directory answers as if what is hidden were not there. */
    snprintf(room, sizeof(room), "%.*s", (int)name.size, (const char *)name.data);
    snprintf(text, sizeof(text), "%.*s", (int)wanted.size, (const char *)wanted.data);
    bool hidden = directory_data.server != SERVER_AD && is_value_hidden(room, text);
    return hidden ? MATCH_UNDEFINED : MATCH_NO;
}

static enum match match(const struct item *i, struct part filter);

/* One that is `ends` decides; else one that is not known leaves it open. */
static enum match match_all(const struct item *i, struct part left, enum match ends)
{
    struct part a;
    enum match found = ends == MATCH_NO ? MATCH_YES : MATCH_NO;
    while (part_take(&left, &a)) {
        enum match is = match(i, a);
        if (is == ends)
            return ends;
        if (is == MATCH_UNDEFINED)
            found = is;
    }
    return found;
}

static enum match match(const struct item *i, struct part filter)
{
    struct part left = filter, a;
    char room[64];
    enum match is;
    switch (filter.tag) {
    case FILTER_AND: return match_all(i, left, MATCH_NO);
    case FILTER_OR: return match_all(i, left, MATCH_YES);
    case FILTER_NOT:
        is = part_take(&left, &a) ? match(i, a) : MATCH_UNDEFINED;
        return is == MATCH_UNDEFINED ? is : is == MATCH_YES ? MATCH_NO : MATCH_YES;
    case FILTER_PRESENT:
        return part_is(&filter, "objectClass") || value_at(i, &filter, 0, room) ? MATCH_YES
                                                                               : MATCH_NO;
    default: return match_item(i, filter);
    }
}

bool selects(const struct search *s, const struct item *i)
{
    return !i->gone && !is_hidden(i) && dn_lies_below(i->dn, s->q.base, s->q.scope) &&
           match(i, s->q.filter) == MATCH_YES;
}

bool shows_base(const struct search *s, const struct item *i)
{
    return !i->gone && !is_hidden(i) && strcasecmp(i->dn, s->q.base) == 0;
}

static bool wanted(const struct search *s, const char *name, bool operational)
{
    struct part left = s->q.attributes, a;
    if (!left.size)
        return !operational;
    while (part_take(&left, &a))
        if (part_is(&a, name) || part_is(&a, operational ? "+" : "*"))
            return true;
    return false;
}

static void put_attribute(BerElement *ber, const struct item *i, const char *name)
{
    struct part t = {0, (const unsigned char *)name, strlen(name)};
    char room[64];
    const char *value;
    if (!value_at(i, &t, 0, room))
        return;
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

/* What a server computes of an entry, and does not tell of a change, but shows to who asks
 * (test_unknown.py: memberOf of dynlist; test_computed_389.py: any attribute). */
static bool is_computed(const char *name)
{
    return strcasecmp(name, "mail") == 0 || strcasecmp(name, "givenName") == 0 ||
           strcasecmp(name, "preferredLanguage") == 0;
}

void put_entry(const struct search *s, BerElement *ber, const struct item *i,
               enum shown_how how)
{
    const char *const *own = own_names[directory_data.server];
    struct berval guid = {16, (char *)(uintptr_t)i->uuid};
    bool less = how == SHOWN_PUSHED && directory_troubles("pushes less");
    for (size_t n = 0; n < i->n_values; n++) {
        const char *name = i->values[n].name;
        bool left_out = less && is_computed(name);
        if (left_out)
            seen(POINT_PUSHED_LESS);
        if (*directory_data.trouble && is_value_hidden(name, i->values[n].text) &&
            strcasecmp(name, "member") == 0 && (how == SHOWN_WHOLE || wanted(s, name, false)))
            ((struct item *)(uintptr_t)i)->less_usec = world.steady_usec;
        if (!left_out && is_first(i, n) && (how == SHOWN_WHOLE || wanted(s, name, false)))
            put_attribute(ber, i, name);
    }
    for (size_t n = 0; i->csn && own[n]; n++)
        if (wanted(s, own[n], true))
            put_attribute(ber, i, own[n]);
    if (i->csn && directory_data.server == SERVER_AD && wanted(s, "objectGUID", false))
        ber_printf(ber, "{s[O]}", "objectGUID", &guid);
}
