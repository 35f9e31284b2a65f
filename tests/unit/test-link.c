/* Links and the listing of the tenant. */
#include "config.h"

#include <errno.h>

#include "model/entry.h"
#include "state-fixture.h"
#include "state/db.h"
#include "state/link.h"
#include "state/listing.h"
#include "state/mirror.h"
#include "state/queue.h"

static struct link a_link(const char *id, const char *login)
{
    return (struct link){.entry_id = (char *)id,
                         .login = (char *)login,
                         .login_key = (char *)login,
                         .status = LINK_ACTIVE,
                         .origin = (char *)"create"};
}

static void test_store_and_load(void **state)
{
    struct fixture *f = *state;
    struct link l = a_link("a", "al"), got = {0};

    l.remote_id = (char *)"7";
    l.known = (char *)"{}";
    l.granted = (char *)"{\"roles\":[]}";
    l.leaving_why = (char *)"gone";
    l.disabled_by_us = true;
    l.created_usec = 1;
    l.confirmed_usec = 2;
    l.leaving_usec = 3;
    l.disabled_usec = 4;
    begin(f);
    ok(f, link_store(f->s, &l, &f->e));
    commit(f);
    reopen(f);
    ok(f, link_load(f->s, "a", &got, &f->e));
    assert_string_equal(got.login, "al");
    assert_string_equal(got.remote_id, "7");
    assert_string_equal(got.known, "{}");
    assert_string_equal(got.granted, "{\"roles\":[]}");
    assert_string_equal(got.leaving_why, "gone");
    assert_string_equal(got.origin, "create");
    assert_true(got.disabled_by_us);
    assert_int_equal(got.created_usec, 1);
    assert_int_equal(got.confirmed_usec, 2);
    assert_int_equal(got.leaving_usec, 3);
    assert_int_equal(got.disabled_usec, 4);
    link_done(&got);
    ok(f, link_load_by_login(f->s, "al", &got, &f->e));
    assert_string_equal(got.entry_id, "a");
    link_done(&got);
    assert_int_equal(link_load(f->s, "b", &got, &f->e), STATE_NONE);
    assert_int_equal(link_load_by_login(f->s, "b", &got, &f->e), STATE_NONE);
    begin(f);
    ok(f, link_remove(f->s, "a", &f->e));
    assert_int_equal(link_load(f->s, "a", &got, &f->e), STATE_NONE);
    commit(f);
}

static void test_login_taken(void **state)
{
    struct fixture *f = *state;
    struct link l = a_link("a", "al");
    struct link got = {0};
    struct entry *e = entry_new("a", "uid=a,dc=t", ENTRY_PERSON);
    unsigned changes;

    begin(f);
    ok(f, mirror_put(f->s, 0, e, &changes, &f->e));
    entry_free(e);
    ok(f, link_store(f->s, &l, &f->e));
    l = a_link("b", "al");
    assert_int_equal(link_store(f->s, &l, &f->e), -EEXIST);
    assert_non_null(strstr(f->e.message, "uid=a,dc=t"));
    assert_non_null(strstr(f->e.message, "wanted by b"));
    /* A refused row is an answer: the transaction goes on. */
    l = a_link("c", "cl");
    ok(f, link_store(f->s, &l, &f->e));
    /* Who was deleted holds no login. */
    l = a_link("a", "al");
    l.status = LINK_DELETED;
    ok(f, link_store(f->s, &l, &f->e));
    l = a_link("b", "al");
    ok(f, link_store(f->s, &l, &f->e));
    commit(f);
    ok(f, link_load_by_login(f->s, "al", &got, &f->e));
    assert_string_equal(got.entry_id, "b");
    link_done(&got);
    assert_int_equal(link_count(f->s, LINK_ACTIVE), 2);
    assert_int_equal(link_count(f->s, LINK_DELETED), 1);
    assert_int_equal(link_count(f->s, LINK_DISABLED), 0);
}

static int append(const char *login, void *userdata)
{
    strncat(userdata, login, 20);
    return 0;
}

static int append_link(const struct link *l, void *userdata)
{
    strncat(userdata, l->entry_id, 20);
    return l->entry_id[0] == 'b' ? 17 : 0;
}

static void test_listing_and_each(void **state)
{
    struct fixture *f = *state;
    char text[100] = "";
    char *login = NULL;
    struct link l;

    begin(f);
    for (const char *id = "cba"; *id; id++) {
        char one[2] = {*id, 0};

        l = a_link(one, one);
        ok(f, link_store(f->s, &l, &f->e));
    }
    assert_int_equal(link_each(f->s, append_link, text, &f->e), 17);
    assert_string_equal(text, "ab");
    ok(f, listing_replace_begin(f->s, &f->e));
    ok(f, listing_add(f->s, "Old", "old", &f->e));
    ok(f, listing_replace_begin(f->s, &f->e));
    ok(f, listing_add(f->s, "X1", "x1", &f->e));
    ok(f, listing_add(f->s, "A", "a", &f->e));
    ok(f, listing_add(f->s, "X2", "x2", &f->e));
    commit(f);
    text[0] = '\0';
    ok(f, listing_unclaimed(f->s, append, text, &f->e));
    assert_string_equal(text, "X1X2");
    ok(f, listing_find(f->s, "a", &login, &f->e));
    assert_string_equal(login, "A");
    free(login);
    assert_int_equal(listing_find(f->s, "old", &login, &f->e), STATE_NONE);
    assert_int_equal(listing_count(f->s), 3);
}

static size_t count_all(struct fixture *f, enum link_status status)
{
    int64_t n = 0;
    char sql[64];

    snprintf(sql, sizeof(sql), "SELECT count(*) FROM link WHERE status = %d", (int)status);
    ok(f, db_number(f->s->db, f->path, sql, &n, &f->e));
    return (size_t)n;
}

/* The counts that are kept are those of the table, whatever happens: rows that come, change
 * their status and go, a refused row, all at once, transactions that are undone. */
static void test_counts(void **state)
{
    struct fixture *f = *state;

    srand(7);
    for (unsigned round = 0; round < 60; round++) {
        begin(f);
        for (int n = rand() % 12; n > 0; n--) {
            char id[8], login[8];
            struct link l;

            snprintf(id, sizeof(id), "i%d", rand() % 9);
            snprintf(login, sizeof(login), "l%d", rand() % 9);
            l = a_link(id, login);
            l.status = (enum link_status)(1 + rand() % 3);
            switch (rand() % 12) {
            case 0: ok(f, link_remove(f->s, id, &f->e)); break;
            case 1: ok(f, link_set_aside(f->s, &f->e)); break;
            case 2: ok(f, link_take_back(f->s, &f->e)); break;
            default: (void)link_store(f->s, &l, &f->e); /* or its login is another's */
            }
            for (int status = 1; status < LINK_N_STATUS; status++)
                assert_int_equal(link_count(f->s, (enum link_status)status),
                                 count_all(f, (enum link_status)status));
        }
        if (rand() % 3 == 0)
            state_rollback(f->s);
        else
            commit(f);
        for (int status = 1; status < LINK_N_STATUS; status++)
            assert_int_equal(link_count(f->s, (enum link_status)status),
                             count_all(f, (enum link_status)status));
    }
}

/* Of those who were set aside: not of who was made anew at the other tenant, nor of who is new.
 */
static void test_passwords_of_before(void **state)
{
    static const char *const due[] = {"adopted", "made", "new", "none"};
    struct fixture *f = *state;
    struct link l[] = {a_link("adopted", "a"), a_link("made", "m"), a_link("none", "n")};

    begin(f);
    for (size_t i = 0; i < ARRAY_SIZE(l); i++)
        ok(f, link_store(f->s, &l[i], &f->e));
    ok(f, link_set_aside(f->s, &f->e));
    l[0].origin = (char *)"adopt";
    for (size_t i = 0; i < 2; i++)
        ok(f, link_store(f->s, &l[i], &f->e));
    for (size_t i = 0; i < ARRAY_SIZE(due); i++)
        ok(f, password_due_store(f->s, due[i], 1, i + 1, NULL, &f->e));
    ok(f, password_due_clear_aside(f->s, &f->e));
    for (size_t i = 1; i < 3; i++) {
        CLEANUP(freep) char *id = NULL;
        uint64_t next = 0;
        ok(f, password_due_next(f->s, &id, &next, &f->e));
        assert_string_equal(id, due[i]);
        ok(f, password_due_clear(f->s, id, &f->e));
    }
    assert_int_equal(db_count(f->s, "SELECT count(*) FROM password_due"), 0);
    commit(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(test_store_and_load),      test(test_counts),
        test(test_login_taken),         test(test_listing_and_each),
        test(test_passwords_of_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
