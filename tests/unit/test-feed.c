/* What every feed must do, and polling: people, members, places, two bases, what is odd. */
#include "config.h"

#include "feed-bed.h"

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

/* Codes by which a server says nothing of what was asked, and some by which it does. */
static void test_unanswered(void **state)
{
    static const struct {
        int code;
        bool answers;
    } rows[] = {
        {LDAP_OPERATIONS_ERROR, false},      {LDAP_REFERRAL, false},
        {LDAP_BUSY, false},                  {LDAP_UNAVAILABLE, false},
        {LDAP_UNWILLING_TO_PERFORM, false},  {LDAP_OTHER, false},
        {LDAP_LOOP_DETECT, false},           {LDAP_NO_SUCH_OBJECT, true},
        {LDAP_INSUFFICIENT_ACCESS, true},
    };
    (void)state;
    start(&feed_poll_ops);
    bed.options.poll_interval_usec = PATIENT;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        /* A base that was never seen is asked for again, whatever is said of it … */
        bed.env.searches[0].base_visible = bed.hidden = bed.unanswered = false;
        bed.peer->lookup_code = rows[i].code;
        full();
        assert_true(bed.hidden && bed.absence == FEED_ABSENCE_UNPROVEN);
        /* … and all is read again when it was not answered … */
        assert_int_equal(bed.unanswered, !rows[i].answers);
        /* … or is not there any more. */
        bed.env.searches[0].base_visible = true;
        bed.unanswered = false;
        full();
        assert_true(bed.unanswered);
        bed.peer->lookup_code = 0;
        full();
        /* What a group lost, too. */
        bed.unanswered = false;
        bed.env.searches[0].base_visible = true;
        bed.peer->lookup_code = rows[i].code;
        peer_set(bed.peer, crew, "member", "uid=ana,ou=p,dc=t", NULL);
        full();
        assert_int_equal(members_of("cn=crew,dc=t"), 2);
        bed.peer->lookup_code = 0;
        full();
        UNTIL(members_of("cn=crew,dc=t") == 1);
        peer_set(bed.peer, crew, "member", "uid=ana,ou=p,dc=t", "uid=bob,ou=p,dc=t", NULL);
        full();
        UNTIL(members_of("cn=crew,dc=t") == 2);
    }
}

/* Whoever left one of two bases, and nobody answers whether the other one has them. */
static void test_unanswered_holders(void **state)
{
    (void)state;
    bed.two = true;
    bed.options.poll_interval_usec = PATIENT;
    connect_to_peer(&feed_syncrepl_ops);
    people();
    peer_add(bed.peer, "ou=q,dc=t", "objectClass", "organizationalUnit", "name", "q", NULL);
    UNTIL(bed.n_caught_up > 0 || bed.failed);
    bed.peer->fail_code = LDAP_UNAVAILABLE;
    peer_delete(bed.peer, bob);
    UNTIL(bed.unanswered);
    assert_int_equal(counts().people, 2);
    full();
    UNTIL(counts().people == 1);
}

/* Where nobody can be asked for, whoever left is gone when all bases were read since: what was
 * read before says nothing. */
static void test_unheld_are_read_for(void **state)
{
    (void)state;
    bed.two = true;
    bed.options.poll_interval_usec = PATIENT;
    bed.options.referrals = DIRECTORY_REFERRALS_FOLLOW;
    connect_to_peer(&feed_syncrepl_ops);
    people();
    peer_add(bed.peer, "ou=q,dc=t", "objectClass", "organizationalUnit", "name", "q", NULL);
    UNTIL(bed.n_caught_up > 0 || bed.failed);
    full(); /* with nobody who left */
    unsigned n = bed.n_commits;
    bed.doubts = false;
    peer_delete(bed.peer, bob);
    UNTIL(bed.n_commits > n);
    /* That is wanted soon, once. */
    UNTIL(bed.doubts);
    bed.doubts = false;
    n = bed.n_commits;
    peer_set(bed.peer, ana, "sn", "Later", NULL);
    UNTIL(bed.n_commits > n);
    assert_string_equal(sn_of("uid=ana,ou=p,dc=t"), "Later");
    assert_int_equal(counts().people, 2);
    full();
    UNTIL(counts().people == 1);
    assert_false(bed.failed || bed.doubts);
    /* Nobody is told of who leaves what was read last: what was read before must be again. */
    struct peer_entry *eve = person("uid=eve,ou=q,dc=t", "E");
    UNTIL(counts().people == 2);
    full();
    eve->gone = true;
    full();
    UNTIL(bed.doubts);
    assert_int_equal(counts().people, 2);
    bed.doubts = false;
    full();
    UNTIL(counts().people == 1);
    assert_false(bed.failed || bed.doubts);
}

/* A search of which pages were given, and then no more. */
static void test_page_not_given(void **state)
{
    static const struct {
        int code;
        bool lost;
    } rows[] = {
        {LDAP_PROTOCOL_ERROR, true},
        {LDAP_INSUFFICIENT_ACCESS, true},
        {LDAP_SIZELIMIT_EXCEEDED, false},
        {LDAP_ADMINLIMIT_EXCEEDED, false},
    };
    (void)state;
    bed.options.poll_interval_usec = PATIENT;
    start(&feed_dirsync_ops);
    bed.peer->fails_later = true;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bed.unanswered = false;
        bed.peer->fail_code = rows[i].code;
        full();
        assert_int_equal(bed.peer->fail_code, 0);
        assert_int_equal(bed.absence, FEED_ABSENCE_UNPROVEN);
        assert_int_equal(bed.unanswered, rows[i].lost);
    }
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        feed_test(test_poll),
        feed_test(test_poll_doubts),
        feed_test(test_unanswered),
        feed_test(test_unanswered_holders),
        feed_test(test_page_not_given),
        feed_test(test_members_hide),
        feed_test(test_members_hide_followed),
        feed_test(test_ranges),
        feed_test(test_odd_entries),
        feed_test(test_unheld_are_read_for),
        feed_test(test_two_bases_polled),
        feed_test(test_two_bases_followed),
        feed_test(test_two_bases_dirsync),
        feed_test(test_once),
        feed_test(test_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
