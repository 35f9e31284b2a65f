/*
 * Content synchronisation (RFC 4533) as two servers do it. slapd: with a log of its session what
 * is gone is named after a reconnection, without what is there (test_syncrepl.py:
 * test_down_with_session_log, test_down_without_session_log). 389: from its changelog, which it
 * does not miss when it was trimmed (test_389ds.py:test_trimmed_changelog), with all attributes,
 * asked for or not (test_all_attributes_after_a_reconnect).
 */
#include "config.h"

#include <ldap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "peer.h"
#include "reads.h"
#include "world.h"

static bool is_389(void)
{
    return directory_data.server == SERVER_389;
}

static void cookie_text(const struct search *s, char ret[400])
{
    unsigned long long csn = directory_data.csn;
    if (is_389())
        snprintf(ret, 400, "10.0.0.1:389#cn=rosterd," SUFFIX ":%s:#%llu", s->q.base, csn);
    else
        snprintf(ret, 400, "rid=000,csn=20260101000000.%06lluZ#000000#000#000000", csn);
}

static void read_cookie(struct search *s)
{
    const char *csn = strstr(s->q.cookie, "20260101000000."), *number = strrchr(s->q.cookie, '#');
    if (is_389() && number)
        s->cookie_csn = strtoull(number + 1, NULL, 10);
    else if (csn)
        s->cookie_csn = strtoull(csn + 15, NULL, 10);
    else
        *s->q.cookie = '\0';
}

/* Whether entries' messages bear one (test_syncrepl.py:test_messages_without_cookies). */
static void say_state(const struct search *s, const struct item *i, int state, bool pushed)
{
    const struct answer_to to = answer_by(s->line);
    BerElement *ber = entry_begin(s, i->dn);
    char cookie[400] = "";
    if (pushed && !directory_troubles("no cookies"))
        cookie_text(s, cookie);
    if (state != LDAP_SYNC_DELETE)
        put_entry(s, ber, i,
                  is_389() && *s->q.cookie ? SHOWN_WHOLE
                  : pushed                 ? SHOWN_PUSHED
                                           : SHOWN_AS_ASKED);
    ber_printf(ber, "}}");
    answer_entry_end(&to, ber, true, state, i->uuid, cookie);
}

void sync_push(const struct search *s, const struct item *i)
{
    bool is = selects(s, i);
    say_state(s, i, !is ? LDAP_SYNC_DELETE : s->was ? LDAP_SYNC_MODIFY : LDAP_SYNC_ADD, true);
}

static void say_info(const struct search *s, BerElement *value)
{
    const struct answer_to to = answer_by(s->line);
    answer_sync_info(&to, s->q.id, value);
}

/* A delete phase names what changed and does not match this search, whoever else holds it
 * (test_searches.py). What no server was seen to do: it names two who are still there. Where
 * there is but one search, its word is the last. */
static bool is_called_gone(const struct search *s, const struct item *i, size_t n)
{
    return (i->csn > s->cookie_csn && !selects(s, i)) ||
           (directory_troubles("names too many") && !directory_data.nested_bases && n < 2 &&
            selects(s, i) && item_get(i, "uid"));
}

/* Before all that changed, the ids of entries that are there (present), changed or not, or gone
 * since the cookie (tests/data/recorded). A present phase may leave some out (test_syncrepl.py:
 * test_present_phase_without_ids). */
static void say_ids(const struct search *s, bool deletes)
{
    BerElement *value = answer_new();
    char cookie[400];
    size_t n = 0;
    cookie_text(s, cookie);
    ber_printf(value, "t{", (ber_tag_t)LDAP_TAG_SYNC_ID_SET);
    if (deletes && !directory_troubles("no cookies"))
        ber_printf(value, "sb", cookie, 1);
    else
        ber_printf(value, "b", deletes ? 1 : 0);
    ber_printf(value, "[");
    for (size_t k = 0; k < directory_data.n_items; k++) {
        const struct item *i = directory_data.items[k];
        if (deletes ? is_called_gone(s, i, n) : selects(s, i)) {
            struct berval id = {16, (char *)(uintptr_t)i->uuid};
            if (!deletes && directory_troubles("leaves out") &&
                chance_percent(CHANCE_DIRECTORY, 50))
                continue;
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

/* A code in place of the refresh; 0: none. */
static int refusal_of(const struct search *s)
{
    if (*s->q.cookie && directory_troubles("wants all")) /* test_refresh_required */
        return LDAP_SYNC_REFRESH_REQUIRED;
    /* A cookie newer than the content of a restored server (test_restored_backup). */
    if (*s->q.cookie && (s->cookie_csn > directory_data.csn || directory_troubles("restored")))
        return is_389() ? LDAP_SYNC_REFRESH_REQUIRED : LDAP_UNWILLING_TO_PERFORM;
    if (directory_troubles("busy") && chance_percent(CHANCE_DIRECTORY, 50))
        return LDAP_BUSY;
    return 0;
}

/* false: it ended in the middle (test_syncrepl.py:test_limits_in_refresh). */
static bool say_entries(const struct search *s)
{
    size_t n = 0;
    for (size_t k = 0; k < directory_data.n_items; k++) {
        const struct item *i = directory_data.items[k];
        if ((*s->q.cookie && i->csn <= s->cookie_csn) || !selects(s, i))
            continue;
        if (n++ == 3 && ends_early(s))
            return false;
        say_state(s, i, LDAP_SYNC_ADD, false);
    }
    return true;
}

bool sync_begin(struct search *s)
{
    char cookie[400];
    read_cookie(s);
    bool present = *s->q.cookie && !is_389() &&
                   (!directory_data.session_log || s->cookie_csn < directory_data.log_csn);
    int code = refusal_of(s);
    if (code) {
        say_end(s, code,
                code == LDAP_UNWILLING_TO_PERFORM ? "consumer state is newer than provider!" : "");
        return false;
    }
    if (*s->q.cookie)
        seen(present ? POINT_PRESENT_PHASE : is_389() ? POINT_389 : POINT_DELETE_PHASE);
    /* What a changelog that was trimmed told of. */
    if (is_389() && *s->q.cookie && s->cookie_csn < directory_data.log_csn)
        s->cookie_csn = directory_data.log_csn;
    if (*s->q.cookie)
        say_ids(s, !present);
    if (!say_entries(s))
        return false;
    cookie_text(s, cookie);
    BerElement *value = answer_new();
    ber_printf(
        value, "t{s}",
        (ber_tag_t)(present ? LDAP_TAG_SYNC_REFRESH_PRESENT : LDAP_TAG_SYNC_REFRESH_DELETE),
        cookie);
    say_info(s, value);
    reads_served(s);
    *s->q.cookie = '\0'; /* from now on only what is asked for */
    return true;
}

void sync_put_root(struct item *root)
{
    char text[24];
    item_add(root, "supportedControl", OID_SYNC);
    if (!is_389()) {
        item_add(root, "objectClass", "OpenLDAProotDSE");
        return;
    }
    item_add(root, "vendorName", "389 Project");
    item_add(root, "vendorVersion", "389-Directory/2.3.1 B2024.000.0000");
    snprintf(text, sizeof(text), "%llu", (unsigned long long)directory_data.log_csn + 1);
    item_add(root, "firstchangenumber", text);
    snprintf(text, sizeof(text), "%llu", (unsigned long long)directory_data.csn);
    item_add(root, "lastchangenumber", text);
    item_add(root, "lastusn;userroot", text);
}
