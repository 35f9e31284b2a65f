/* The mirror: changes, members, moves, membership, absence. */
#include "config.h"

#include <errno.h>

#include "base/text.h"
#include "model/dn.h"
#include "state-fixture.h"
#include "state/mirror.h"
#include "state/person.h"

static struct entry *person(const char *id, const char *dn, const char *mail)
{
    struct entry *e = entry_new(id, dn, ENTRY_PERSON);

    assert_non_null(e);
    assert_int_equal(entry_add_value(e, "uid", id, strlen(id)), 0);
    if (mail)
        assert_int_equal(entry_add_value(e, "mail", mail, strlen(mail)), 0);
    e->login_key = text_fold(id, strlen(id));
    entry_sort(e);
    return e;
}

/* members: DNs, or "uid:NAME", or "rid:NUMBER"; NULL ends them. */
static struct entry *group(const char *id, const char *dn, const char *const *members)
{
    struct entry *e = entry_new(id, dn, ENTRY_GROUP);

    assert_non_null(e);
    for (; members && *members; members++) {
        CLEANUP(freep) char *key = NULL;

        if (strncmp(*members, "uid:", 4) == 0)
            assert_int_equal(entry_add_member(e, MEMBER_LOGIN, *members + 4, *members + 4), 0);
        else if (strncmp(*members, "rid:", 4) == 0)
            assert_int_equal(entry_add_member(e, MEMBER_PRIMARY, *members + 4, *members + 4),
                             0);
        else {
            assert_int_equal(dn_key(NULL, *members, &key, NULL), 0);
            assert_int_equal(entry_add_member(e, MEMBER_DN, key, *members), 0);
        }
    }
    entry_sort(e);
    return e;
}

static unsigned put(struct fixture *f, struct entry *taken)
{
    unsigned changes = 99;

    ok(f, mirror_put(f->s, 0, taken, &changes, &f->e));
    entry_free(taken);
    return changes;
}

/* Takes all marks away and gives them as "a b c", sorted. */
static const char *dirty(struct fixture *f)
{
    static char text[512];
    struct string_list ids = {0};

    ok(f, mirror_mark_below(f->s, &f->e));
    ok(f, person_next_dirty(f->s, SIZE_MAX, &ids, NULL, &f->e));
    assert_int_equal(ids.n_items, person_count_dirty(f->s));
    text[0] = '\0';
    for (size_t i = 0; i < ids.n_items; i++)
        for (size_t k = i + 1; k < ids.n_items; k++)
            if (strcmp(ids.items[k], ids.items[i]) < 0) {
                char *swap = ids.items[i];
                ids.items[i] = ids.items[k];
                ids.items[k] = swap;
            }
    for (size_t i = 0; i < ids.n_items; i++) {
        size_t used = strlen(text);

        snprintf(text + used, sizeof(text) - used, "%s%s", i ? " " : "", ids.items[i]);
        ok(f, person_store(f->s, &(struct person){.entry_id = ids.items[i]}, &f->e));
    }
    string_list_done(&ids);
    return text;
}

static struct bound_groups bind_all(struct fixture *f, const char *const *dns, size_t n)
{
    struct bound_groups groups = {0};
    char **keys = calloc(n, sizeof(*keys));

    assert_non_null(keys);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(dn_key(NULL, dns[i], &keys[i], NULL), 0);
    ok(f, mirror_bind_groups(f->s, (const char *const *)keys, n, &groups, &f->e));
    assert_int_equal(groups.n_items, n);
    for (size_t i = 0; i < n; i++)
        free(keys[i]);
    free(keys);
    return groups;
}

/* "-": not a member; "+": directly; else the DN through which. */
static const char *member_of(struct fixture *f, const char *person_id, const char *group_dn)
{
    static char text[128];
    struct bound_groups groups = bind_all(f, &group_dn, 1);
    struct mirror_membership m = {0};

    ok(f, mirror_memberships(f->s, person_id, &groups, &m, &f->e));
    snprintf(text, sizeof(text), "%s", !m.member ? "-" : m.via ? m.via : "+");
    mirror_memberships_done(&m, 1);
    bound_groups_done(&groups);
    return text;
}

static enum bound_state state_of(struct fixture *f, const char *group_dn)
{
    struct bound_groups groups = bind_all(f, &group_dn, 1);
    enum bound_state state = groups.items[0].state;

    bound_groups_done(&groups);
    return state;
}

static size_t stale(struct fixture *f)
{
    struct string_list ids = {0};
    size_t n;

    ok(f, mirror_stale_groups(f->s, &ids, &f->e));
    n = ids.n_items;
    string_list_done(&ids);
    return n;
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

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
    ok(f, mirror_load(f->s, "a", true, &m, &f->e));
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
    assert_int_equal(mirror_load(f->s, "a", false, &m, &f->e), STATE_NONE);
    assert_int_equal(mirror_dn(f->s, "a", &dn, &f->e), STATE_NONE);
    commit(f);
}

static void test_members_mark_exactly(void **state)
{
    struct fixture *f = *state;
    struct mirror_entry m = {0};
    const struct member uid = {MEMBER_LOGIN, (char *)"c", (char *)"c"};

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
    ok(f, mirror_load(f->s, "g", true, &m, &f->e));
    assert_int_equal(m.entry->n_members, 3);
    mirror_entry_done(&m);
    ok(f, mirror_load(f->s, "g", false, &m, &f->e));
    assert_int_equal(m.entry->n_members, 0);
    mirror_entry_done(&m);
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
    /* A new group under the configured DN is the one that is meant. */
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

static void test_kind_changes(void **state)
{
    struct fixture *f = *state;

    begin(f);
    put(f, person("a", "uid=a,dc=t", NULL));
    put(f, group("g", "cn=g,dc=t", LIST("uid=a,dc=t")));
    dirty(f);
    assert_int_equal(put(f, person("g", "cn=g,dc=t", NULL)), MIRROR_NEW);
    assert_string_equal(dirty(f), "a g");
    assert_int_equal(put(f, group("g", "cn=g,dc=t", LIST("uid=a,dc=t"))), MIRROR_NEW);
    assert_string_equal(dirty(f), "a g");
    assert_string_equal(member_of(f, "a", "cn=g,dc=t"), "+");
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
    size_t n[4];

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
    ok(f, mirror_attribute_counts(f->s, &attributes, n, &f->e));
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
    const struct member eve = {MEMBER_DN, (char *)"uid=eve\ndc=t\n", (char *)"uid=eve,dc=t"};
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(test_changes),      test(test_members_mark_exactly), test(test_primary_group),
        test(test_cycles),       test(test_bound_groups),         test(test_ou_renamed),
        test(test_full_read),    test(test_stale_without_repair), test(test_stale_repaired),
        test(test_kind_changes), test(test_looking_up),           test(test_cookies),
        test(test_same_bytes),   test(test_same_bytes_settle),
        test(test_hidden_members),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
