/* What entries of the peer hold, and which filters select them. */
#include "config.h"

#include "ldap-peer-filter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool peer_hides(const struct peer *p, const char *name, const char *value)
{
    return p->hidden_part && strcasecmp(name, "member") == 0 && strstr(value, p->hidden_part);
}

const char *peer_value(const struct peer_entry *e, const char *name, size_t at, char room[64])
{
    for (size_t i = 0, n = 0; i < e->n_values; i++)
        if (strcasecmp(e->values[i].name, name) == 0 && n++ == at)
            return e->values[i].value;
    if (at > 0)
        return NULL;
    if (strcasecmp(name, "entryUUID") == 0)
        uuid_write(e->uuid, room);
    else if (strcasecmp(name, "entryCSN") == 0)
        snprintf(room, 64, "20260101000000.%06uZ#000000#000#000000", e->csn);
    else if (strcasecmp(name, "uSNChanged") == 0)
        snprintf(room, 64, "%u", e->csn);
    else
        return NULL;
    return room;
}

static enum verdict test_item(const struct peer *p, const struct peer_entry *e, struct part item)
{
    struct part name, wanted;
    char text[64] = "", room[64], wanted_text[200];
    const char *value;
    if (!part_take(&item, &name) || !part_take(&item, &wanted))
        return NO;
    snprintf(text, sizeof(text), "%.*s", (int)name.size, (const char *)name.data);
    if (p->hidden && strcasecmp(p->hidden, text) == 0)
        return p->active_directory ? NO : UNDEFINED;
    snprintf(wanted_text, sizeof(wanted_text), "%.*s", (int)wanted.size,
             (const char *)wanted.data);
    if (peer_hides(p, text, wanted_text))
        return UNDEFINED;
    if (strcasecmp(text, "objectGUID") == 0)
        return wanted.size == 16 && memcmp(wanted.data, e->uuid, 16) == 0;
    for (size_t at = 0; (value = peer_value(e, text, at, room)); at++)
        if (part_is(&wanted, value))
            return YES;
    return NO;
}

enum verdict peer_test(const struct peer *p, const struct peer_entry *e, struct part filter)
{
    struct part left = filter, a, name, wanted;
    char room[64], text[64] = "", bound[64] = "";
    enum verdict v;
    bool undefined = false;
    switch (filter.tag) {
    case 0xa0:
    case 0xa1:
        while (part_take(&left, &a)) {
            v = peer_test(p, e, a);
            if (v == (filter.tag == 0xa0 ? NO : YES))
                return v;
            undefined |= v == UNDEFINED;
        }
        return undefined ? UNDEFINED : filter.tag == 0xa0 ? YES : NO;
    case 0xa2:
        part_take(&left, &a);
        v = peer_test(p, e, a);
        return v == UNDEFINED ? v : v == NO ? YES : NO;
    case 0x87:
        snprintf(text, sizeof(text), "%.*s", (int)filter.size, (const char *)filter.data);
        if (p->hidden && strcasecmp(p->hidden, text) == 0)
            return p->active_directory ? NO : UNDEFINED;
        return peer_value(e, text, 0, room) != NULL;
    case 0xa3: return test_item(p, e, filter);
    case 0xa5:
        if (!part_take(&left, &name) || !part_take(&left, &wanted))
            return NO;
        snprintf(text, sizeof(text), "%.*s", (int)name.size, (const char *)name.data);
        snprintf(bound, sizeof(bound), "%.*s", (int)wanted.size, (const char *)wanted.data);
        if (!peer_value(e, text, 0, room))
            return NO;
        return strcasecmp(text, "uSNChanged") == 0 ? atoi(room) >= atoi(bound)
                                                   : strcmp(room, bound) >= 0;
    default: return NO;
    }
}
