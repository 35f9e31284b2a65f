/*
 * Groups in the mirror: whom a change of members marks, nesting, renamed branches, references that
 * went stale, members that are hidden.
 */
#include "config.h"

#include "mirror-test.h"

#include "base/digest.h"
#include "model/schema.h"
#include "state/db.h"

static enum bound_state state_of(struct fixture *f, const char *group_dn)
{
    struct bound_groups groups = bind_all(f, &group_dn, 1);
    enum bound_state state = groups.items[0].state;

    bound_groups_done(&groups);
    return state;
}

static void test_members_mark_exactly(void **state)
{
    struct fixture *f = *state;
    const struct member uid = {.kind = MEMBER_LOGIN, .key = (char *)"c", .text = (char *)"c"};

    begin(f);
    for (const char *id = "abcd"; *id; id++) {
        char one[2] = {*id, 0}, dn[32];

        snprintf(dn, sizeof(dn), "uid=%s,dc=t", one);
        put(f, person(one, dn, NULL));
    }
    dirty(f);
    /* T16: a membership changes on the group alone. */
    assert_int_equal(put(f, group("g", "cn=g,dc=t", LIST("uid=a,dc=t", "UID=B, dc=t"))),
                     MIRROR_NEW);
    assert_string_equal(dirty(f), "a b");
    assert_int_equal(put(f, group("g", "cn=g,dc=t", LIST("uid=b,dc=t", "uid=a,dc=t"))),
                     MIRROR_SAME);
    assert_string_equal(dirty(f), "");
    assert_int_equal(put(f, group("g", "cn=g,dc=t", LIST("uid=b,dc=t", "uid:c", "uid=z,dc=t"))),
                     MIRROR_CHANGED);
    assert_string_equal(dirty(f), "a c");
    /* Through nesting: who is below the group that enters. */
    put(f, group("h", "cn=h,dc=t", LIST("uid=d,dc=t", "cn=g,dc=t")));
    assert_string_equal(dirty(f), "b c d");
    assert_string_equal(member_of(f, "b", "cn=h,dc=t"), "cn=g,dc=t");
    assert_string_equal(member_of(f, "d", "cn=H,dc=t"), "+");
    assert_string_equal(member_of(f, "a", "cn=h,dc=t"), "-");
    assert_string_equal(member_of(f, "nobody", "cn=h,dc=t"), "-");
    put(f, group("h", "cn=h,dc=t", LIST("uid=d,dc=t")));
    assert_string_equal(dirty(f), "b c");
    /* Differences. */
    ok(f, mirror_members(f->s, "h", &uid, 1, NULL, 0, &f->e));
    assert_string_equal(dirty(f), "c");
    ok(f, mirror_members(f->s, "h", &uid, 1, NULL, 0, &f->e));
    assert_string_equal(dirty(f), "");
    ok(f, mirror_members(f->s, "h", NULL, 0, &uid, 1, &f->e));
    assert_string_equal(dirty(f), "c");
    assert_int_equal(mirror_members(f->s, "no", &uid, 1, NULL, 0, &f->e), STATE_NONE);
    assert_int_equal(mirror_members(f->s, "a", &uid, 1, NULL, 0, &f->e), STATE_NONE);
    /* After a difference a whole read compares again. */
    assert_int_equal(put(f, group("h", "cn=h,dc=t", LIST("uid=d,dc=t"))), MIRROR_CHANGED);
    assert_string_equal(dirty(f), "");
    CLEANUP(entry_freep) struct entry *stored = stored_group(f, "g");
    assert_int_equal(stored->n_members, 3);
    commit(f);
}

/* T15: the primary group of Active Directory is no value of member. */
static void test_primary_group(void **state)
{
    struct fixture *f = *state;
    struct entry *p = person("a", "cn=a,dc=t", NULL);

    begin(f);
    p->primary_key = strdup("513");
    put(f, p);
    dirty(f);
    put(f, group("g", "cn=domain users,dc=t", LIST("rid:513")));
    assert_string_equal(dirty(f), "a");
    assert_string_equal(member_of(f, "a", "cn=Domain Users,dc=t"), "+");
    p = person("a", "cn=a,dc=t", NULL);
    p->primary_key = strdup("514");
    assert_int_equal(put(f, p), MIRROR_CHANGED);
    assert_string_equal(member_of(f, "a", "cn=domain users,dc=t"), "-");
    commit(f);
}

/* T13: A in B in C in A, and a group that contains itself. */
static void test_cycles(void **state)
{
    struct fixture *f = *state;

    begin(f);
    put(f, person("p", "uid=p,dc=t", NULL));
    put(f, person("q", "uid=q,dc=t", NULL));
    dirty(f);
    put(f, group("a", "cn=a,dc=t", LIST("cn=c,dc=t", "uid=p,dc=t")));
    put(f, group("b", "cn=b,dc=t", LIST("cn=a,dc=t")));
    put(f, group("c", "cn=c,dc=t", LIST("cn=b,dc=t")));
    put(f, group("self", "cn=self,dc=t", LIST("cn=self,dc=t", "uid=q,dc=t")));
    assert_string_equal(dirty(f), "p q");
    assert_string_equal(member_of(f, "p", "cn=a,dc=t"), "+");
    assert_string_equal(member_of(f, "p", "cn=b,dc=t"), "cn=a,dc=t");
    assert_string_equal(member_of(f, "p", "cn=c,dc=t"), "cn=a,dc=t");
    assert_string_equal(member_of(f, "q", "cn=self,dc=t"), "+");
    assert_string_equal(member_of(f, "q", "cn=a,dc=t"), "-");
    ok(f, mirror_gone(f->s, "b", "deleted", 5, &f->e));
    assert_string_equal(dirty(f), "p");
    commit(f);
}

/* T11: deleted, renamed and emptied are three things, and a lost group takes nobody along. */
static void test_bound_groups(void **state)
{
    struct fixture *f = *state;
    struct bound_groups groups;

    begin(f);
    put(f, person("p", "uid=p,dc=t", NULL));
    put(f, person("q", "uid=q,dc=t", NULL));
    assert_int_equal(state_of(f, "cn=g,dc=t"), BOUND_NEVER_SEEN);
    put(f, group("inner", "cn=i,dc=t", LIST("uid=q,dc=t")));
    put(f, group("g", "cn=g,dc=t", LIST("uid=p,dc=t", "cn=i,dc=t")));
    assert_int_equal(state_of(f, "cn=g,dc=t"), BOUND_PRESENT);
    put(f, group("g", "cn=renamed,dc=t", LIST("uid=p,dc=t", "cn=i,dc=t")));
    groups = bind_all(f, LIST("cn=g,dc=t"), 1);
    assert_int_equal(groups.items[0].state, BOUND_RENAMED);
    assert_string_equal(groups.items[0].dn, "cn=renamed,dc=t");
    assert_string_equal(groups.items[0].id, "g");
    assert_int_equal(groups.items[0].n_members, 2);
    bound_groups_done(&groups);
    assert_string_equal(member_of(f, "p", "cn=g,dc=t"), "+");

    /* A nested group that is deleted passes nothing on … */
    dirty(f);
    ok(f, mirror_gone(f->s, "inner", "deleted", 5, &f->e));
    assert_string_equal(dirty(f), "q");
    assert_string_equal(member_of(f, "q", "cn=g,dc=t"), "-");
    /* … but when the rule's own group is gone as well, all stays in doubt. */
    ok(f, mirror_gone(f->s, "g", "deleted", 6, &f->e));
    assert_string_equal(dirty(f), "p q");
    assert_int_equal(state_of(f, "cn=g,dc=t"), BOUND_GONE);
    assert_string_equal(member_of(f, "p", "cn=g,dc=t"), "+");
    assert_string_equal(member_of(f, "q", "cn=g,dc=t"), "cn=i,dc=t");
    ok(f, mirror_forget(f->s, "g", &f->e));
    groups = bind_all(f, LIST("cn=g,dc=t"), 1);
    assert_int_equal(groups.items[0].state, BOUND_GONE);
    assert_string_equal(groups.items[0].dn, "cn=renamed,dc=t");
    bound_groups_done(&groups);
    /* A new group under the configured DN is the one that is meant, unless nobody may be shown.
     */
    struct entry *anew = group("g1", "cn=g,dc=t", LIST("uid=q,dc=t"));
    anew->members_hidden = true;
    put(f, anew);
    assert_int_equal(state_of(f, "cn=g,dc=t"), BOUND_GONE);
    /* Another schema makes other keys, and shows nobody. */
    CLEANUP(schema_freep) struct schema *schema = schema_new();
    ok(f, mirror_use_schema(f->s, schema, &f->e));
    assert_int_equal(state_of(f, "cn=g,dc=t"), BOUND_GONE);
    mirror_drop_schema(f->s, schema);
    ok(f, mirror_gone(f->s, "g1", "deleted", 7, &f->e));
    assert_int_equal(state_of(f, "cn=g,dc=t"), BOUND_GONE);
    put(f, group("g2", "cn=g,dc=t", LIST("uid=q,dc=t")));
    assert_int_equal(state_of(f, "cn=g,dc=t"), BOUND_PRESENT);
    assert_string_equal(member_of(f, "q", "cn=g,dc=t"), "+");
    assert_string_equal(member_of(f, "p", "cn=g,dc=t"), "-");
    commit(f);
    reopen(f);
    begin(f);
    assert_int_equal(state_of(f, "cn=g,dc=t"), BOUND_PRESENT);
    commit(f);
}

/* A new group may name somebody whose name is known, and who is not there. */
static void test_nobody_in_a_new_group(void **state)
{
    struct fixture *f = *state;
    struct mirror_counts counts;

    begin(f);
    put(f, person("p", "uid=p,dc=t", NULL));
    put(f, group("g", "cn=g,dc=t", LIST("uid=p,dc=t", "uid=nobody,dc=t")));
    ok(f, mirror_counts(f->s, &counts, &f->e));
    assert_int_equal(counts.members_unresolved, 1);
    put(f, group("h", "cn=h,dc=t", LIST("uid=p,dc=t", "uid=nobody,dc=t")));
    ok(f, mirror_counts(f->s, &counts, &f->e));
    assert_int_equal(counts.members_unresolved, 2);
    commit(f);
}

/* What was lost against the mirror: "uid:q cn=i,dc=t", as the members say it; keys of people. */
static const char *lost_by(struct fixture *f, struct entry *taken)
{
    static char text[256];
    CLEANUP(entry_freep) struct entry *lost = NULL;

    ok(f, mirror_lost(f->s, taken, &lost, &f->e));
    entry_free(taken);
    text[0] = '\0';
    for (size_t i = 0; lost && i < lost->n_members; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i ? " " : "",
                 lost->members[i].text);
    if (lost && lost->login_key)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "login %s", lost->login_key);
    if (lost && lost->primary_key)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "primary %s",
                 lost->primary_key);
    return text;
}

static struct entry *hiding(struct entry *taken)
{
    taken->members_hidden = true;
    return taken;
}

static size_t hidden_groups(struct fixture *f, const char *group_dn)
{
    struct bound_groups groups = bind_all(f, &group_dn, 1);
    struct string_list dns = {0};
    size_t n;

    ok(f, mirror_hidden_groups(f->s, &groups, &dns, &f->e));
    n = dns.n_items;
    string_list_done(&dns);
    bound_groups_done(&groups);
    return n;
}

/* T70: whom a group hides, it has still; a person may say that they were removed. */
static void test_hidden_members(void **state)
{
    struct fixture *f = *state;
    struct entry *bare;

    begin(f);
    put(f, person("p", "uid=p,dc=t", NULL));
    put(f, person("q", "uid=q,dc=t", NULL));
    put(f, group("inner", "cn=i,dc=t", LIST("uid:q", "uid:nobody", "uid=elsewhere,dc=x")));
    put(f, group("g", "cn=g,dc=t", LIST("uid=p,dc=t", "cn=i,dc=t")));
    dirty(f);
    assert_string_equal(lost_by(f, group("g", "cn=g,dc=t", LIST("uid=p,dc=t"))), "cn=i,dc=t");
    assert_string_equal(lost_by(f, group("g", "cn=g,dc=t", NULL)), "cn=i,dc=t uid=p,dc=t");
    assert_string_equal(lost_by(f, group("inner", "cn=i,dc=t", NULL)), "q");
    assert_string_equal(lost_by(f, group("new", "cn=n,dc=t", NULL)), "");
    bare = entry_new("p", "uid=p,dc=t", ENTRY_PERSON);
    assert_string_equal(lost_by(f, bare), "login p");

    /* Who is shown comes in, nobody leaves. */
    put(f, hiding(group("inner", "cn=i,dc=t", LIST("uid=p,dc=t"))));
    assert_string_equal(dirty(f), "p");
    assert_string_equal(member_of(f, "q", "cn=g,dc=t"), "cn=i,dc=t");
    assert_int_equal(hidden_groups(f, "cn=g,dc=t"), 1);
    assert_int_equal(hidden_groups(f, "cn=i,dc=t"), 1);
    assert_int_equal(hidden_groups(f, "cn=n,dc=t"), 0);
    put(f, hiding(group("inner", "cn=i,dc=t", NULL)));
    assert_string_equal(dirty(f), "");

    /* Seen again, the group has what it shows. */
    put(f, group("inner", "cn=i,dc=t", LIST("uid=p,dc=t")));
    assert_string_equal(dirty(f), "q");
    assert_int_equal(hidden_groups(f, "cn=g,dc=t"), 0);
    assert_int_equal(mirror_believe(f->s, "cn=i,dc=t", &f->e), STATE_NONE);

    put(f, hiding(group("inner", "cn=i,dc=t", NULL)));
    ok(f, mirror_believe(f->s, "CN=I,dc=t", &f->e));
    assert_string_equal(lost_by(f, group("inner", "cn=i,dc=t", NULL)), "");
    put(f, hiding(group("inner", "cn=i,dc=t", NULL)));
    assert_string_equal(dirty(f), "p");
    commit(f);
}

/* T31: an OU is renamed with everybody in it, and the server reports the OU alone. */
static void test_ou_renamed(void **state)
{
    struct fixture *f = *state;
    struct mirror_counts counts;
    const char *members[601] = {0};
    char dns[600][48];
    char *dn = NULL;

    begin(f);
    put(f, entry_new("ou", "ou=old,dc=t", ENTRY_CONTAINER));
    for (int i = 0; i < 600; i++) {
        char id[16];

        snprintf(id, sizeof(id), "p%d", i);
        snprintf(dns[i], sizeof(dns[i]), "uid=p%d\\,x,ou=sub,OU=Old,dc=t", i);
        put(f, person(id, dns[i], NULL));
        members[i] = dns[i];
    }
    put(f, person("other", "uid=other,ou=older,dc=t", NULL));
    put(f, group("g", "cn=g,dc=t", members));
    for (int i = 0; i < 600; i++)
        snprintf(dns[i], sizeof(dns[i]), "uid=p%d\\,x,ou=sub,ou=new,dc=u", i);
    dirty(f);
    commit(f);

    begin(f);
    assert_int_equal(put(f, entry_new("ou", "ou=new,dc=u", ENTRY_CONTAINER)), MIRROR_MOVED);
    ok(f, mirror_counts(f->s, &counts, &f->e));
    assert_int_equal(counts.people, 601);
    assert_int_equal(counts.gone, 0);
    assert_int_equal(counts.members_unresolved, 0);
    assert_int_equal(person_count_dirty(f->s), 600);
    ok(f, mirror_dn(f->s, "p17", &dn, &f->e));
    assert_string_equal(dn, "uid=p17\\,x,ou=sub,ou=new,dc=u");
    free(dn);
    ok(f, mirror_dn(f->s, "other", &dn, &f->e));
    assert_string_equal(dn, "uid=other,ou=older,dc=t");
    free(dn);
    /* The children come with their new DNs: nothing new in that. */
    assert_int_equal(put(f, person("p17", "uid=p17\\,x,ou=sub,ou=new,dc=u", NULL)),
                     MIRROR_SAME);
    /* The group names the old DNs, must be read again, and nobody falls out meanwhile. */
    assert_int_equal(stale(f), 1);
    assert_string_equal(member_of(f, "p17", "cn=g,dc=t"), "+");
    commit(f);
    reopen(f);
    begin(f);
    dirty(f);
    assert_int_equal(stale(f), 1);
    assert_string_equal(member_of(f, "p599", "cn=g,dc=t"), "+");
    put(f, group("g", "cn=g,dc=t", members));
    assert_int_equal(person_count_dirty(f->s), 0);
    assert_int_equal(stale(f), 0);
    assert_string_equal(member_of(f, "p17", "cn=g,dc=t"), "+");
    commit(f);
}

/* Where the server does not repair references, the group that is read again names nobody. */
static void test_stale_without_repair(void **state)
{
    struct fixture *f = *state;

    begin(f);
    put(f, person("a", "uid=a,dc=t", NULL));
    put(f, person("b", "uid=b,dc=t", NULL));
    put(f, group("g", "cn=g,dc=t", LIST("uid=a,dc=t", "uid=b,dc=t")));
    put(f, group("over", "cn=over,dc=t", LIST("cn=g,dc=t")));
    dirty(f);
    put(f, person("a", "uid=a2,dc=t", NULL));
    assert_string_equal(dirty(f), "a");
    assert_string_equal(member_of(f, "a", "cn=g,dc=t"), "+");
    assert_string_equal(member_of(f, "a", "cn=over,dc=t"), "cn=g,dc=t");
    /* Somebody new under the old DN is not the member that the group meant. */
    put(f, person("new", "uid=a,dc=t", NULL));
    assert_string_equal(dirty(f), "new");
    assert_string_equal(member_of(f, "new", "cn=g,dc=t"), "-");
    assert_int_equal(stale(f), 1);
    /* Nor when they are moved on, or end. */
    put(f, person("new", "uid=n,dc=t", NULL));
    assert_string_equal(dirty(f), "new");
    assert_string_equal(member_of(f, "new", "cn=g,dc=t"), "-");
    put(f, person("new", "uid=a,dc=t", NULL));
    assert_string_equal(dirty(f), "new");
    assert_string_equal(member_of(f, "new", "cn=g,dc=t"), "-");
    assert_string_equal(member_of(f, "a", "cn=g,dc=t"), "+");
    /* Read while the server may still be about to repair it: nobody falls out yet. */
    assert_int_equal(put(f, group("g", "cn=g,dc=t", LIST("uid=a,dc=t", "uid=b,dc=t"))),
                     MIRROR_SAME);
    assert_string_equal(dirty(f), "");
    assert_int_equal(stale(f), 1);
    assert_string_equal(member_of(f, "a", "cn=g,dc=t"), "+");
    assert_string_equal(member_of(f, "new", "cn=g,dc=t"), "-");
    ok(f, mirror_stale_end(f->s, "g", &f->e));
    assert_string_equal(dirty(f), "a new");
    assert_int_equal(stale(f), 0);
    assert_string_equal(member_of(f, "a", "cn=g,dc=t"), "-");
    assert_string_equal(member_of(f, "new", "cn=g,dc=t"), "+");
    /* A group that moves stays within its parent, and a person who vanishes makes it stale. */
    put(f, group("g", "cn=moved,dc=t", LIST("uid=a,dc=t", "uid=b,dc=t")));
    assert_string_equal(dirty(f), "");
    assert_string_equal(member_of(f, "b", "cn=over,dc=t"), "cn=moved,dc=t");
    put(f, group("over", "cn=over,dc=t", LIST("cn=moved,dc=t")));
    assert_string_equal(dirty(f), "");
    assert_int_equal(stale(f), 0);
    ok(f, mirror_gone(f->s, "b", "deleted", 9, &f->e));
    assert_int_equal(stale(f), 1);
    put(f, group("g", "cn=moved,dc=t", LIST("uid=a,dc=t")));
    assert_int_equal(stale(f), 0);
    commit(f);
}

/* The server repairs one reference after the other, and two may have changed names. */
static void test_stale_repaired(void **state)
{
    struct fixture *f = *state;

    begin(f);
    put(f, person("a", "uid=a,dc=t", NULL));
    put(f, person("b", "uid=b,dc=t", NULL));
    put(f, group("g", "cn=g,dc=t", LIST("uid=a,dc=t", "uid=b,dc=t")));
    put(f, person("a", "uid=c,dc=t", NULL));
    put(f, person("b", "uid=a,dc=t", NULL));
    dirty(f);
    put(f, group("g", "cn=g,dc=t", LIST("uid=c,dc=t", "uid=b,dc=t")));
    assert_string_equal(dirty(f), "");
    assert_int_equal(stale(f), 1);
    assert_string_equal(member_of(f, "a", "cn=g,dc=t"), "+");
    assert_string_equal(member_of(f, "b", "cn=g,dc=t"), "+");
    put(f, group("g", "cn=g,dc=t", LIST("uid=c,dc=t", "uid=a,dc=t")));
    assert_string_equal(dirty(f), "");
    assert_int_equal(stale(f), 0);
    assert_string_equal(member_of(f, "b", "cn=g,dc=t"), "+");
    /* Removed before anybody repaired it. */
    put(f, person("a", "uid=d,dc=t", NULL));
    dirty(f);
    put(f, group("g", "cn=g,dc=t", LIST("uid=a,dc=t")));
    assert_string_equal(dirty(f), "a");
    assert_int_equal(stale(f), 0);
    ok(f, mirror_stale_end(f->s, "unknown", &f->e));
    commit(f);
}

/* Keys that an older rosterd made are made anew: who was found by them is still found, and the
 * directory is asked for everything once. */
static void test_keys_of_an_older_form(void **state)
{
    static const char ada[] = "member=member=member=member=member=UID\\=Ada,dc=t";
    static const char old[] = "dc=t\nmember=member=member=member=member=uid=ada"
                              "\\5c5c5c5c0a\\5c5c5c0a\\5c5c0a\\5c0a\\0a\n";
    struct fixture *f = *state;
    CLEANUP(freep) char *sql = NULL;
    CLEANUP(schema_freep) struct schema *schema = schema_new();
    CLEANUP(freep) char *json = schema_to_json(schema);
    const struct digest_part of_form_2[] = {{"form 2\n", 7}, {json, strlen(json)}};
    char names[DIGEST_TEXT_SIZE];
    void *cookie = NULL;
    char *identity = NULL;
    size_t size = 0;

    assert_true(asprintf(&sql,
                         "UPDATE name SET key = '%s' WHERE kind = 1 AND text = '%s'", old, ada) > 0);
    begin(f);
    ok(f, mirror_use_schema(f->s, schema, &f->e));
    put(f, person("ada", ada, NULL));
    put(f, person("eve", "uid=eve,dc=t", NULL));
    put(f, group("g", "cn=g,dc=t", LIST(ada, "uid=eve,dc=t")));
    ok(f, mirror_cookie_set(f->s, 0, "x", 1, "{}", &f->e));
    assert_int_equal(digest_parts(names, of_form_2, ARRAY_SIZE(of_form_2)), 0);
    ok(f, state_meta_set(f->s, "names", names, &f->e));
    commit(f);
    assert_int_equal(sqlite3_exec(f->s->db, sql, NULL, NULL, NULL), SQLITE_OK);
    reopen(f);
    begin(f);
    assert_string_equal(member_of(f, "ada", "cn=g,dc=t"), "+");
    dirty(f);
    ok(f, mirror_use_schema(f->s, schema, &f->e));
    assert_string_equal(dirty(f), "ada eve");
    assert_string_equal(member_of(f, "ada", "cn=g,dc=t"), "+");
    assert_string_equal(member_of(f, "eve", "cn=g,dc=t"), "+");
    assert_int_equal(mirror_cookie_get(f->s, 0, &cookie, &size, &identity, &f->e), STATE_NONE);
    /* Read again, nobody has left or entered; and the second start has nothing to do. */
    put(f, group("g", "cn=g,dc=t", LIST(ada, "uid=eve,dc=t")));
    assert_int_equal(stale(f), 0);
    assert_string_equal(dirty(f), "");
    commit(f);
    reopen(f);
    begin(f);
    ok(f, mirror_use_schema(f->s, schema, &f->e));
    assert_string_equal(dirty(f), "");
    commit(f);
    mirror_drop_schema(f->s, schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(test_members_mark_exactly),
        test(test_primary_group),
        test(test_cycles),
        test(test_bound_groups),
        test(test_ou_renamed),
        test(test_stale_without_repair),
        test(test_stale_repaired),
        test(test_hidden_members),
        test(test_nobody_in_a_new_group),
        test(test_keys_of_an_older_form),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
