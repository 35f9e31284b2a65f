/*
 * Writing the mirror: what a feed shows. An entry that is as it was costs one look and one digest,
 * and no write.
 */
#include "config.h"

#include "state/mirror.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "model/dn.h"
#include "state/mirror-internal.h"

/* Over everything that the row holds, each part with its size in front, so that no two entries
 * give the same bytes. */
static int content_digest(struct state *s, const struct entry *entry,
                          unsigned char ret[static CONTENT_SIZE], struct error *e)
{
    struct buffer *b = &s->scratch;
    unsigned char whole[DIGEST_SIZE] = {0};
    int r;

    buffer_clear(b);
    for (size_t i = 0; i < entry->n_attributes; i++) {
        const struct attribute *a = &entry->attributes[i];

        buffer_add(b, a->name, strlen(a->name) + 1);
        buffer_add(b, &a->n_values, sizeof(a->n_values));
        for (size_t k = 0; k < a->n_values; k++) {
            uint64_t head[2] = {a->values[k].size, a->values[k].state};

            buffer_add(b, head, sizeof(head));
            if (a->values[k].state != VALUE_TOO_LARGE)
                buffer_add(b, a->values[k].data, a->values[k].size);
        }
    }
    /* 0xff is in no UTF-8 text, so an absent key is told from every present one. */
    buffer_add_text(b, entry->login_key ? entry->login_key : "\xff");
    buffer_add(b, "", 1);
    buffer_add_text(b, entry->primary_key ? entry->primary_key : "\xff");
    for (size_t i = 0; i < entry->other_login_keys.n_items; i++)
        buffer_add(b, entry->other_login_keys.items[i],
                   strlen(entry->other_login_keys.items[i]) + 1);
    if (b->failed)
        return error_out_of_memory(e);
    r = digest_raw(whole, &(struct digest_part){b->data, b->size}, 1);
    memcpy(ret, whole, CONTENT_SIZE);
    return r < 0 ? error_set(e, r, "SHA-256 failed") : 0;
}

static int members_digest(struct state *s, const struct entry *entry,
                          char ret[static DIGEST_TEXT_SIZE], struct error *e)
{
    struct buffer *b = &s->scratch;
    int r;

    ret[0] = '\0';
    if (entry->kind != ENTRY_GROUP)
        return 0;
    buffer_clear(b);
    for (size_t i = 0; i < entry->n_members; i++) {
        char kind = (char)('0' + entry->members[i].kind);

        buffer_add(b, &kind, 1);
        buffer_add(b, entry->members[i].key, strlen(entry->members[i].key) + 1);
    }
    if (b->failed)
        return error_out_of_memory(e);
    r = digest_parts(ret, &(struct digest_part){b->data, b->size}, 1);
    if (r == 0 && entry->members_hidden)
        memcpy(ret, MEMBERS_HIDDEN, sizeof(MEMBERS_HIDDEN) - 1);
    return r < 0 ? error_set(e, r, "SHA-256 failed") : 0;
}

/* An entry on its way into the mirror. */
struct put {
    const struct entry *entry;
    int64_t searches; /* those that hold it from now on */
    unsigned char digest[CONTENT_SIZE];
    char members[DIGEST_TEXT_SIZE];
    bool same_content, same_members;
    bool same_keys;   /* of those by which it is found, besides its name */
    bool only_values; /* nothing else of the row differs */
    char *mail_key;
    bool compared; /* its members were, just before */
    bool believed; /* what the group shows is all that it has: a person says so */
    char *key;
    struct name name; /* of the key, and the DN if the name is spelt otherwise */
    const char *own_dn;
    struct entry_row old;
    unsigned changes;
};

static void put_done(struct put *p)
{
    free(p->key);
    free(p->mail_key);
    entry_row_done(&p->old);
}

/* The digest of the bytes that it came as is written only where another one is there. */
static int put_raw(struct state *s, int64_t n, const struct entry *entry, struct error *e)
{
    return db_write(s, "UPDATE entry SET raw = ?2 WHERE n = ?1",
                    WITH(as_int(n), as_blob(entry->raw, sizeof(entry->raw))), e);
}

static_assert(CONTENT_SIZE == ENTRY_RAW_SIZE, "digest_is() compares both");

static bool digest_is(struct stmt *q, int column, const unsigned char digest[static CONTENT_SIZE])
{
    return stmt_size(q, column) == CONTENT_SIZE &&
           memcmp(sqlite3_column_blob(q->handle, column), digest, CONTENT_SIZE) == 0;
}

static int put_mail_key(struct put *p, struct error *e)
{
    const char *mail = p->entry->kind == ENTRY_PERSON ? entry_text(p->entry, "mail") : NULL;

    p->mail_key = mail ? text_fold(mail, strlen(mail)) : NULL;
    return mail && !p->mail_key ? error_out_of_memory(e) : 0;
}

/* 1: the row is there and all as it was; 0: `old` is filled, with n 0 when there is none. */
static int put_compare(struct state *s, struct put *p, int64_t *ret_n, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = content_digest(s, p->entry, p->digest, e);

    if (r == 0)
        r = members_digest(s, p->entry, p->members, e);
    if (r == 0)
        r = put_mail_key(p, e);
    if (r == 0 && absent_is(s, p->entry->id))
        return 0;
    if (r == 0)
        r = stmt_query(&q, s, ENTRY_ROW, WITH(as_id(p->entry->id)), e);
    if (r != STMT_ROW)
        return r;
    *ret_n = stmt_int(q, 0);
    p->same_content = digest_is(q, 5, p->digest);
    p->same_keys = text_equal(stmt_text(q, 10), p->entry->login_key) &&
                   text_equal(stmt_text(q, 11), p->entry->primary_key) &&
                   text_equal(stmt_text(q, 12), p->mail_key);
    p->same_members = strcmp(stmt_text(q, 6), p->members) == 0;
    p->believed = strcmp(stmt_text(q, 6), MEMBERS_BELIEVED) == 0;
    if (p->same_content && p->same_members && stmt_int(q, 3) == 0 &&
        stmt_int(q, 1) == (int64_t)p->entry->kind &&
        (stmt_int(q, 2) | p->searches) == stmt_int(q, 2) &&
        strcmp(stmt_text(q, 4), p->entry->dn) == 0) {
        if (p->entry->has_raw && !digest_is(q, 8, p->entry->raw))
            r = put_raw(s, *ret_n, p->entry, e);
        return r < 0 ? r : 1;
    }
    p->compared = members_are_compared(s, *ret_n, p->entry->members, p->entry->n_members);
    return entry_row_read(q, &p->old, e);
}

static const char insert_row[] =
    "INSERT INTO entry(n, dn, kind, searches, digest, members_digest, gone_usec, gone_why, "
    "name_n, raw, login_key, primary_key, mail_key, shape, attributes) "
    "VALUES(?1, ?2, ?3, ?4, ?5, ?6, 0, NULL, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
static const char update_row[] =
    "UPDATE entry SET dn = ?2, kind = ?3, searches = ?4, digest = ?5, members_digest = ?6, "
    "gone_usec = 0, gone_why = NULL, name_n = ?7, raw = ?8, login_key = ?9, primary_key = ?10, "
    "mail_key = ?11, shape = ?12, attributes = ?13 WHERE n = ?1";
/* No index is touched but that of the shape. */
static const char update_values[] =
    "UPDATE entry SET digest = ?5, members_digest = ?6, gone_why = NULL, raw = ?8, shape = ?12, "
    "attributes = ?13 WHERE n = ?1";
/* Most often only members or the DN differ, and the rest need not be written again. */
static const char update_head[] =
    "UPDATE entry SET dn = ?2, kind = ?3, searches = ?4, digest = ?5, members_digest = ?6, "
    "gone_usec = 0, gone_why = NULL, name_n = ?7, raw = ?8 WHERE n = ?1";

static int put_write(struct state *s, struct put *p, int64_t n, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    CLEANUP(freep) char *attributes = NULL;
    const struct entry *entry = p->entry;
    bool whole = p->old.n == 0 || !p->same_content || p->old.kind != entry->kind;
    int64_t shape = 0;
    int r = stmt_prepare(&q, s,
                         !whole           ? update_head
                         : p->old.n == 0  ? insert_row
                         : p->only_values ? update_values
                                          : update_row,
                         e);

    if (r < 0)
        return r;
    stmt_bind_int(q, 1, n);
    stmt_bind_text(q, 2, p->own_dn);
    stmt_bind_int(q, 3, entry->kind);
    stmt_bind_int(q, 4, p->searches);
    stmt_bind_blob(q, 5, p->digest, sizeof(p->digest));
    stmt_bind_text(q, 6, p->members);
    stmt_bind_int(q, 7, p->name.n);
    if (entry->has_raw)
        stmt_bind_blob(q, 8, entry->raw, sizeof(entry->raw));
    else
        stmt_bind_text(q, 8, NULL);
    if (!whole)
        return stmt_run(q, e);
    attributes = entry_attributes_to_json(entry);
    if (!attributes)
        return error_out_of_memory(e);
    r = shape_get(s, entry, &shape, e);
    if (r < 0)
        return r;
    stmt_bind_text(q, 9, entry->login_key);
    stmt_bind_text(q, 10, entry->primary_key);
    stmt_bind_text(q, 11, p->mail_key);
    stmt_bind_int(q, 12, shape);
    stmt_bind_text(q, 13, attributes);
    return stmt_run(q, e);
}

/* The row was of another kind: what it meant as such ends. */
static int put_end_old_kind(struct state *s, const struct entry_row *old, struct error *e)
{
    int r = 0;

    if (old->kind == ENTRY_GROUP) {
        r = dirty_below(s, old->n, e);
        if (r == 0)
            r = members_drop(s, old->n, e);
    } else if (old->kind == ENTRY_PERSON)
        r = later_mark(s, old->n, e);
    return r;
}

/* Nothing may go between this and put_write(): a name goes with the last row that has it. */
static int put_name(struct state *s, struct put *p, struct error *e)
{
    int r = (p->old.n ? name_get : name_add)(s, MEMBER_DN, p->key, p->entry->dn, &p->name, e);

    p->own_dn = p->name.as_spelt ? NULL : p->entry->dn;
    return r;
}

static int put_known(struct state *s, struct put *p, struct error *e)
{
    bool moved = strcmp(p->old.dn_key, p->key) != 0;
    int r = 0;

    if (!p->old.gone)
        p->searches |= p->old.searches;
    if (p->old.kind != p->entry->kind) {
        p->changes |= MIRROR_OTHER_KIND;
        r = put_end_old_kind(s, &p->old, e);
    } else if (!p->same_content || !p->same_members ||
               (!moved && strcmp(p->old.dn, p->entry->dn) != 0))
        p->changes |= MIRROR_CHANGED;
    if (p->old.gone)
        p->changes |= MIRROR_RETURNED;
    if (p->old.gone || moved)
        unresolved_note_entry(s, p->old.n);
    if (p->old.kind != p->entry->kind || (p->old.gone && p->entry->kind == ENTRY_GROUP))
        unresolved_forget(s); /* all its members */
    p->only_values = p->changes == MIRROR_CHANGED && !p->same_content && p->same_keys && !moved &&
                     p->searches == p->old.searches && strcmp(p->old.dn, p->entry->dn) == 0;
    if (r == 0 && !p->only_values)
        r = put_name(s, p, e);
    if (r == 0 && moved && !p->name.is_new)
        unresolved_note(s, p->name.n);
    if (r < 0 || !moved)
        return r < 0 ? r : put_write(s, p, p->old.n, e);
    p->changes |= MIRROR_MOVED;
    r = stale_note(s, p->old.n, e);
    if (r == 0)
        r = twins_dirty(s, p->old.n, e);
    if (r == 0)
        r = put_write(s, p, p->old.n, e);
    if (r == 0)
        r = move_below(s, p->old.dn_key, p->key, p->entry->dn, e);
    if (r == 0 && p->entry->kind == ENTRY_GROUP)
        r = dirty_if_named(s, p->old.n, p->name.n, e);
    return r;
}

/* Most entries have one login and no rows here. */
static int put_other_logins(struct state *s, const struct put *p, int64_t n, struct error *e)
{
    const struct string_list *keys = &p->entry->other_login_keys;
    int r = p->old.n ? db_write(s, "DELETE FROM entry_login WHERE n = ?1", WITH(as_int(n)), e) : 0;

    for (size_t i = 0; r == 0 && i < keys->n_items; i++) {
        r = db_write(s, "INSERT INTO entry_login(n, key) VALUES(?1, ?2)",
                     WITH(as_int(n), as_text(keys->items[i])), e);
    }
    return r;
}

static int put_members(struct state *s, const struct put *p, int64_t n, struct error *e)
{
    const struct member *members = p->entry->members;
    size_t n_members = p->entry->n_members;

    if (!p->old.n)
        return members_put(s, n, members, n_members, e);
    if (p->entry->members_hidden && !p->believed)
        return members_add(s, n, members, n_members, e);
    return members_replace(s, n, members, n_members, p->compared && p->changes == MIRROR_CHANGED,
                           e);
}

/* Who is affected, once the row is written. */
static int put_consequences(struct state *s, const struct put *p, int64_t n, struct error *e)
{
    int r = 0;

    if (p->changes & (MIRROR_NEW | MIRROR_OTHER_KIND | MIRROR_MOVED | MIRROR_RETURNED) &&
        !p->name.is_new)
        r = twins_dirty(s, n, e);
    if (r < 0)
        return r;
    switch (p->entry->kind) {
    case ENTRY_PERSON:
        if (p->changes != MIRROR_SAME)
            r = later_mark(s, n, e);
        break;
    case ENTRY_GROUP:
        if (!p->same_members || (p->changes & (MIRROR_NEW | MIRROR_OTHER_KIND)))
            r = put_members(s, p, n, e);
        if (r == 0 && (p->changes & MIRROR_RETURNED))
            r = dirty_below(s, n, e);
        break;
    case ENTRY_CONTAINER: break;
    }
    return r;
}

int mirror_put(struct state *s, unsigned search, const struct entry *entry, unsigned *ret_changes,
               struct error *e)
{
    CLEANUP(put_done) struct put p = {.entry = entry};
    int64_t n = 0;
    int r = search_check(search, e);

    if (r == 0)
        r = state_write(s, e);
    if (r == 0) {
        p.searches = INT64_C(1) << search;
        r = put_compare(s, &p, &n, e);
    }
    if (r == 0) {
        r = dn_key_by(&s->dn_memory, s->schema, entry->dn, &p.key, e);
        if (r == 0 && n == 0) {
            p.changes = MIRROR_NEW;
            r = identity_get(s, entry->id, &n, e);
            if (r == 0)
                r = put_name(s, &p, e);
            if (r == 0 && !p.name.is_new)
                unresolved_note(s, p.name.n);
            if (r == 0) {
                unresolved_note_entry(s, n); /* it was forgotten, and groups named it */
                r = put_write(s, &p, n, e);
            }
        } else if (r == 0)
            r = put_known(s, &p, e);
        unresolved_note_login(s);
        if (r == 0 && !p.same_content)
            r = put_other_logins(s, &p, n, e);
        if (r == 0)
            r = put_consequences(s, &p, n, e);
    }
    if (r < 0)
        return error_wrap(e, r, "storing %s", entry->dn);
    if (entry->kind == ENTRY_GROUP) {
        r = stale_settle(s, n, false, e);
        if (r < 0)
            return r;
    }
    *ret_changes = p.changes;
    return seen_set(s, search, n, e);
}

int mirror_unchanged(struct state *s, unsigned search, const char *id,
                     const unsigned char raw[static ENTRY_RAW_SIZE], enum entry_kind *ret_kind,
                     struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int64_t n, searches, bit;
    int r = search_check(search, e);

    if (r == 0) /* thousands are read in a row */
        r = state_write(s, e);
    if (r == 0)
        r = stmt_query(&q, s,
                       "SELECT i.n, e.kind, e.searches, e.raw, e.gone_usec FROM identity i "
                       "LEFT JOIN entry e ON e.n = i.n WHERE i.id = ?1",
                       WITH(as_id(id)), e);
    if (r < 0)
        return r;
    n = r == STMT_ROW ? stmt_int(q, 0) : 0;
    if (!n || sqlite3_column_type(q->handle, 1) == SQLITE_NULL) {
        absent_note(s, id, n);
        return STATE_NONE;
    }
    if (stmt_int(q, 4) != 0 || !digest_is(q, 3, raw))
        return STATE_NONE;
    *ret_kind = (enum entry_kind)stmt_int(q, 1);
    searches = stmt_int(q, 2);
    bit = INT64_C(1) << search;
    r = searches & bit ? 0 : set_searches(s, n, searches | bit, e);
    if (r == 0 && *ret_kind == ENTRY_GROUP)
        r = stale_settle(s, n, false, e);
    return r < 0 ? r : seen_set(s, search, n, e);
}
