/*
 * The feeds and the batch against a peer that speaks LDAP: real sessions and searches, a real
 * mirror behind the sink, and what may go wrong on demand.
 */
#include "config.h"

#include <fcntl.h>
#include <lber.h>
#include <ldap.h>
#include <openldap.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/text.h"
#include "directory/environment.h"
#include "directory/rootdse.h"
#include "directory/session.h"
#include "ldap-peer.h"
#include "model/dn.h"
#include "model/schema.h"
#include "state-fixture.h"
#include "state/mirror.h"

#define FILTER  "(|(objectClass=person)(objectClass=groupOfNames)(objectClass=organizationalUnit))"
#define PATIENT (10 * USEC_PER_SEC)

struct bed {
    struct fixture *f;
    sd_event *event;
    struct peer *peer;
    struct session *session;
    struct directory_options options;
    struct rootdse server;
    struct schema *schema;
    struct feed_environment env;
    const struct directory_feed_ops *ops;
    void *feed;
    unsigned n_commits, n_caught_up, n_aborts;
    enum feed_absence absence;
    char reason[800];
    unsigned search; /* of the batch */
    bool two;        /* bases */
    bool end_of_read, failed, unsupported, doubts, hidden, doubtful, lost;
};

static char base[] = "dc=t", below_p[] = "ou=p,dc=t", below_q[] = "ou=q,dc=t", suffix_id[] = "the suffix", controller[] = "the controller",
            product[] = "a peer", filter[] = FILTER, persons[] = "(objectClass=person)",
            groups[] = "(objectClass=groupOfNames)";
static struct bed bed; /* the seam of directory.c has no userdata of ours */

/* What feeds tell whoever started them. */
static void on_failed(int r, const struct error *e, void *owner)
{
    (void)r, (void)owner;
    snprintf(bed.reason, sizeof bed.reason, "%s", e->message);
    bed.failed = true;
}
static void on_unsupported(const struct error *e, void *owner)
{
    (void)e, (void)owner;
    bed.unsupported = true;
}
static void on_caught_up(bool full, void *owner)
{
    (void)full, (void)owner;
    bed.n_caught_up++;
}
static void on_committed(const struct feed_commit *commit, void *owner)
{
    (void)commit, (void)owner;
}
static void on_doubts(const char *why, void *owner)
{
    (void)why, (void)owner;
    bed.doubts = true;
}
static void on_hidden(void *owner)
{
    (void)owner, bed.hidden = true;
}
static const struct feed_news news = {
    .failed = on_failed,
    .unsupported = on_unsupported,
    .caught_up = on_caught_up,
    .committed = on_committed,
    .doubts = on_doubts, .hidden = on_hidden,
};

static int write_state(struct error *e)
{
    return bed.f->s ? state_begin(bed.f->s, e) : 0;
}

/* The sink: the mirror, without anybody who judges. */
static int on_begin(void *u, unsigned search, bool full, struct error *e)
{
    (void)u;
    bed.search = search;
    return full ? mirror_begin_full(bed.f->s, search, e) : 0;
}
static int on_entry(void *u, unsigned search, struct entry *taken, struct error *e)
{
    unsigned changes;
    (void)u;
    int r = mirror_put(bed.f->s, search, taken, &changes, e);
    entry_free(taken);
    return r == 0 && changes & (MIRROR_NEW | MIRROR_RETURNED) ? SINK_NEW : r;
}
static int on_left(void *u, unsigned search, const char *id, const char *why, struct error *e)
{
    (void)u;
    return mirror_left(bed.f->s, search, id, why, 1, e);
}
static int on_unheld(void *u, struct string_list *ret, struct error *e)
{
    (void)u;
    return mirror_unheld(bed.f->s, ret, e);
}
static int on_gone(void *u, const char *id, struct error *e)
{
    (void)u;
    return mirror_gone(bed.f->s, id, NULL, 1, e);
}
static int on_removals(void *u, unsigned search, const struct string_list *ids, struct error *e)
{
    (void)u, (void)search, (void)ids, (void)e;
    return bed.doubtful ? SINK_DOUBTFUL : 0;
}
static int on_unseen(void *u, unsigned search, size_t limit, struct string_list *ret,
                     struct error *e)
{
    (void)u;
    return mirror_sample_unseen(bed.f->s, search, limit, ret, e);
}
static int on_present(void *u, unsigned search, const char *id, struct error *e)
{
    (void)u;
    int r = mirror_present(bed.f->s, search, id, e);
    return r == STATE_NONE ? SINK_UNKNOWN_ID : r;
}
static int on_unchanged(void *u, unsigned search, const char *id,
                        const unsigned char raw[static ENTRY_RAW_SIZE], struct error *e)
{
    enum entry_kind kind;
    (void)u;
    int r = mirror_unchanged(bed.f->s, search, id, raw, &kind, e);
    return r == STATE_NONE ? SINK_UNKNOWN_ID : r;
}
static int on_members(void *u, const struct feed_members *m, struct error *e)
{
    (void)u;
    int r = mirror_members(bed.f->s, m->group_id, m->added, m->n_added, m->removed,
                           m->n_removed, e);
    return r == STATE_NONE ? SINK_UNKNOWN_ID : r;
}
static int on_commit(void *u, const struct feed_commit *c, struct error *e)
{
    size_t n = 0;
    (void)u;
    int r = c->absence == FEED_ABSENCE_UNSEEN
                ? mirror_unseen_left(bed.f->s, bed.search, "not read", 1, &n, e)
                : 0;
    if (r == 0 && c->forget_cookie)
        r = mirror_cookie_set(bed.f->s, bed.search, NULL, 0, NULL, e);
    if (r == 0 && c->cookie)
        r = mirror_cookie_set(bed.f->s, bed.search, c->cookie, c->cookie_size, c->identity, e);
    bed.n_commits++;
    bed.absence = c->absence;
    bed.end_of_read |= c->end_of_read;
    if (c->reason)
        snprintf(bed.reason, sizeof bed.reason, "%s", c->reason);
    return r;
}
static void on_abort(void *u)
{
    (void)u;
    bed.n_aborts++;
}
static int on_cookie(void *u, unsigned search, void **ret, size_t *ret_size, char **ret_identity,
                     struct error *e)
{
    (void)u;
    *ret = NULL;
    *ret_size = 0;
    *ret_identity = NULL;
    int r = mirror_cookie_get(bed.f->s, search, ret, ret_size, ret_identity, e);
    return r == STATE_NONE ? 0 : r;
}
static int on_known_dn(void *u, const char *id, char **ret, struct error *e)
{
    (void)u;
    *ret = NULL;
    int r = mirror_dn(bed.f->s, id, ret, e);
    return r == STATE_NONE ? 0 : r;
}
static int on_lacking(void *u, const struct entry *entry, char **ret, struct error *e)
{
    (void)u;
    return mirror_lacking(bed.f->s, entry, ret, e);
}
static int on_lost(void *u, const struct entry *entry, struct entry **ret, struct error *e)
{
    (void)u;
    return mirror_lost(bed.f->s, entry, ret, e);
}
static int on_dynamic(void *u, struct string_list *ret, struct error *e)
{
    (void)u;
    return mirror_dynamic_groups(bed.f->s, ret, e);
}
static int on_known_entries(void *u, unsigned search, size_t *ret, struct error *e)
{
    (void)u;
    return mirror_search_size(bed.f->s, search, ret, e);
}
static int on_known_id(void *u, const char *dn, char **ret, struct error *e)
{
    (void)u;
    *ret = NULL;
    int r = mirror_find_dn(bed.f->s, dn, ret, e);
    return r == STATE_NONE ? 0 : r;
}
static int on_stale(void *u, struct string_list *ret, struct error *e)
{
    (void)u;
    return mirror_stale_groups(bed.f->s, ret, e);
}
static int on_stale_end(void *u, const char *id, struct error *e)
{
    (void)u;
    return mirror_stale_end(bed.f->s, id, e);
}
static const struct feed_sink sink = {
    .begin = on_begin,       .entry = on_entry,   .left = on_left,
    .unheld = on_unheld,     .gone = on_gone,     .removals = on_removals,
    .unseen = on_unseen,     .present = on_present, .unchanged = on_unchanged,
    .members = on_members,   .commit = on_commit, .abort = on_abort,
    .cookie = on_cookie,     .known_dn = on_known_dn, .lacking = on_lacking,
    .lost = on_lost,         .dynamic_groups = on_dynamic, .known_entries = on_known_entries,
    .known_id = on_known_id, .stale_groups = on_stale, .stale_end = on_stale_end,
};

static void on_lost_session(struct session *s, int r, const struct error *e, void *u)
{
    (void)s, (void)r, (void)e, (void)u;
    bed.lost = true;
}
static void on_turn(struct session *s, bool drained, void *u)
{
    (void)s, (void)u;
    if (bed.feed && bed.ops->turn)
        bed.ops->turn(bed.feed, drained);
}

/* A connection to the peer as it is, and what the feed works with on it. */
static void connect_to_peer(const struct directory_feed_ops *ops)
{
    static const struct session_events events = {.lost = on_lost_session, .turn = on_turn};
    static char names[3][8] = {"sn", "title", "uid"};
    char *items[] = {names[0], names[1], names[2]};
    struct string_list wanted = {.items = items, .n_items = 3};
    int fds[2];
    LDAP *ld = NULL;
    struct error e = {0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(ldap_init_fd(fds[0], LDAP_PROTO_TCP, "ldap://peer", &ld), LDAP_SUCCESS);
    int version = LDAP_VERSION3;
    ldap_set_option(ld, LDAP_OPT_PROTOCOL_VERSION, &version);
    assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    if (bed.peer) {
        peer_close(bed.peer);
        memset(bed.peer->followers, 0, sizeof bed.peer->followers);
        bed.peer->n_in = 0;
        struct peer *fresh = peer_new(bed.event, fds[1]);
        bed.peer->fd = fresh->fd;
        sd_event_source_set_userdata(fresh->source, bed.peer);
        bed.peer->source = fresh->source;
        free(fresh);
    } else {
        bed.peer = peer_new(bed.event, fds[1]);
    }
    ok(bed.f, session_new(&bed.session, bed.event, ld, NULL, "ldap://peer", &events, NULL, &e));
    bool ad = ops == &feed_dirsync_ops;
    bed.peer->active_directory = ad;
    bed.server.product = ad ? PRODUCT_ACTIVE_DIRECTORY : PRODUCT_OPENLDAP;
    bed.server.identity = ad ? IDENTITY_OBJECTGUID : IDENTITY_ENTRYUUID;
    bed.server.has_entry_csn = !ad;
    bed.server.suffixes[0] = base;
    bed.server.suffix_ids[0] = suffix_id;
    bed.server.invocation_id = ad ? controller : NULL;
    bed.server.highest_usn = bed.peer->csn;
    bed.server.product_text = product;
    bed.env = (struct feed_environment){.news = &news, .event = bed.event,
                                         .options = &bed.options, .sink = &sink,
                                        .session = bed.session, .server = &bed.server,
                                        .n_searches = 1, .once = bed.env.once};
    ok(bed.f, decoder_init(&bed.env.decoder, bed.server.identity, bed.server.identity, ad,
                           &bed.options, &wanted, bed.schema, &e));
    if (ops == &feed_poll_ops)
        bed.env.decoder.watermark_attribute = "entryCSN";
    bed.env.attributes = decoder_attributes(&bed.env.decoder);
    bed.env.searches[0] = (struct feed_search){
        .base = base, .scope = LDAP_SCOPE_SUBTREE, .filter = filter, .people = true,
        .containers = true, .has_groups = true, .persons = persons,
        .groups = groups, .base_visible = true};
    if (bed.two) {
        const char *keys[2];
        bed.env.searches[1] = bed.env.searches[0];
        bed.env.searches[0].base = below_p;
        bed.env.searches[1].base = below_q;
        bed.env.n_searches = 2;
        bed.server.suffixes[1] = base;
        bed.server.suffix_ids[1] = suffix_id;
        for (unsigned i = 0; i < 2; i++) {
            ok(bed.f,
               dn_key(bed.schema, bed.env.searches[i].base, &bed.env.searches[i].base_key, &e));
            keys[i] = bed.env.searches[i].base_key;
        }
        ok(bed.f, mirror_searches(bed.f->s, keys, 2, &e));
    } else {
        ok(bed.f, dn_key(bed.schema, base, &bed.env.searches[0].base_key, &e));
    }
    bed.ops = ops;
    ok(bed.f, ops->start(&bed.feed, &bed.env, &e));
}

static void disconnect(void)
{
    if (bed.feed)
        bed.ops->free(bed.feed);
    bed.feed = NULL;
    bed.session = session_free(bed.session);
    decoder_done(&bed.env.decoder);
    decoder_attributes_free(bed.env.attributes);
    bed.env.attributes = NULL;
    for (unsigned i = 0; i < 2; i++) {
        free(bed.env.searches[i].base_key);
        bed.env.searches[i].base_key = NULL;
    }
}

static int set_up(void **state)
{
    bed = (struct bed){0};
    if (fixture_new(state) < 0)
        return -1;
    bed.f = *state;
    assert_int_equal(sd_event_new(&bed.event), 0);
    bed.schema = schema_new();
    bed.options = (struct directory_options){.filter = persons,
                                             .group_filter = groups,
                                             .paging = true,
                                             .page_size = 2,
                                             .poll_interval_usec = 20 * USEC_PER_MSEC,
                                             .search_timeout_usec = PATIENT};
    assert_int_equal(string_list_add(&bed.server.controls, "1.2.840.113556.1.4.319"), 0);
    ok(bed.f, write_state(&bed.f->e));
    return 0;
}

static int tear_down(void **state)
{
    disconnect();
    bed.peer = peer_free(bed.peer);
    string_list_done(&bed.server.controls);
    ok(bed.f, state_commit(bed.f->s, &bed.f->e));
    mirror_drop_schema(bed.f->s, bed.schema);
    schema_free(bed.schema);
    bed.event = sd_event_unref(bed.event);
    return fixture_free(state);
}

/* Lets the loop run until this is so. */
#define UNTIL(condition)                                                                       \
    do {                                                                                       \
        uint64_t end_ = clock_monotonic_usec() + PATIENT;                                      \
        while (!(condition)) {                                                                 \
            if (clock_monotonic_usec() > end_)                                                 \
                fail_msg("waited for %s; %s", #condition, bed.reason);                         \
            sd_event_run(bed.event, 10 * USEC_PER_MSEC);                                       \
        }                                                                                      \
    } while (0)

static struct mirror_counts counts(void)
{
    struct mirror_counts c = {0};
    ok(bed.f, mirror_counts(bed.f->s, &c, &bed.f->e));
    return c;
}

/* The sn of the person with this DN; "" when nobody is there. */
static const char *sn_of(const char *dn)
{
    static char text[100];
    CLEANUP(freep) char *id = NULL;
    struct mirror_entry m = {0};
    text[0] = '\0';
    if (mirror_find_dn(bed.f->s, dn, &id, &bed.f->e) != 0)
        return text;
    ok(bed.f, mirror_load(bed.f->s, id, false, &m, &bed.f->e));
    const char *sn = entry_text(m.entry, "sn");
    snprintf(text, sizeof text, "%s", sn ? sn : "?");
    mirror_entry_done(&m);
    return text;
}

static size_t members_of(const char *dn)
{
    CLEANUP(freep) char *id = NULL;
    struct mirror_entry m = {0};
    if (mirror_find_dn(bed.f->s, dn, &id, &bed.f->e) != 0)
        return 0;
    ok(bed.f, mirror_load(bed.f->s, id, true, &m, &bed.f->e));
    size_t n = m.entry->n_members;
    mirror_entry_done(&m);
    return n;
}

static struct peer_entry *ana, *bob, *crew, *unit;

static struct peer_entry *person(const char *dn, const char *sn)
{
    return peer_add(bed.peer, dn, "objectClass", "top", "objectClass", "person", "sn", sn, NULL);
}

/* Two people in a place, and a group of both. The peer must be there. */
static void people(void)
{
    peer_add(bed.peer, "dc=t", "objectClass", "domain", NULL);
    unit = peer_add(bed.peer, "ou=p,dc=t", "objectClass", "organizationalUnit", "name", "p", NULL);
    ana = person("uid=ana,ou=p,dc=t", "A");
    bob = person("uid=bob,ou=p,dc=t", "B");
    crew = peer_add(bed.peer, "cn=crew,dc=t", "objectClass", "groupOfNames", "member",
                    "uid=ana,ou=p,dc=t", "member", "uid=bob,ou=p,dc=t", NULL);
}

static void start(const struct directory_feed_ops *ops)
{
    connect_to_peer(ops);
    people();
    UNTIL(bed.n_caught_up > 0 || bed.failed || bed.unsupported);
    assert_false(bed.failed);
}

static void again(const struct directory_feed_ops *ops)
{
    disconnect();
    bed.n_caught_up = 0;
    connect_to_peer(ops);
    UNTIL(bed.n_caught_up > 0 || bed.failed || bed.unsupported);
}

static void full(void)
{
    unsigned n = bed.n_caught_up;
    bed.ops->request_full(bed.feed);
    UNTIL(bed.n_caught_up > n || bed.failed);
}

static void test_poll(void **state)
{
    (void)state;
    start(&feed_poll_ops);
    assert_int_equal(bed.absence, FEED_ABSENCE_UNSEEN);
    assert_int_equal(counts().people, 2);
    assert_int_equal(members_of("cn=crew,dc=t"), 2);
    peer_set(bed.peer, ana, "sn", "Later", NULL);
    UNTIL(strcmp(sn_of("uid=ana,ou=p,dc=t"), "Later") == 0);
    person("uid=cat,ou=p,dc=t", "C");
    UNTIL(counts().people == 3);
    /* Who is gone is noticed when all ids are called. */
    peer_delete(bed.peer, bob);
    UNTIL(counts().people == 2);
    /* Who moves with a place, too, and the group that names them is read again. */
    peer_rename(bed.peer, unit, "ou=q,dc=t");
    peer_rename(bed.peer, ana, "uid=ana,ou=q,dc=t");
    UNTIL(strcmp(sn_of("uid=ana,ou=q,dc=t"), "Later") == 0);
    assert_false(bed.failed);
}

/* Nobody leaves by a read that is not whole. */
static void test_poll_doubts(void **state)
{
    (void)state;
    start(&feed_poll_ops);
    /* Hidden when the connection was made: seen at the end of a read, it is read again. */
    bed.env.searches[0].base_visible = bed.doubts = false;
    bed.peer->lookup_code = LDAP_UNAVAILABLE;
    full();
    assert_true(bed.hidden && !bed.doubts);
    bed.peer->lookup_code = 0;
    full();
    assert_true(bed.doubts && bed.absence == FEED_ABSENCE_UNPROVEN);
    bed.peer->fail_code = LDAP_SIZELIMIT_EXCEEDED;
    bed.peer->fail_after = 1;
    full();
    assert_non_null(strstr(bed.reason, "ended after"));
    assert_int_equal(counts().people, 2);
    bed.peer->ignores_pages = true;
    full();
    assert_non_null(strstr(bed.reason, "paging"));
    bed.peer->ignores_pages = false;
    /* A server behind the peer is away: it cannot be asked for whom it did not show. */
    struct peer_entry *own = crew;
    peer_delete(bed.peer, own);
    bed.options.poll_interval_usec = PATIENT;
    bed.peer->lookup_code = LDAP_UNAVAILABLE;
    bed.reason[0] = '\0';
    full();
    assert_int_not_equal(bed.reason[0], '\0');
    assert_int_equal(counts().groups, 1);
    bed.peer->lookup_code = 0;
    full();
    assert_int_equal(counts().groups, 0);
}

/* A right that is lost, a value that was removed. */
static void members_hide(const struct directory_feed_ops *ops)
{
    start(ops);
    bed.peer->hidden = "member";
    full();
    assert_int_equal(members_of("cn=crew,dc=t"), 2);
    peer_set(bed.peer, crew, "member", "uid=ana,ou=p,dc=t", NULL);
    full();
    assert_int_equal(members_of("cn=crew,dc=t"), 2);
    bed.peer->hidden = NULL;
    full();
    UNTIL(members_of("cn=crew,dc=t") == 1);
    peer_set(bed.peer, crew, "member", NULL);
    full();
    /* Such a group has a member: without, they are hidden unless the server says more. */
    UNTIL(members_of("cn=crew,dc=t") == 0);
}
static void test_members_hide(void **state)
{
    (void)state;
    members_hide(&feed_poll_ops);
}
static void test_members_hide_followed(void **state)
{
    (void)state;
    members_hide(&feed_syncrepl_ops);
}

static void test_ranges(void **state)
{
    (void)state;
    connect_to_peer(&feed_poll_ops);
    bed.peer->value_range = 1;
    people();
    UNTIL(bed.n_caught_up > 0 || bed.failed);
    assert_int_equal(members_of("cn=crew,dc=t"), 2);
    peer_set(bed.peer, crew, "member", "uid=bob,ou=p,dc=t", "uid=x,dc=t", "uid=y,dc=t", NULL);
    UNTIL(members_of("cn=crew,dc=t") == 3);
}

static void test_syncrepl(void **state)
{
    (void)state;
    start(&feed_syncrepl_ops);
    assert_int_equal(counts().people, 2);
    peer_set(bed.peer, ana, "sn", "Later", NULL);
    UNTIL(strcmp(sn_of("uid=ana,ou=p,dc=t"), "Later") == 0);
    person("uid=cat,ou=p,dc=t", "C");
    UNTIL(counts().people == 3);
    peer_delete(bed.peer, bob);
    UNTIL(counts().people == 2);
    /* What the server computes is missing in what it sends for a change: it is asked. */
    unsigned n = bed.peer->n_lookups;
    bed.peer->computed = "member";
    peer_set(bed.peer, crew, "description", "touched", NULL);
    UNTIL(bed.peer->n_lookups > n);
    peer_set(bed.peer, ana, "sn", "After", NULL);
    UNTIL(strcmp(sn_of("uid=ana,ou=p,dc=t"), "After") == 0);
    assert_int_equal(members_of("cn=crew,dc=t"), 2);
    full();
    assert_int_equal(bed.absence, FEED_ABSENCE_UNSEEN);
    assert_false(bed.failed);
}

/* Away and back: deletions are named, or what is present. */
static void away(bool present)
{
    connect_to_peer(&feed_syncrepl_ops);
    bed.peer->lists_present = present;
    people();
    UNTIL(bed.n_caught_up > 0);
    disconnect();
    peer_delete(bed.peer, bob);
    peer_set(bed.peer, ana, "sn", "Later", NULL);
    bed.n_caught_up = 0;
    connect_to_peer(&feed_syncrepl_ops);
    UNTIL(bed.n_caught_up > 0 || bed.failed);
    UNTIL(counts().people == 1);
    assert_string_equal(sn_of("uid=ana,ou=p,dc=t"), "Later");
    assert_false(bed.failed);
}
static void test_syncrepl_away(void **state)
{
    (void)state;
    away(false);
}
static void test_syncrepl_away_present(void **state)
{
    (void)state;
    away(true);
}

static void test_syncrepl_refused(void **state)
{
    (void)state;
    start(&feed_syncrepl_ops);
    /* The cookie is too old: everything is read, and nothing is lost. */
    bed.peer->refresh_required = true;
    again(&feed_syncrepl_ops);
    assert_false(bed.failed);
    assert_int_equal(counts().people, 2);
    /* The refresh ends early: nobody leaves. */
    bed.peer->fail_code = LDAP_ADMINLIMIT_EXCEEDED;
    bed.peer->fail_after = 1;
    bed.ops->request_full(bed.feed);
    UNTIL(!bed.peer->fail_code);
    assert_int_equal(counts().people, 2);
    /* Very many removed by ids alone: everything is read first. */
    disconnect();
    peer_delete(bed.peer, bob);
    bed.doubtful = true;
    bed.n_caught_up = 0;
    bed.failed = false;
    connect_to_peer(&feed_syncrepl_ops);
    UNTIL(counts().people == 1);
    bed.peer->no_sync = true;
    again(&feed_syncrepl_ops);
    assert_true(bed.unsupported || bed.failed);
}

/* An unknown container appeared, or very odd entries: alias, no id, no DNs. */
static void test_odd_entries(void **state)
{
    (void)state;
    start(&feed_poll_ops);
    peer_add(bed.peer, "cn=alias,dc=t", "objectClass", "alias", "objectClass", "person", NULL);
    peer_add(bed.peer, "cn=odd,dc=t", "objectClass", "groupOfNames", "member", "no DN", "member",
             "uid=ana,ou=p,dc=t", NULL);
    UNTIL(members_of("cn=odd,dc=t") == 1);
    assert_int_equal(counts().people, 2);
    peer_add(bed.peer, "ou=new,dc=t", "objectClass", "organizationalUnit", NULL);
    UNTIL(counts().containers >= 2);
    /* The classes of an entry change: it is something else. */
    peer_set(bed.peer, bob, "objectClass", "organizationalUnit", NULL);
    UNTIL(counts().people == 1);
}

/* Who is known stays when an entry comes with a name that is none, whatever else it lacks. */
static void test_no_name(void **state)
{
    (void)state;
    start(&feed_syncrepl_ops);
    bed.peer->computed = "member";
    bed.peer->lookup_code = LDAP_INVALID_DN_SYNTAX;
    peer_rename(bed.peer, crew, "no name,dc=t");
    person("uid=cat,ou=p,dc=t", "C");
    UNTIL(counts().people == 3 || bed.failed);
    full();
    assert_true(members_of("cn=crew,dc=t") == 2 && !bed.failed);
}

static void test_no_name_dirsync(void **state)
{
    (void)state;
    start(&feed_dirsync_ops);
    peer_rename(bed.peer, ana, "nobody's,ou=p,dc=t");
    person("uid=cat,ou=p,dc=t", "C");
    UNTIL(counts().people == 3 || bed.failed);
    full();
    assert_true(counts().people == 3 && !bed.failed);
}

static void test_dirsync(void **state)
{
    (void)state;
    start(&feed_dirsync_ops);
    assert_int_equal(counts().people, 2);
    peer_set(bed.peer, ana, "sn", "Later", NULL);
    UNTIL(strcmp(sn_of("uid=ana,ou=p,dc=t"), "Later") == 0);
    person("uid=cat,ou=p,dc=t", "C");
    UNTIL(counts().people == 3);
    peer_delete(bed.peer, bob);
    UNTIL(counts().people == 2);
    again(&feed_dirsync_ops);
    assert_int_equal(counts().people, 2);
    peer_set(bed.peer, ana, "sn", "After", NULL);
    UNTIL(strcmp(sn_of("uid=ana,ou=p,dc=t"), "After") == 0);
    full();
    assert_int_equal(bed.absence, FEED_ABSENCE_UNSEEN);
    assert_false(bed.failed);
}

static void test_connection_lost(void **state)
{
    (void)state;
    start(&feed_syncrepl_ops);
    peer_close(bed.peer);
    UNTIL(bed.lost);
    assert_int_equal(counts().people, 2);
}

/* Two bases: who leaves one search is asked for in all, before anything follows. */
static void two_bases(const struct directory_feed_ops *ops)
{
    bed.two = true;
    bed.options.poll_interval_usec = 20 * USEC_PER_MSEC;
    connect_to_peer(ops);
    people();
    peer_add(bed.peer, "ou=q,dc=t", "objectClass", "organizationalUnit", "name", "q", NULL);
    peer_rename(bed.peer, crew, "cn=crew,ou=q,dc=t");
    UNTIL(bed.n_caught_up > 0 || bed.failed);
    assert_int_equal(counts().people, 2);
    assert_int_equal(members_of("cn=crew,ou=q,dc=t"), 2);
    peer_rename(bed.peer, ana, "uid=ana,ou=q,dc=t");
    UNTIL(*sn_of("uid=ana,ou=q,dc=t"));
    assert_int_equal(counts().people, 2);
    peer_delete(bed.peer, bob);
    UNTIL(counts().people == 1);
    peer_rename(bed.peer, ana, "uid=ana,ou=p,dc=t");
    UNTIL(*sn_of("uid=ana,ou=p,dc=t"));
    full();
    assert_int_equal(counts().people, 1);
    assert_false(bed.failed);
}
static void test_two_bases_polled(void **state)
{
    (void)state;
    two_bases(&feed_poll_ops);
}
static void test_two_bases_followed(void **state)
{
    (void)state;
    two_bases(&feed_syncrepl_ops);
}
static void test_two_bases_dirsync(void **state)
{
    (void)state;
    two_bases(&feed_dirsync_ops);
}

/* Active Directory: hidden members look as if they were not there; people name their groups. */
static void test_members_hide_dirsync(void **state)
{
    (void)state;
    bed.options.poll_interval_usec = 20 * USEC_PER_MSEC;
    start(&feed_dirsync_ops);
    peer_set(bed.peer, ana, "memberOf", "cn=crew,dc=t", NULL);
    bed.peer->hidden = "member";
    full();
    assert_int_equal(members_of("cn=crew,dc=t"), 2);
    /* Nobody names it, and nobody shows what they are members of: not known. */
    peer_set(bed.peer, ana, "memberOf", NULL);
    full();
    assert_int_equal(members_of("cn=crew,dc=t"), 2);
    /* Nobody names it, and it is seen that another group is named. */
    peer_set(bed.peer, bob, "memberOf", "cn=other,dc=t", NULL);
    full();
    UNTIL(members_of("cn=crew,dc=t") == 0);
    bed.peer->hidden = NULL;
    full();
    UNTIL(members_of("cn=crew,dc=t") == 2);
    /* Whoever sees one member sees them all. */
    unsigned n = bed.peer->n_searches;
    peer_set(bed.peer, crew, "member", "uid=bob,ou=p,dc=t", NULL);
    full();
    UNTIL(members_of("cn=crew,dc=t") == 1);
    assert_true(bed.peer->n_searches > n);
}

/* A group with a memberURL is read again though nothing is said of it. */
static void test_dynamic(void **state)
{
    (void)state;
    connect_to_peer(&feed_syncrepl_ops);
    people();
    peer_set(bed.peer, crew, "memberURL", "ldap:///dc=t??sub?(sn=A)", NULL);
    UNTIL(bed.n_caught_up > 0 || bed.failed);
    unsigned n = bed.peer->n_lookups;
    UNTIL(bed.peer->n_lookups > n);
    assert_int_equal(members_of("cn=crew,dc=t"), 2);
}

/* --once: everything of this moment, and no more. */
static void test_once(void **state)
{
    static const struct directory_feed_ops *const all[] = {&feed_poll_ops, &feed_syncrepl_ops};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        bed.env.once = true;
        bed.n_caught_up = 0;
        connect_to_peer(all[i]);
        if (i == 0)
            people();
        UNTIL(bed.n_caught_up > 0 || bed.failed);
        assert_int_equal(counts().people, 2);
        disconnect();
    }
}

/* People below what no list of classes names, and below each other. */
static void test_places(void **state)
{
    (void)state;
    start(&feed_poll_ops);
    struct peer_entry *place = peer_add(bed.peer, "cn=rack,dc=t", "objectClass", "device", NULL);
    person("uid=cat,cn=rack,dc=t", "C");
    person("uid=dan,uid=ana,ou=p,dc=t", "D");
    UNTIL(counts().people == 4);
    full();
    peer_rename(bed.peer, place, "cn=shelf,dc=t");
    full();
    assert_int_equal(bed.failed, false);
}

#define feed_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        feed_test(test_poll),
        feed_test(test_poll_doubts),
        feed_test(test_members_hide),
        feed_test(test_members_hide_followed),
        feed_test(test_ranges),
        feed_test(test_syncrepl),
        feed_test(test_syncrepl_away),
        feed_test(test_syncrepl_away_present),
        feed_test(test_syncrepl_refused),
        feed_test(test_odd_entries),
        feed_test(test_no_name),
        feed_test(test_no_name_dirsync),
        feed_test(test_dirsync),
        feed_test(test_connection_lost),
        feed_test(test_two_bases_polled),
        feed_test(test_two_bases_followed),
        feed_test(test_two_bases_dirsync),
        feed_test(test_members_hide_dirsync),
        feed_test(test_dynamic),
        feed_test(test_once),
        feed_test(test_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
