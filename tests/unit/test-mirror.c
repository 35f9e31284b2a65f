/*
 * The mirror: what changes, what that marks, what is kept of reads and cookies.
 */
#include "config.h"

#include "mirror-test.h"
#include "state/db.h"

static void test_changes(void **state)
{
    struct fixture *f = *state;
    struct mirror_entry m = {0};
    char *dn = NULL;

    begin(f);
    assert_int_equal(put(f, person("a", "uid=a,ou=x,dc=t", "a@t")), MIRROR_NEW);
    assert_string_equal(dirty(f), "a");
    assert_int_equal(put(f, person("a", "uid=a,ou=x,dc=t", "a@t")), MIRROR_SAME);
    assert_string_equal(dirty(f), "");
    assert_int_equal(put(f, person("a", "uid=a,ou=x,dc=t", "b@t")), MIRROR_CHANGED);
    assert_string_equal(dirty(f), "a");
    assert_int_equal(put(f, person("a", "UID=a, ou=X,dc=t", "b@t")), MIRROR_CHANGED);
    assert_int_equal(put(f, person("a", "uid=a,ou=y,dc=t", "b@t")), MIRROR_MOVED);
    assert_int_equal(put(f, person("a", "uid=a,ou=x,dc=t", "c@t")),
                     MIRROR_MOVED | MIRROR_CHANGED);
    assert_string_equal(dirty(f), "a");

    ok(f, mirror_gone(f->s, "a", "deleted", 77, &f->e));
    ok(f, mirror_gone(f->s, "a", "again", 78, &f->e));
    ok(f, mirror_gone(f->s, "unknown", "deleted", 77, &f->e));
    assert_string_equal(dirty(f), "a");
    ok(f, mirror_load(f->s, "a", &m, &f->e));
    assert_true(m.gone);
    assert_int_equal(m.gone_usec, 77);
    assert_string_equal(m.gone_why, "deleted");
    assert_string_equal(entry_text(m.entry, "mail"), "c@t");
    assert_string_equal(m.entry->login_key, "a");
    mirror_entry_done(&m);
    assert_int_equal(mirror_present(f->s, 0, "a", &f->e), STATE_NONE);

    assert_int_equal(put(f, person("a", "uid=a,ou=x,dc=t", "c@t")), MIRROR_RETURNED);
    assert_string_equal(dirty(f), "a");
    ok(f, mirror_forget(f->s, "a", &f->e)); /* is no tombstone */
    ok(f, mirror_dn(f->s, "a", &dn, &f->e));
    assert_string_equal(dn, "uid=a,ou=x,dc=t");
    free(dn);
    ok(f, mirror_gone(f->s, "a", "deleted", 79, &f->e));
    ok(f, mirror_forget(f->s, "a", &f->e));
    assert_int_equal(mirror_load(f->s, "a", &m, &f->e), STATE_NONE);
    assert_int_equal(mirror_dn(f->s, "a", &dn, &f->e), STATE_NONE);
    commit(f);
}

static struct entry *large_group(const char *id)
{
    static char texts[120][40];
    const char *members[121] = {NULL};

    for (int i = 0; i < 120; i++) {
        snprintf(texts[i], sizeof(texts[i]),
                 i % 10 == 9 ? "uid:l%d"
                 : i % 7     ? "uid=p%d,dc=t"
                             : "UID=p%d, dc=t",
                 i);
        members[i] = texts[i];
    }
    return group(id, "cn=large,dc=t", members);
}

/* Members of all kinds, as many as are written together and more; some are nobody's name yet,
 * and some are spelt otherwise than the entry's own name. Each is there once, as it was spelt.
 */
static void test_large_group(void **state)
{
    struct fixture *f = *state;
    struct mirror_counts counts;

    begin(f);
    for (int i = 0; i < 120; i++) {
        char id[8], dn[24];

        snprintf(id, sizeof(id), "p%d", i);
        snprintf(dn, sizeof(dn), "uid=p%d,dc=t", i);
        if (i < 60 || i % 13)
            put(f, person(id, dn, NULL));
    }
    for (int watched = 0; watched < 2; watched++) {
        CLEANUP(entry_freep) struct entry *put_in = large_group("g");

        if (watched) /* how many are nobody is known from here on */
            ok(f, mirror_counts(f->s, &counts, &f->e));
        assert_int_equal(put(f, large_group("g")), MIRROR_NEW);
        CLEANUP(entry_freep) struct entry *stored = stored_group(f, "g");
        assert_int_equal(stored->n_members, 120);
        for (size_t i = 0; i < 120; i++) {
            assert_int_equal(stored->members[i].kind, put_in->members[i].kind);
            assert_string_equal(stored->members[i].key, put_in->members[i].key);
            assert_string_equal(stored->members[i].text, put_in->members[i].text);
        }
        ok(f, mirror_counts(f->s, &counts, &f->e));
        assert_int_equal(counts.members_unresolved,
                         5 + 12); /* p65, p78, p91, p104, p117; the logins */
        ok(f, mirror_gone(f->s, "g", "deleted", 77, &f->e));
        ok(f, mirror_forget(f->s, "g", &f->e));
    }
    commit(f);
}

static void test_full_read(void **state)
{
    struct fixture *f = *state;
    size_t n = 9;

    begin(f);
    assert_int_equal(mirror_unseen_left(f->s, 0, "absent", 1, &n, &f->e), -EINVAL);
    ok(f, mirror_begin_full(f->s, 0, &f->e));
    put(f, person("a", "uid=a,dc=t", NULL));
    put(f, person("b", "uid=b,dc=t", NULL));
    put(f, person("c", "uid=c,dc=t", NULL));
    put(f, group("g", "cn=g,dc=t", LIST("uid=a,dc=t")));
    ok(f, mirror_unseen_left(f->s, 0, "absent", 1, &n, &f->e));
    assert_int_equal(n, 0);
    dirty(f);
    ok(f, mirror_begin_full(f->s, 0, &f->e));
    ok(f, mirror_begin_full(f->s, 1, &f->e));
    put(f, person("a", "uid=a,dc=t", NULL));
    ok(f, mirror_present(f->s, 0, "c", &f->e));
    assert_int_equal(mirror_present(f->s, 0, "zz", &f->e), STATE_NONE);
    ok(f, mirror_count_unseen(f->s, 0, &n, &f->e));
    assert_int_equal(n, 1);
    ok(f, mirror_unseen_left(f->s, 1, "absent", 1, &n, &f->e));
    assert_int_equal(n, 0);
    ok(f, mirror_unseen_left(f->s, 0, "absent", 1, &n, &f->e));
    assert_int_equal(n, 2);
    assert_string_equal(dirty(f), "a b");
    assert_int_equal(mirror_unseen_left(f->s, 0, "absent", 1, &n, &f->e), -EINVAL);
    assert_int_equal(mirror_begin_full(f->s, 99, &f->e), -EINVAL);
    commit(f);
}

static int64_t number_of(struct fixture *f, const char *id)
{
    char sql[100];
    int64_t n = 0, rows = 0;
    snprintf(sql, sizeof(sql), "SELECT count(*) FROM identity WHERE id = '%s'", id);
    ok(f, db_number(f->s->db, "the state", sql, &rows, &f->e));
    assert_int_equal(rows, 1);
    snprintf(sql, sizeof(sql), "SELECT n FROM identity WHERE id = '%s'", id);
    ok(f, db_number(f->s->db, "the state", sql, &n, &f->e));
    return n;
}

/* Who has no entry may have a number, and may get one after the entry was looked for. */
static void test_number_without_an_entry(void **state)
{
    static const unsigned char raw[ENTRY_RAW_SIZE] = {1};
    struct fixture *f = *state;
    enum entry_kind kind;
    /* Marked before, after, or not at all; undone in between or not. */
    for (unsigned i = 0; i < 8; i++) {
        char id[16], dn[40];
        snprintf(id, sizeof(id), "k%u", i);
        snprintf(dn, sizeof(dn), "uid=k%u,dc=t", i);
        int64_t before = 0;
        begin(f);
        if (i & 1) {
            ok(f, person_mark_dirty(f->s, id, &f->e));
            before = number_of(f, id);
        }
        assert_int_equal(mirror_unchanged(f->s, 0, id, raw, &kind, &f->e), STATE_NONE);
        if (i & 2)
            ok(f, person_mark_dirty(f->s, id, &f->e));
        if (i & 4) {
            state_rollback(f->s);
            begin(f);
            before = 0;
        }
        put(f, person(id, dn, NULL));
        int64_t n = number_of(f, id);
        assert_true(!before || n == before);
        commit(f);
    }
}

static void test_kind_changes(void **state)
{
    struct fixture *f = *state;

    begin(f);
    put(f, person("a", "uid=a,dc=t", NULL));
    put(f, group("g", "cn=g,dc=t", LIST("uid=a,dc=t")));
    dirty(f);
    assert_int_equal(put(f, person("g", "cn=g,dc=t", NULL)), MIRROR_OTHER_KIND);
    assert_string_equal(dirty(f), "a g");
    assert_int_equal(put(f, group("g", "cn=g,dc=t", LIST("uid=a,dc=t"))), MIRROR_OTHER_KIND);
    assert_string_equal(dirty(f), "a g");
    assert_string_equal(member_of(f, "a", "cn=g,dc=t"), "+");
    commit(f);
}

/* Nobody but the group itself had heard of the name that it has from now on. */
static void test_kind_changes_to_own_member(void **state)
{
    struct fixture *f = *state;
    char *dn = NULL;

    begin(f);
    put(f, group("g", "cn=g,dc=t", LIST("uid=p,dc=t")));
    assert_int_equal(put(f, person("g", "uid=p,dc=t", NULL)), MIRROR_OTHER_KIND | MIRROR_MOVED);
    ok(f, mirror_dn(f->s, "g", &dn, &f->e));
    assert_string_equal(dn, "uid=p,dc=t");
    free(dn);
    assert_int_equal(put(f, person("g", "uid=p,dc=t", NULL)), MIRROR_SAME);
    commit(f);
}

static size_t found(struct fixture *f, const char *text)
{
    struct string_list ids = {0};
    size_t n;

    ok(f, mirror_find_people(f->s, text, &ids, &f->e));
    n = ids.n_items;
    string_list_done(&ids);
    return n;
}

static void test_looking_up(void **state)
{
    struct fixture *f = *state;
    struct string_list list = {0}, attributes = {0};
    struct mirror_counts counts;
    struct entry *e;
    size_t people, n[4];

    begin(f);
    put(f, person("1a-2b", "uid=a,dc=t", "A.Person@t"));
    put(f, person("b", "uid=b,dc=t", NULL));
    e = person("c", "uid=c,dc=t", NULL);
    entry_add_value(e, "cn;lang-de", "C", 1);
    entry_sort(e);
    put(f, e);
    put(f,
        group("g", "cn=cc-support,ou=g,dc=t", LIST("uid=a,dc=t", "uid=gone,dc=t", "uid:no")));
    put(f, group("h", "cn=cc-sales,ou=g,dc=t", NULL));
    put(f, group("i", "cn=other,ou=g,dc=t", NULL));
    assert_int_equal(found(f, "1A-2B"), 1);
    assert_int_equal(found(f, "UID=a, dc=T"), 1);
    assert_int_equal(found(f, "a.person@T"), 1);
    assert_int_equal(found(f, "B"), 1);
    assert_int_equal(found(f, "cn=cc-support,ou=g,dc=t"), 0);
    assert_int_equal(found(f, "nobody"), 0);
    assert_int_equal(found(f, ""), 0);
    ok(f, person_store(f->s,
                       &(struct person){.entry_id = (char *)"old",
                                        .dn = (char *)"uid=old,dc=t",
                                        .login_key = (char *)"b"},
                       &f->e));
    assert_int_equal(found(f, "b"), 2);
    assert_int_equal(found(f, "uid=old,dc=t"), 1);

    ok(f, mirror_counts(f->s, &counts, &f->e));
    assert_int_equal(counts.people, 3);
    assert_int_equal(counts.groups, 3);
    assert_int_equal(counts.members_unresolved, 2);
    ok(f, mirror_gone(f->s, "1a-2b", "deleted", 3, &f->e));
    ok(f, mirror_counts(f->s, &counts, &f->e));
    assert_int_equal(counts.gone, 1);
    assert_int_equal(counts.members_unresolved, 3);

    string_list_add(&attributes, "UID");
    string_list_add(&attributes, "mail");
    string_list_add(&attributes, "cn");
    string_list_add(&attributes, "ui");
    ok(f, mirror_attribute_counts(f->s, &attributes, n, &people, &f->e));
    assert_int_equal(people, counts.people);
    assert_int_equal(n[0], 2);
    assert_int_equal(n[1], 0);
    assert_int_equal(n[2], 1);
    assert_int_equal(n[3], 0);
    string_list_done(&attributes);

    ok(f, mirror_similar_groups(f->s, "cn=cc-suport,ou=x,dc=t", 2, &list, &f->e));
    assert_int_equal(list.n_items, 1);
    assert_string_equal(list.items[0], "cn=cc-support,ou=g,dc=t");
    string_list_done(&list);
    ok(f, mirror_similar_groups(f->s, "cn=sales,dc=t", 5, &list, &f->e));
    assert_int_equal(list.n_items, 1);
    string_list_done(&list);
    ok(f, mirror_similar_groups(f->s, "no dn", 5, &list, &f->e));
    assert_int_equal(list.n_items, 0);
    commit(f);
}

static void put_raw(struct fixture *f, struct entry *taken, char raw)
{
    taken->has_raw = true;
    memset(taken->raw, raw, sizeof(taken->raw));
    put(f, taken);
}

static bool unchanged(struct fixture *f, const char *id, char raw, enum entry_kind kind)
{
    unsigned char bytes[ENTRY_RAW_SIZE];
    enum entry_kind seen = (enum entry_kind)0;
    int r;

    memset(bytes, raw, sizeof(bytes));
    r = mirror_unchanged(f->s, 0, id, bytes, &seen, &f->e);
    assert_true(r == STATE_NONE || (r == 0 && seen == kind));
    return r == 0;
}

/* The bytes that an entry came as say what is known of it as long as it is as they said: not
 * once anything else has changed it. */
static void test_same_bytes(void **state)
{
    struct fixture *f = *state;
    const char *const some[] = {"uid=ada,ou=a,dc=t", NULL};
    const struct member eve = {
        .kind = MEMBER_DN, .key = (char *)"uid=eve\ndc=t\n", .text = (char *)"uid=eve,dc=t"};
    size_t n_gone = 0;

    begin(f);
    put(f, entry_new("ou", "ou=a,dc=t", ENTRY_CONTAINER));
    put_raw(f, person("ada", "uid=ada,ou=a,dc=t", "a@t"), 1);
    put_raw(f, group("g", "cn=g,dc=t", some), 2);
    put(f, person("eve", "uid=eve,dc=t", NULL));
    assert_true(unchanged(f, "ada", 1, ENTRY_PERSON));
    assert_true(unchanged(f, "g", 2, ENTRY_GROUP));
    assert_false(unchanged(f, "ada", 2, ENTRY_PERSON));
    assert_false(unchanged(f, "eve", 0, ENTRY_PERSON)); /* it came as nothing that is known */
    assert_false(unchanged(f, "nobody", 1, ENTRY_PERSON));

    /* As it was, by other bytes; and again without any. */
    put_raw(f, person("ada", "uid=ada,ou=a,dc=t", "a@t"), 3);
    assert_false(unchanged(f, "ada", 1, ENTRY_PERSON));
    put(f, person("ada", "uid=ada,ou=a,dc=t", "a@t"));
    assert_true(unchanged(f, "ada", 3, ENTRY_PERSON));
    put(f, person("ada", "uid=ada,ou=a,dc=t", "other@t"));
    assert_false(unchanged(f, "ada", 3, ENTRY_PERSON));

    /* A container takes it along: nobody has shown it where it is now. */
    put_raw(f, person("ada", "uid=ada,ou=a,dc=t", "a@t"), 1);
    put(f, entry_new("ou", "ou=b,dc=t", ENTRY_CONTAINER));
    assert_false(unchanged(f, "ada", 1, ENTRY_PERSON));
    put(f, entry_new("ou", "ou=a,dc=t", ENTRY_CONTAINER));
    assert_false(unchanged(f, "ada", 1, ENTRY_PERSON));

    /* Only the difference of its members came. */
    ok(f, mirror_members(f->s, "g", &eve, 1, NULL, 0, &f->e));
    assert_false(unchanged(f, "g", 2, ENTRY_GROUP));

    /* It is present in the read that shows it so; who is not, is gone, and not known by it. */
    put_raw(f, person("ada", "uid=ada,ou=a,dc=t", "a@t"), 1);
    put_raw(f, person("eve", "uid=eve,dc=t", NULL), 4);
    ok(f, mirror_begin_full(f->s, 0, &f->e));
    assert_true(unchanged(f, "ada", 1, ENTRY_PERSON));
    ok(f, mirror_unseen_left(f->s, 0, "away", 1, &n_gone, &f->e));
    assert_int_equal(n_gone, 3);
    assert_true(unchanged(f, "ada", 1, ENTRY_PERSON));
    assert_false(unchanged(f, "eve", 4, ENTRY_PERSON));
    commit(f);
}

/* What the group named by a row's old DN is settled when it is read again, also unread. */
static void test_same_bytes_settle(void **state)
{
    struct fixture *f = *state;
    const char *const two[] = {"uid=ada,dc=t", "uid=zoe,dc=t", NULL};

    begin(f);
    put(f, person("ada", "uid=ada,dc=t", NULL));
    put_raw(f, group("g", "cn=g,dc=t", two), 1);
    put(f, person("ada", "uid=zoe,dc=t", NULL)); /* a rename to what the group names as well */
    assert_int_equal(stale(f), 1);
    assert_true(unchanged(f, "g", 1, ENTRY_GROUP));
    size_t n_stale = stale(f);
    put(f, group("g", "cn=g,dc=t", two)); /* as a read that decodes it would have it */
    assert_int_equal(n_stale, stale(f));
    commit(f);
}

/* T21: what was committed with a cookie is on disk with it. */
static void test_cookies(void **state)
{
    struct fixture *f = *state;
    void *cookie = NULL;
    char *identity = NULL;
    size_t size = 0;

    assert_int_equal(mirror_cookie_get(f->s, 0, &cookie, &size, &identity, &f->e), STATE_NONE);
    begin(f);
    ok(f, mirror_cookie_set(f->s, 0, "a\0b", 3, "{}", &f->e));
    ok(f, mirror_cookie_set(f->s, 1, "x", 1, "{1}", &f->e));
    ok(f, mirror_cookie_set(f->s, 1, NULL, 0, NULL, &f->e));
    commit(f);
    reopen(f);
    ok(f, mirror_cookie_get(f->s, 0, &cookie, &size, &identity, &f->e));
    assert_int_equal(size, 3);
    assert_memory_equal(cookie, "a\0b", 3);
    assert_string_equal(identity, "{}");
    free(cookie);
    free(identity);
    assert_int_equal(mirror_cookie_get(f->s, 1, &cookie, &size, &identity, &f->e), STATE_NONE);
}

/* That an entry was not there is believed no longer than it is so. */
static void test_absent_until_changed(void **state)
{
    static const unsigned char raw[ENTRY_RAW_SIZE] = "0123456789abcde";
    struct fixture *f = *state;
    enum entry_kind kind;

    for (int round = 0; round < 3; round++) {
        begin(f);
        assert_int_equal(mirror_unchanged(f->s, 0, "ada", raw, &kind, &f->e), STATE_NONE);
        assert_int_equal(put(f, person("ada", "uid=ada,dc=t", NULL)), MIRROR_NEW);
        assert_int_equal(put(f, person("ada", "uid=ada,dc=t", NULL)), MIRROR_SAME);
        if (round < 2)
            state_rollback(f->s);
    }
    commit(f);
    begin(f);
    assert_int_equal(mirror_unchanged(f->s, 0, "eve", raw, &kind, &f->e), STATE_NONE);
    put(f, person("eve", "uid=eve,dc=t", NULL));
    commit(f);
    begin(f);
    assert_int_equal(put(f, person("eve", "uid=eve,dc=t", NULL)), MIRROR_SAME);
    commit(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(test_absent_until_changed),
        test(test_changes),
        test(test_large_group),
        test(test_full_read),
        test(test_number_without_an_entry),
        test(test_kind_changes),
        test(test_kind_changes_to_own_member),
        test(test_looking_up),
        test(test_cookies),
        test(test_same_bytes),
        test(test_same_bytes_settle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
