/*
 * Feeds that are told of something while they ask about it: what was asked before may not undo it.
 */
#include "config.h"

#include <sys/socket.h>
#include <unistd.h>

#include "feed-bed.h"

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

/* A group of which a difference was told may not be read, or the rest of its members may not:
 * that is this group's matter. What else was told is taken, and everything is read, since the
 * difference does not come again. */
static void test_dirsync_group_refused(void **state)
{
    static const int codes[] = {LDAP_INSUFFICIENT_ACCESS, LDAP_ADMINLIMIT_EXCEEDED,
                                LDAP_SIZELIMIT_EXCEEDED};
    (void)state;
    start(&feed_dirsync_ops);
    for (size_t i = 0; i < 2 * ARRAY_SIZE(codes); i++) {
        char sn[] = {(char)('A' + i), 0};
        bed.peer->lookup_code = 0;
        bed.peer->value_range = i % 2;
        peer_set(bed.peer, crew, "member", "uid=ana,ou=p,dc=t", "uid=bob,ou=p,dc=t", NULL);
        full();
        bed.doubts = false;
        bed.peer->refused = "cn=crew,dc=t";
        bed.peer->lookup_code = codes[i / 2];
        peer_set(bed.peer, crew, "member", "uid=ana,ou=p,dc=t", NULL);
        peer_set(bed.peer, ana, "sn", sn, NULL);
        UNTIL(strcmp(sn_of("uid=ana,ou=p,dc=t"), sn) == 0 || bed.failed);
        UNTIL(bed.doubts || bed.failed);
        assert_false(bed.failed);
        assert_in_range(members_of("cn=crew,dc=t"), 1, 2);
    }
}

/* What changes amid a whole read, behind the page that showed it, is read right after that. */
static void changed_amid(const struct directory_feed_ops *ops)
{
    bed.options.poll_interval_usec = 3600 * USEC_PER_SEC;
    bed.options.page_size = 1;
    start(ops);
    for (int i = 0; i < 6; i++)
        person((const char *[]){"uid=c,ou=p,dc=t", "uid=d,ou=p,dc=t", "uid=e,ou=p,dc=t",
                                "uid=f,ou=p,dc=t", "uid=g,ou=p,dc=t", "uid=h,ou=p,dc=t"}[i],
               "N");
    unsigned n = bed.peer->n_searches;
    bed.ops->request_full(bed.feed);
    UNTIL(bed.peer->n_searches > n + 5);
    peer_set(bed.peer, ana, "sn", "Amid", NULL);
    UNTIL(strcmp(sn_of("uid=ana,ou=p,dc=t"), "Amid") == 0);
    assert_false(bed.failed);
}

static void test_changed_amid_poll(void **state)
{
    (void)state;
    changed_amid(&feed_poll_ops);
}

static void test_changed_amid_dirsync(void **state)
{
    (void)state;
    changed_amid(&feed_dirsync_ops);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        feed_test(test_told_while_read),       feed_test(test_told_and_refused),
        feed_test(test_back_while_asked),      feed_test(test_back_in_a_compare),
        feed_test(test_deleted_while_asked),   feed_test(test_moved_while_asked),
        feed_test(test_dirsync_group_refused), feed_test(test_dirsync_told_while_read),
        feed_test(test_changed_amid_poll),     feed_test(test_changed_amid_dirsync),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
