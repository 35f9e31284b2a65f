/*
 * What the tests of the mirror share.
 */
#pragma once
#include <errno.h>

#include "base/text.h"
#include "model/dn.h"
#include "state-fixture.h"
#include "state/mirror.h"
#include "state/person.h"
#include "state/round.h"
#include "stored-group.h"

static inline struct entry *person(const char *id, const char *dn, const char *mail)
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
static inline struct entry *group(const char *id, const char *dn, const char *const *members)
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

static inline unsigned put(struct fixture *f, struct entry *taken)
{
    unsigned changes = 99;

    ok(f, mirror_put(f->s, 0, taken, &changes, &f->e));
    entry_free(taken);
    return changes;
}

/* Takes all marks away and gives them as "a b c", sorted. */
static inline const char *dirty(struct fixture *f)
{
    static char text[512];
    int64_t numbers[64];
    struct string_list ids = {0};

    ok(f, mirror_mark_below(f->s, &f->e));
    ok(f, person_next_dirty(f->s, SIZE_MAX, &ids, &f->e));
    if (!round_is_on(f->s))
        assert_int_equal(ids.n_items, person_count_dirty(f->s));
    for (bool more = true; more;)
        ok(f, round_next(f->s, ARRAY_SIZE(numbers), &ids, numbers, &more, &f->e));
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

static inline struct bound_groups bind_all(struct fixture *f, const char *const *dns, size_t n)
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
static inline const char *member_of(struct fixture *f, const char *person_id, const char *group_dn)
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

static inline size_t stale(struct fixture *f)
{
    struct string_list ids = {0};
    size_t n;

    ok(f, mirror_stale_groups(f->s, &ids, &f->e));
    n = ids.n_items;
    string_list_done(&ids);
    return n;
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})
