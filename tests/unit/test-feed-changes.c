/*
 * Feeds that are told of changes, syncrepl and DirSync: away and back, and what they are not told.
 */
#include "config.h"

#include "feed-bed.h"

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

/* Whoever is new, and the place that is, may be told without what else that changes. */
static void test_syncrepl_newcomers(void **state)
{
    (void)state;
    start(&feed_syncrepl_ops);
    bed.doubts = false;
    peer_set(bed.peer, unit, "description", "touched", NULL);
    peer_set(bed.peer, ana, "sn", "Later", NULL);
    UNTIL(strcmp(sn_of("uid=ana,ou=p,dc=t"), "Later") == 0);
    unsigned n = bed.peer->n_searches;
    person("uid=cat,ou=p,dc=t", "C");
    UNTIL(bed.peer->n_searches > n); /* which groups name her */
    assert_int_equal(counts().people, 3);
    assert_false(bed.doubts);
    peer_add(bed.peer, "ou=r,dc=t", "objectClass", "organizationalUnit", NULL);
    UNTIL(bed.doubts);
}

/* What may not be read again is taken as it was told, and as every entry is. */
static void test_newcomer_refused(void **state)
{
    (void)state;
    start(&feed_syncrepl_ops);
    full();
    bed.peer->lookup_code = LDAP_INSUFFICIENT_ACCESS;
    unsigned n = bed.n_commits;
    peer_add(bed.peer, "uid=alias,ou=p,dc=t", "objectClass", "alias", "objectClass", "person", NULL);
    person("uid=cat,ou=p,dc=t", "C");
    UNTIL(bed.n_commits > n);
    assert_int_equal(counts().people, 3);
    assert_string_equal(sn_of("uid=cat,ou=p,dc=t"), "C");
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
    unsigned n = bed.peer->n_lookups;
    UNTIL(bed.n_caught_up > 0 || bed.failed);
    if (!present) /* the base, and the group that named whom it deleted: nobody who is as before */
        assert_true(bed.peer->n_lookups - n <= 2);
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
    assert_int_equal(bed.n_reads_all, 1);
    /* What changed since a cookie is soon told: all of it is not read. */
    again(&feed_syncrepl_ops);
    assert_int_equal(bed.n_reads_all, 1);
    /* The cookie is too old: everything is read, and nothing is lost. */
    bed.peer->refresh_required = true;
    again(&feed_syncrepl_ops);
    assert_false(bed.failed);
    assert_int_equal(bed.n_reads_all, 2);
    /* Asked for once more while it is read: that is another read of everything. */
    bed.ops->request_full(bed.feed);
    full();
    UNTIL(bed.n_reads_all == 4);
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

/* Of whom a group names no more it is asked whether they are seen: of several at once, and
 * where that is refused, or some are not there, one by one. */
static void test_members_unseen(void **state)
{
    static const int codes[] = {LDAP_SUCCESS, LDAP_ADMINLIMIT_EXCEEDED,
                                LDAP_INSUFFICIENT_ACCESS, LDAP_TIMELIMIT_EXCEEDED,
                                LDAP_UNWILLING_TO_PERFORM};
    (void)state;
    start(&feed_syncrepl_ops);
    for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
        peer_set(bed.peer, crew, "member", "uid=ana,ou=p,dc=t", "uid=bob,ou=p,dc=t",
                 "cn=x,dc=t", NULL);
        full();
        assert_int_equal(members_of("cn=crew,dc=t"), 3);
        unsigned n = bed.n_commits;
        bed.unanswered = false;
        ana->gone = true; /* for this account */
        bed.peer->fail_code = codes[i];
        peer_set(bed.peer, crew, "member", "cn=other,dc=t", NULL);
        UNTIL(bed.n_commits > n || bed.failed);
        assert_int_equal(bed.peer->fail_code, 0);
        assert_int_equal(members_of("cn=crew,dc=t"), 2); /* ana and the other one */
        assert_false(bed.unanswered || bed.failed);
        ana->gone = false;
    }
}

/* Whoever was moved since, of which is told only later, may be named by the name of now:
 * several who are asked for together, and one whose name somebody else has. */
static void test_members_moved(void **state)
{
    (void)state;
    start(&feed_syncrepl_ops);
    struct peer_entry *cat = person("uid=cat,ou=p,dc=t", "C");
    UNTIL(counts().people == 3);
    for (unsigned both = 0; both < 2; both++) {
        peer_set(bed.peer, crew, "member", "uid=ana,ou=p,dc=t", "uid=bob,ou=p,dc=t", NULL);
        full();
        assert_int_equal(members_of("cn=crew,dc=t"), 2);
        unsigned n = bed.n_commits;
        snprintf(ana->dn, sizeof(ana->dn), "uid=ana,ou=q,dc=t");
        snprintf(both ? bob->dn : cat->dn, sizeof(cat->dn), "uid=%s,ou=%s,dc=t",
                 both ? "bob" : "ana", both ? "q" : "p");
        peer_set(bed.peer, crew, "member", "cn=x,dc=t", both ? NULL : "uid=bob,ou=p,dc=t",
                 NULL);
        UNTIL(bed.n_commits > n || bed.failed);
        assert_int_equal(members_of("cn=crew,dc=t"), 3);
        snprintf(ana->dn, sizeof(ana->dn), "uid=ana,ou=p,dc=t");
        snprintf(cat->dn, sizeof(cat->dn), "uid=cat,ou=p,dc=t");
    }
}

/* Whoever lies on another server is read there, and whoever may not be read is not seen. */
static void test_member_refused(void **state)
{
    static const struct {
        int code;
        enum directory_referrals referrals;
        size_t n_left;
        bool unanswered;
    } rows[] = {
        {LDAP_SUCCESS, DIRECTORY_REFERRALS_NOTICE, 1, false},
        {LDAP_REFERRAL, DIRECTORY_REFERRALS_FOLLOW, 1, false},
        {LDAP_REFERRAL, DIRECTORY_REFERRALS_NOTICE, 3, true},
        {LDAP_INSUFFICIENT_ACCESS, DIRECTORY_REFERRALS_NOTICE, 2, false},
        {LDAP_NO_SUCH_OBJECT, DIRECTORY_REFERRALS_NOTICE, 2, false},
        {LDAP_INVALID_DN_SYNTAX, DIRECTORY_REFERRALS_NOTICE, 1, false},
    };
    (void)state;
    start(&feed_syncrepl_ops);
    bed.peer->refused = "uid=bob,ou=p,dc=t";
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        peer_set(bed.peer, crew, "member", "uid=ana,ou=p,dc=t", "uid=bob,ou=p,dc=t",
                 "cn=x,dc=t", NULL);
        full();
        assert_int_equal(members_of("cn=crew,dc=t"), 3);
        unsigned n = bed.n_commits;
        bed.unanswered = false;
        bed.options.referrals = rows[i].referrals;
        bed.peer->lookup_code = rows[i].code;
        peer_set(bed.peer, crew, "member", "uid=ana,ou=p,dc=t", NULL);
        UNTIL(bed.n_commits > n || bed.failed);
        assert_int_equal(members_of("cn=crew,dc=t"), rows[i].n_left);
        assert_int_equal(bed.unanswered, rows[i].unanswered);
    }
    /* Where the mirror itself cannot be asked, nothing follows. */
    peer_set(bed.peer, crew, "member", "uid=ana,ou=p,dc=t", "uid=bob,ou=p,dc=t", "cn=x,dc=t",
             NULL);
    full();
    assert_int_equal(members_of("cn=crew,dc=t"), 3);
    assert_false(bed.failed);
    bed.forgets = true;
    bed.peer->lookup_code = LDAP_NO_SUCH_OBJECT;
    peer_set(bed.peer, crew, "member", "uid=ana,ou=p,dc=t", NULL);
    UNTIL(bed.failed);
    assert_int_equal(members_of("cn=crew,dc=t"), 3);
}

/* A group with a memberURL is read again though nothing is said of it, and taken where it is
 * not as it was. */
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
    unsigned n_taken = bed.n_groups_taken;
    n = bed.peer->n_lookups;
    UNTIL(bed.peer->n_lookups > n + 2);
    assert_int_equal(bed.n_groups_taken, n_taken);
    size_t i = crew->n_values++;
    crew->values[i] = crew->values[0];
    snprintf(crew->values[i].name, sizeof(crew->values[i].name), "member");
    snprintf(crew->values[i].value, sizeof(crew->values[i].value), "uid=cat,ou=p,dc=t");
    UNTIL(members_of("cn=crew,dc=t") == 3);
    assert_int_equal(bed.n_groups_taken, n_taken + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        feed_test(test_syncrepl),
        feed_test(test_syncrepl_newcomers),
        feed_test(test_newcomer_refused),
        feed_test(test_syncrepl_away),
        feed_test(test_syncrepl_away_present),
        feed_test(test_syncrepl_refused),
        feed_test(test_no_name),
        feed_test(test_no_name_dirsync),
        feed_test(test_dirsync),
        feed_test(test_connection_lost),
        feed_test(test_members_hide_dirsync),
        feed_test(test_members_unseen),
        feed_test(test_members_moved),
        feed_test(test_member_refused),
        feed_test(test_dynamic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
