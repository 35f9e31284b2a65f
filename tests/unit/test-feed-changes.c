/*
 * Feeds that are told of changes, syncrepl and DirSync: away and back, and what they are not told.
 */
#include "config.h"

#include <sys/socket.h>
#include <unistd.h>

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

/* A difference of members is newer than what was asked of the group before and comes after it:
 * all of the group, the last part of it, or whether it has lost somebody. */
static void test_dirsync_told_while_read(void **state)
{
    static const struct {
        size_t value_range;
        unsigned after;
        const char *stays;
    } rows[] = {{0, 1, "uid=bob,ou=p,dc=t"}, {1, 2, "uid=bob,ou=p,dc=t"}, {0, 2, NULL}};
    (void)state;
    start(&feed_dirsync_ops);
    person("uid=cat,ou=p,dc=t", "C");
    UNTIL(counts().people == 3);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        bed.peer->value_range = 0;
        peer_set(bed.peer, crew, "member", "uid=ana,ou=p,dc=t", "uid=bob,ou=p,dc=t", NULL);
        UNTIL(members_of("cn=crew,dc=t") == 2);
        bed.peer->value_range = rows[i].value_range;
        bed.peer->joins = (struct peer_joins){
            .group = crew, .member = "uid=cat,ou=p,dc=t", .after = rows[i].after};
        peer_set(bed.peer, crew, "member", "uid=ana,ou=p,dc=t", rows[i].stays, NULL);
        UNTIL(!bed.peer->joins.group);
        unsigned n = bed.n_caught_up;
        UNTIL(bed.n_caught_up > n);
        assert_int_equal(members_of("cn=crew,dc=t"), rows[i].stays ? 3 : 2);
        assert_false(bed.failed);
    }
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

/* The peer answers the next question about one entry, and the answer is on its way for a while.
 */
static void hold_answer(int fds[2])
{
    unsigned n = bed.peer->n_lookups;
    int fd = bed.peer->fd;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    bed.peer->fd = fds[0];
    UNTIL(bed.peer->n_lookups > n);
    bed.peer->fd = fd;
    close(fds[0]);
}

static void let_go(const int fds[2])
{
    char bytes[4096];
    ssize_t n = read(fds[1], bytes, sizeof(bytes));
    assert_true(n > 0 && send(bed.peer->fd, bytes, (size_t)n, 0) == n);
    close(fds[1]);
}

/* It has all that is read of people, which is told with the next change. */
static void complete(struct peer_entry *e)
{
    e->values[e->n_values] = e->values[e->n_values + 1] = e->values[0];
    snprintf(e->values[e->n_values++].name, sizeof(e->values[0].name), "title");
    snprintf(e->values[e->n_values++].name, sizeof(e->values[0].name), "uid");
}

/* What is told while an answer is on its way is newer than that: it is read anew, and where
 * that happens each time, what was told stays, and everything is compared. */
static void test_told_while_read(void **state)
{
    static const char *const names[] = {"After", "Later", "Last"};
    int fds[2];
    (void)state;
    start(&feed_syncrepl_ops);
    unsigned n = bed.n_commits;
    bed.doubts = false;
    struct peer_entry *cat = person("uid=cat,ou=p,dc=t", "Before");
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        hold_answer(fds);
        if (i == 0)
            complete(cat);
        peer_set(bed.peer, cat, "sn", names[i], NULL);
        UNTIL(strcmp(sn_of("uid=cat,ou=p,dc=t"), names[i]) == 0);
        assert_false(bed.doubts);
        let_go(fds);
    }
    UNTIL(bed.n_commits > n || bed.failed);
    assert_string_equal(sn_of("uid=cat,ou=p,dc=t"), "Last");
    assert_true(bed.doubts && !bed.failed);
}

/* What may not be read any more stays as it was told last. */
static void test_told_and_refused(void **state)
{
    int fds[2];
    (void)state;
    start(&feed_syncrepl_ops);
    unsigned n = bed.n_commits;
    struct peer_entry *cat = person("uid=cat,ou=p,dc=t", "Before");
    hold_answer(fds);
    complete(cat);
    peer_set(bed.peer, cat, "sn", "After", NULL);
    UNTIL(strcmp(sn_of("uid=cat,ou=p,dc=t"), "After") == 0);
    bed.peer->lookup_code = LDAP_INSUFFICIENT_ACCESS;
    let_go(fds);
    UNTIL(bed.n_commits > n || bed.failed);
    assert_string_equal(sn_of("uid=cat,ou=p,dc=t"), "After");
    assert_false(bed.failed);
}

/* A group loses a member, and that one is back, or the group is gone, while it is asked whether
 * that is so. */
static void told_while_asked(bool deleted)
{
    start(&feed_syncrepl_ops);
    unsigned n_asked = bed.peer->n_lookups, n = bed.n_commits;
    peer_set(bed.peer, crew, "member", "uid=ana,ou=p,dc=t", NULL);
    /* It is read again, and asked whether it has lost bob, and then whether bob is seen. */
    UNTIL(bed.peer->n_lookups > n_asked + (deleted ? 0 : 1));
    assert_int_equal(bed.n_commits, n);
    sd_event_source_set_enabled(bed.peer->source, SD_EVENT_OFF);
    if (deleted)
        peer_delete(bed.peer, crew);
    else
        peer_set(bed.peer, crew, "member", "uid=ana,ou=p,dc=t", "uid=bob,ou=p,dc=t", NULL);
    for (int i = 0; i < 10; i++)
        sd_event_run(bed.event, USEC_PER_MSEC);
    sd_event_source_set_enabled(bed.peer->source, SD_EVENT_ON);
    UNTIL(bed.n_commits > n || bed.failed);
    assert_int_equal(counts().groups, deleted ? 0 : 1);
    assert_int_equal(members_of("cn=crew,dc=t"), deleted ? 0 : 2);
    assert_false(bed.failed);
}

/* People are moved, and their group names them by what is hidden: before it is told, and while
 * it is asked about the names of before. */
static void test_moved_while_asked(void **state)
{
    (void)state;
    start(&feed_syncrepl_ops);
    unsigned n_asked = bed.peer->n_lookups, n = bed.n_commits;
    bed.peer->hidden_part = ",ou=q,";
    peer_set(bed.peer, crew, "member", "uid=ana,ou=q,dc=t", "uid=bob,ou=q,dc=t", "cn=x,dc=t",
             NULL);
    UNTIL(bed.peer->n_lookups > n_asked + 1);
    assert_int_equal(bed.n_commits, n);
    sd_event_source_set_enabled(bed.peer->source, SD_EVENT_OFF);
    peer_rename(bed.peer, ana, "uid=ana,ou=q,dc=t");
    peer_rename(bed.peer, bob, "uid=bob,ou=q,dc=t");
    for (int i = 0; i < 10; i++)
        sd_event_run(bed.event, USEC_PER_MSEC);
    sd_event_source_set_enabled(bed.peer->source, SD_EVENT_ON);
    UNTIL(bed.n_commits > n || bed.failed);
    assert_string_equal(sn_of("uid=bob,ou=q,dc=t"), "B");
    assert_int_equal(members_of("cn=crew,dc=t"), 3);
    assert_false(bed.failed);
}

/* The same while all is compared: what the compare shows is a moment older. */
static void test_back_in_a_compare(void **state)
{
    (void)state;
    start(&feed_syncrepl_ops);
    unsigned n_asked = bed.peer->n_lookups, n = bed.n_caught_up;
    size_t left = 0;
    for (size_t i = 0; i < crew->n_values; i++)
        if (strcmp(crew->values[i].value, "uid=bob,ou=p,dc=t") != 0)
            crew->values[left++] = crew->values[i];
    assert_int_equal(left + 1, crew->n_values);
    crew->n_values = left;
    bed.ops->request_full(bed.feed);
    UNTIL(bed.peer->n_lookups > n_asked);
    assert_int_equal(bed.n_caught_up, n);
    sd_event_source_set_enabled(bed.peer->source, SD_EVENT_OFF);
    peer_set(bed.peer, crew, "member", "uid=ana,ou=p,dc=t", "uid=bob,ou=p,dc=t", NULL);
    for (int i = 0; i < 10; i++)
        sd_event_run(bed.event, USEC_PER_MSEC);
    sd_event_source_set_enabled(bed.peer->source, SD_EVENT_ON);
    UNTIL(bed.n_caught_up > n || bed.failed);
    assert_int_equal(members_of("cn=crew,dc=t"), 2);
    assert_false(bed.failed);
}

static void test_back_while_asked(void **state)
{
    (void)state;
    told_while_asked(false);
}

static void test_deleted_while_asked(void **state)
{
    (void)state;
    told_while_asked(true);
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
        feed_test(test_dirsync_told_while_read),
        feed_test(test_connection_lost),
        feed_test(test_members_hide_dirsync),
        feed_test(test_members_unseen),
        feed_test(test_members_moved),
        feed_test(test_member_refused),
        feed_test(test_dynamic),
        feed_test(test_told_while_read),
        feed_test(test_told_and_refused),
        feed_test(test_back_while_asked),
        feed_test(test_back_in_a_compare),
        feed_test(test_deleted_while_asked),
        feed_test(test_moved_while_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
