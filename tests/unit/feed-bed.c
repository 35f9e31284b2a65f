/* The bed of the tests of feeds: connection, sink and peer. */
#include "config.h"

#include "feed-bed.h"

#include <fcntl.h>
#include <lber.h>
#include <ldap.h>
#include <openldap.h>
#include <sys/socket.h>

#include "model/dn.h"

#define FILTER "(|(objectClass=person)(objectClass=groupOfNames)(objectClass=organizationalUnit))"

static char base[] = "dc=t", below_p[] = "ou=p,dc=t", below_q[] = "ou=q,dc=t", suffix_id[] = "the suffix", controller[] = "the controller",
            product[] = "a peer", filter[] = FILTER, persons[] = "(objectClass=person)",
            groups[] = "(objectClass=groupOfNames)";
struct feed_bed bed;

/* What feeds tell whoever started them. */
static void on_failed(int r, const struct error *e, void *owner)
{
    (void)r, (void)owner;
    snprintf(bed.reason, sizeof(bed.reason), "%s", e->message);
    bed.failed = true;
}
static void on_unsupported(const struct error *e, void *owner)
{
    (void)e, (void)owner;
    bed.unsupported = true;
}
static void on_reads_all(void *feeding)
{
    (void)feeding, bed.n_reads_all++;
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
static void on_unanswered(const char *why, void *owner)
{
    (void)why, (void)owner;
    bed.unanswered = true;
}
static void on_base_hidden(void *feeding)
{
    (void)feeding, bed.hidden = true;
}
static const struct feed_news news = {
    .failed = on_failed,
    .unsupported = on_unsupported,
    .caught_up = on_caught_up,
    .committed = on_committed,
    .doubts = on_doubts, .unanswered = on_unanswered,
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
    bed.n_groups_taken += taken->kind == ENTRY_GROUP;
    int r = mirror_put(bed.f->s, search, taken, &changes, e);
    entry_free(taken);
    return r == 0 && changes & (MIRROR_NEW | MIRROR_RETURNED) ? SINK_NEW : r;
}
static int on_left(void *u, unsigned search, const char *id, bool stale, const char *why,
                   struct error *e)
{
    (void)u;
    return mirror_left(bed.f->s, search, id, stale, why, 1, e);
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
    int r = mirror_look_for_unseen(bed.f->s, search, 2, e);
    if (r == 0)
        r = mirror_sample_unseen(bed.f->s, search, limit, 1, ret, e);
    return r == MIRROR_MORE ? SINK_MORE : r;
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
        snprintf(bed.reason, sizeof(bed.reason), "%s", c->reason);
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
    int r = mirror_lacking(bed.f->s, entry, ret, e);
    return r == MIRROR_ALL_SHOWN ? SINK_ALL_SHOWN : r;
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
    if (bed.forgets) {
        bed.forgets = false;
        return error_out_of_memory(e);
    }
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

void connect_to_peer(const struct directory_feed_ops *ops)
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
        memset(bed.peer->followers, 0, sizeof(bed.peer->followers));
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
                                        .reads_all = on_reads_all, .base_hidden = on_base_hidden,
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

void disconnect(void)
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

int set_up(void **state)
{
    bed = (struct feed_bed){0};
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

int tear_down(void **state)
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

struct mirror_counts counts(void)
{
    struct mirror_counts c = {0};
    ok(bed.f, mirror_counts(bed.f->s, &c, &bed.f->e));
    return c;
}

const char *sn_of(const char *dn)
{
    static char text[100];
    CLEANUP(freep) char *id = NULL;
    struct mirror_entry m = {0};
    text[0] = '\0';
    if (mirror_find_dn(bed.f->s, dn, &id, &bed.f->e) != 0)
        return text;
    ok(bed.f, mirror_load(bed.f->s, id, &m, &bed.f->e));
    const char *sn = entry_text(m.entry, "sn");
    snprintf(text, sizeof(text), "%s", sn ? sn : "?");
    mirror_entry_done(&m);
    return text;
}

size_t members_of(const char *dn)
{
    CLEANUP(freep) char *id = NULL;
    if (mirror_find_dn(bed.f->s, dn, &id, &bed.f->e) != 0)
        return 0;
    CLEANUP(entry_freep) struct entry *g = stored_group(bed.f, id);
    return g->n_members;
}

struct peer_entry *ana, *bob, *crew, *unit;

struct peer_entry *person(const char *dn, const char *sn)
{
    return peer_add(bed.peer, dn, "objectClass", "top", "objectClass", "person", "sn", sn, NULL);
}

void people(void)
{
    peer_add(bed.peer, "dc=t", "objectClass", "domain", NULL);
    unit = peer_add(bed.peer, "ou=p,dc=t", "objectClass", "organizationalUnit", "name", "p", NULL);
    ana = person("uid=ana,ou=p,dc=t", "A");
    bob = person("uid=bob,ou=p,dc=t", "B");
    crew = peer_add(bed.peer, "cn=crew,dc=t", "objectClass", "groupOfNames", "member",
                    "uid=ana,ou=p,dc=t", "member", "uid=bob,ou=p,dc=t", NULL);
}

void start(const struct directory_feed_ops *ops)
{
    connect_to_peer(ops);
    people();
    UNTIL(bed.n_caught_up > 0 || bed.failed || bed.unsupported);
    assert_false(bed.failed);
}

void again(const struct directory_feed_ops *ops)
{
    disconnect();
    bed.n_caught_up = 0;
    connect_to_peer(ops);
    UNTIL(bed.n_caught_up > 0 || bed.failed || bed.unsupported);
}

void full(void)
{
    unsigned n = bed.n_caught_up;
    bed.ops->request_full(bed.feed);
    UNTIL(bed.n_caught_up > n || bed.failed);
}
