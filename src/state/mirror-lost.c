/*
 * What the mirror knows of an entry and a read does not show any more. To an account that has
 * lost the right to see members a group looks as if they had been removed; which of both it is,
 * whoever reads has to ask before the entry is stored. Members that mean nobody who is there are
 * left out, since nothing follows from them. And what a message has less of than the mirror.
 */
#include "config.h"

#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "model/dn.h"
#include "state/mirror-internal.h"

/* Is there anybody whom this member means? */
static int means_somebody(struct state *s, const struct member *m, bool *ret, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    const char *sql = NULL;
    int r;

    switch (m->kind) {
    case MEMBER_DN:
        sql = "SELECT 1 FROM name a CROSS JOIN entry e ON e.name_n = a.n WHERE a.kind = 1 AND "
              "a.key = ?1 AND e.gone_usec = 0 AND e.kind IN (1, 2)";
        break;
    case MEMBER_LOGIN:
        sql = "SELECT 1 FROM entry WHERE login_key = ?1 AND gone_usec = 0 UNION ALL "
              "SELECT 1 FROM entry_login l CROSS JOIN entry p ON p.n = l.n WHERE l.key = ?1 AND "
              "p.gone_usec = 0";
        break;
    case MEMBER_PRIMARY:
        sql = "SELECT 1 FROM entry INDEXED BY entry_primary_key WHERE primary_key = ?1 AND "
              "gone_usec = 0 AND kind = 1";
        break;
    }
    r = stmt_query(&q, s, sql, WITH(as_text(m->key)), e);
    *ret = r == STMT_ROW;
    return r < 0 ? r : 0;
}

/* Who had this name, and has another one since: the group may name them by that. *ret: somebody
 * has. Then it is asked about both names, since the server may repair the group only later. */
static int add_moved(struct state *s, int64_t group_n, int64_t name_n, const struct entry *entry,
                     struct entry *ret, bool *ret_any, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s,
                       "SELECT a.key, " ENTRY_DN " FROM stale t CROSS JOIN entry e ON "
                       "e.n = t.entry_n CROSS JOIN name a ON a.n = e.name_n WHERE t.group_n = ?1 "
                       "AND t.name_n = ?2 AND e.gone_usec = 0 AND e.kind IN (1, 2)",
                       WITH(as_int(group_n), as_int(name_n)), e);
    for (; r == STMT_ROW; r = stmt_step(q, e)) {
        struct member now = {
            .kind = MEMBER_DN, .key = (char *)stmt_text(q, 0), .text = (char *)stmt_text(q, 1)};

        if (member_among(entry->members, entry->n_members, now.kind, now.key))
            continue;
        *ret_any = true;
        if (entry_add_member(ret, now.kind, now.key, now.text) < 0)
            return error_out_of_memory(e);
    }
    return r;
}

static int is_stale(struct state *s, int64_t group_n, bool *ret, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s, "SELECT 1 FROM stale WHERE group_n = ?1 LIMIT 1",
                       WITH(as_int(group_n)), e);
    *ret = r == STMT_ROW;
    return r < 0 ? r : 0;
}

static int lost_members(struct state *s, int64_t n, const struct entry *entry, struct entry *ret,
                        struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    bool stale = false;
    int r = is_stale(s, n, &stale, e);

    if (r == 0)
        r = stmt_query(&q, s, "SELECT m.kind, a.key, " MEMBER_TEXT ", m.name_n " MEMBERS_OF_GROUP,
                       WITH(as_int(n)), e);
    for (; r == STMT_ROW; r = stmt_step(q, e)) {
        struct member m = {.kind = (enum member_kind)stmt_int(q, 0),
                           .key = (char *)stmt_text(q, 1)};
        bool somebody = false;

        if (member_among(entry->members, entry->n_members, m.kind, m.key))
            continue;
        m.text = (char *)stmt_text(q, 2);
        r = means_somebody(s, &m, &somebody, e);
        if (r == 0 && stale && m.kind == MEMBER_DN)
            r = add_moved(s, n, stmt_int(q, 3), entry, ret, &somebody, e);
        if (r == 0 && somebody && entry_add_member(ret, m.kind, m.key, m.text) < 0)
            r = error_out_of_memory(e);
        if (r < 0)
            return r;
    }
    return r;
}

static int other_logins(struct state *s, int64_t n, struct entry *ret, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s, "SELECT key FROM entry_login WHERE n = ?1", WITH(as_int(n)), e);
    for (; r == STMT_ROW; r = stmt_step(q, e))
        if (entry_take_login_key(ret, strdup(stmt_text(q, 0))) < 0)
            return error_out_of_memory(e);
    return r;
}

static int lost_keys(struct state *s, struct stmt *row, const struct entry *entry,
                     struct entry *ret, struct error *e)
{
    const char *login = stmt_text(row, 3), *primary = stmt_text(row, 4);
    int r = 0;

    if (!entry->primary_key && primary && !(ret->primary_key = strdup(primary)))
        return error_out_of_memory(e);
    if (!entry->login_key && login) {
        if (entry_take_login_key(ret, strdup(login)) < 0)
            return error_out_of_memory(e);
        r = other_logins(s, stmt_int(row, 0), ret, e);
    }
    return r;
}

int mirror_lost(struct state *s, const struct entry *entry, struct entry **ret, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    CLEANUP(entry_freep) struct entry *lost = NULL;
    bool group = entry->kind == ENTRY_GROUP;
    int r;

    *ret = NULL;
    if (!group && (entry->kind != ENTRY_PERSON || (entry->login_key && entry->primary_key)))
        return 0;
    if (absent_is(s, entry->id))
        return 0;
    r = stmt_query(
        &q, s,
        "SELECT n, kind, members_digest, login_key, primary_key FROM entry WHERE n = " NUMBER_OF,
        WITH(as_id(entry->id)), e);
    if (r != STMT_ROW)
        return r;
    if (stmt_int(q, 1) != (int64_t)entry->kind || text_equal(stmt_text(q, 2), MEMBERS_BELIEVED))
        return 0;
    lost = entry_new(entry->id, entry->dn, entry->kind);
    if (!lost)
        return error_out_of_memory(e);
    r = group ? lost_members(s, stmt_int(q, 0), entry, lost, e) : lost_keys(s, q, entry, lost, e);
    if (r < 0 || (lost->n_members == 0 && !lost->login_key && !lost->primary_key))
        return r;
    entry_sort(lost);
    *ret = TAKE(lost);
    return r;
}

bool members_are_compared(const struct state *s, int64_t group_n, const struct member *members,
                          size_t n)
{
    const struct compared *c = &s->compared;
    size_t n_marked = 0;

    if (c->group_n != group_n || c->changes != sqlite3_total_changes(s->db) ||
        c->epoch != s->trail.epoch)
        return false;
    for (size_t i = 0; i < n; i++)
        n_marked += members[i].compared == c->number;
    return n_marked == c->n_stored;
}

/* Of which each is in the entry once: where there are more, one is lacking. Where none is,
 * whoever stores the entry need not compare them again. */
static int lacks_member(struct state *s, int64_t n, const struct entry *entry, bool *ret,
                        struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *all = NULL, *q = NULL;
    int r =
        stmt_query(&all, s, "SELECT count(*) FROM member WHERE group_n = ?1", WITH(as_int(n)), e);

    *ret = r == STMT_ROW && (size_t)stmt_int(all, 0) > entry->n_members;
    if (r < 0 || *ret)
        return r < 0 ? r : 0;
    s->compared = (struct compared){.number = s->compared.number + 1};
    r = stmt_query(&q, s, "SELECT m.kind, a.key " MEMBERS_OF_GROUP, WITH(as_int(n)), e);
    for (; r == STMT_ROW; r = stmt_step(q, e)) {
        const struct member *same = member_among(entry->members, entry->n_members,
                                                 (enum member_kind)stmt_int(q, 0), stmt_text(q, 1));

        if (!same) {
            *ret = true;
            return 0;
        }
        entry->members[same - entry->members].compared = s->compared.number;
        s->compared.n_stored++;
    }
    if (r < 0)
        return r;
    s->compared.group_n = n;
    s->compared.changes = sqlite3_total_changes(s->db);
    s->compared.epoch = s->trail.epoch;
    return 0;
}

static const char *first_lacking(const struct entry *stored, const struct entry *entry)
{
    for (size_t i = 0; i < stored->n_attributes; i++) {
        const struct attribute *a = &stored->attributes[i];
        const struct attribute *now = entry_attribute(entry, a->name);

        if ((!now || now->n_values < a->n_values) && !text_equal(a->name, ENTRY_UNREADABLE))
            return a->name;
    }
    return NULL;
}

int mirror_lacking(struct state *s, const struct entry *entry, char **ret, struct error *e)
{
    CLEANUP(mirror_entry_done) struct mirror_entry m = {0};
    const char *name;
    int64_t n = 0;
    bool lacks = false;
    int r;

    *ret = NULL;
    if (absent_is(s, entry->id))
        return 0; /* as most who appear: nothing is stored that they could lack */
    r = mirror_load(s, entry->id, &m, e);
    if (r < 0 || r == STATE_NONE || m.gone || m.entry->kind != entry->kind)
        return r < 0 ? r : 0;
    name = first_lacking(m.entry, entry);
    if (!name && entry->kind == ENTRY_GROUP) {
        r = identity_find(s, entry->id, &n, e);
        if (r == 0)
            r = lacks_member(s, n, entry, &lacks, e);
        if (r < 0)
            return r;
        name = lacks ? "member" : NULL;
    }
    if (name && !(*ret = strdup(name)))
        return error_out_of_memory(e);
    return !name && entry->kind == ENTRY_GROUP ? MIRROR_ALL_SHOWN : 0;
}

int mirror_believe(struct state *s, const char *dn, struct error *e)
{
    CLEANUP(freep) char *key = NULL;
    int r = dn_key(s->schema, dn, &key, e);

    if (r == 0)
        r = db_write(s,
                     "UPDATE entry SET members_digest = 'believed', raw = NULL WHERE "
                     "name_n = (SELECT a.n FROM name a WHERE a.kind = 1 AND a.key = ?1) AND "
                     "kind = 2 AND substr(members_digest, 1, 6) = 'hidden'",
                     WITH(as_text(key)), e);
    if (r < 0)
        return r;
    return sqlite3_changes(s->db) > 0 ? 0 : STATE_NONE;
}
