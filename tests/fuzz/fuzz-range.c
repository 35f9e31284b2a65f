/*
 * Range retrieval: a server that this file plays, through libldap, gives the members of a group
 * in pieces that the input chooses, while somebody edits the group between two of them. What is
 * complete is what the server held at that moment; where the server tells no version, and
 * nobody edited, likewise; and it ends. In the other half of the inputs (the first byte is odd)
 * the lines are names of attributes: a second reader takes the same ranges from them, and
 * answers that do not belong together are never taken for more than what they brought.
 */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "directory/decode.h"
#include "directory/ranges.h"
#include "fuzz.h"
#include "wire.h"

#define MEMBERS 48
#define ROUNDS  2000

static struct {
    char names[MEMBERS][8];
    size_t n;
    unsigned version, next;
    bool tells_version;
} group;

/* -- a server -- */

static void edit(unsigned how, unsigned where)
{
    size_t at = group.n ? where % group.n : 0;

    group.version++;
    if (how % 3 == 0 && group.n < MEMBERS) {
        memmove(group.names[at + 1], group.names[at], (group.n - at) * sizeof(group.names[0]));
        snprintf(group.names[at], sizeof(group.names[0]), "cn=%u", group.next++ % 1000);
        group.n++;
    } else if (how % 3 == 1 && group.n > 0) {
        group.n--;
        memmove(group.names[at], group.names[at + 1], (group.n - at) * sizeof(group.names[0]));
    } else if (group.n > 0) { /* out, and in again at the end */
        char held[8];
        memcpy(held, group.names[at], sizeof(held));
        memmove(group.names[at], group.names[at + 1],
                (group.n - 1 - at) * sizeof(group.names[0]));
        memcpy(group.names[group.n - 1], held, sizeof(held));
    }
}

/* As Active Directory: at most so many from the one that was asked for; nothing beyond the last
 * one is an entry without the attribute. */
static LDAPMessage *serve(LDAP **ret_ld, unsigned long low, size_t most)
{
    static struct wire_entry x;
    char name[60], version[24];
    size_t n = low < group.n ? group.n - low : 0;
    bool last = n <= most;

    x = (struct wire_entry){.dn = {7, (char *)"cn=crew"}};
    if (group.tells_version) {
        snprintf(version, sizeof(version), "%u", group.version);
        x.attributes[0] =
            (struct wire_attribute){.name = {10, (char *)"uSNChanged"}, .n_values = 1};
        x.attributes[0].values[0] = (struct berval){strlen(version), version};
        x.n_attributes = 1;
    }
    if (n > 0) {
        struct wire_attribute *a = &x.attributes[x.n_attributes++];
        n = last ? n : most;
        if (last)
            snprintf(name, sizeof(name), "member;range=%lu-*", low);
        else
            snprintf(name, sizeof(name), "member;range=%lu-%lu", low, low + n - 1);
        *a = (struct wire_attribute){.name = {strlen(name), name}, .n_values = n};
        for (size_t i = 0; i < n; i++)
            a->values[i] = (struct berval){strlen(group.names[low + i]), group.names[low + i]};
    }
    return wire_send(ret_ld, &x, 0);
}

static unsigned long asked_for(const struct ranges *r)
{
    unsigned long low = 0;
    char star = 0;

    DEMAND(sscanf(ranges_request(r), "member;range=%lu-%c", &low, &star) == 2 && star == '*');
    DEMAND(low == ranges_low(r));
    return low;
}

static bool is_as_the_group(const struct ranges *r)
{
    size_t n = 0;
    const struct range_value *values = ranges_values(r, &n);

    for (size_t i = 0; i < n && n == group.n; i++)
        if (strcmp(values[i].data, group.names[i]) != 0 ||
            values[i].size != strlen(group.names[i]))
            return false;
    return n == group.n;
}

/* Of the input: the size of the group, then for each answer how long it is and, in one of four,
 * an edit before it. */
static void play(const uint8_t *data, size_t size)
{
    struct ranges *r = ranges_new("member");
    bool edited = false;
    int answer = RANGES_AGAIN;

    DEMAND(r);
    group.n = group.version = group.next = 0;
    group.tells_version = data[0] & 2;
    for (unsigned n = data[0] >> 2; n > 0 && group.n < MEMBERS; n--)
        edit(0, n);
    for (unsigned round = 0; answer > 0 && answer != RANGES_COMPLETE; round++) {
        uint8_t c = size > 1 ? data[1 + round % (size - 1)] : 5;
        LDAP *ld;
        DEMAND(round < ROUNDS);
        if ((c & 0xc0) == 0xc0 && round < size) {
            edit(c, round + c);
            edited = edited || round > 0;
        }
        CLEANUP(wire_freep) LDAPMessage *m = serve(&ld, asked_for(r), 1 + c % 7);
        answer = decode_range(r, ld, m);
        edited = edited && answer != RANGES_AGAIN;
    }
    DEMAND(answer == RANGES_COMPLETE || answer == -EAGAIN || answer == -EBADMSG);
    /* What was asked for cannot be there any more where members went, and nobody says so. */
    DEMAND(answer != -EBADMSG || edited);
    if (answer == RANGES_COMPLETE && (group.tells_version || !edited))
        DEMAND(is_as_the_group(r));
    ranges_free(r);
}

/* -- any names -- */

static bool second_reader(const char *name, struct range_name *ret)
{
    const char *at = strcasestr(name, ";range=");
    char *end = NULL;

    if (!at || !isdigit((unsigned char)at[7]))
        return false;
    *ret = (struct range_name){.name_size = (size_t)(at - name), .low = strtoul(at + 7, &end, 10)};
    ret->high = ret->low;
    ret->last = strcmp(end, "-*") == 0;
    if (ret->last)
        return ret->low <= 1000000009UL;
    if (end[0] != '-' || !isdigit((unsigned char)end[1]))
        return false;
    ret->high = strtoul(end + 1, &end, 10);
    return !*end && ret->high >= ret->low && ret->high <= 1000000009UL;
}

static void any_names(const uint8_t *data, size_t size)
{
    CLEANUP(freep) char *text = strndup((const char *)data, size);
    struct ranges *r = ranges_new("member");
    char *rest = NULL;
    size_t brought = 0, n = 0;
    int answer = RANGES_MORE;

    for (char *line = strtok_r(text, "\n", &rest); line && answer > 0;
         line = strtok_r(NULL, "\n", &rest)) {
        struct range_value values[8];
        struct range_name name = {0}, other = {0};
        bool is = range_parse(line, strlen(line), &name);
        bool other_is = second_reader(line, &other);
        /* Which numbers are too large, the second reader need not know. */
        if (is != other_is)
            DEMAND(!is && (other.low > 100000000UL || other.high > 100000000UL));
        if (!is)
            continue;
        DEMAND(name.name_size == other.name_size && name.low == other.low &&
               name.high == other.high && name.last == other.last);
        size_t n_values = (name.high - name.low) % 8;
        n_values += !name.last;
        for (size_t i = 0; i < n_values && i < 8; i++)
            values[i] = (struct range_value){line, strlen(line)};
        answer = ranges_accept(r, &name, values, n_values < 8 ? n_values : 7, NULL);
        brought += n_values;
        DEMAND(answer == RANGES_COMPLETE || answer == RANGES_MORE || answer == RANGES_AGAIN ||
               answer == -EBADMSG || answer == -EAGAIN);
        (void)ranges_values(r, &n);
        DEMAND(n <= brought && ranges_low(r) <= n);
        DEMAND(answer != RANGES_AGAIN || (n == 0 && ranges_low(r) == 0));
        if (answer == RANGES_COMPLETE)
            break;
    }
    ranges_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 4096)
        return 0;
    if (data[0] & 1)
        any_names(data + 1, size - 1);
    else
        play(data, size);
    return 0;
}
