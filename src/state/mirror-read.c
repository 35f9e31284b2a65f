/*
 * Reading the mirror: whole entries, whom an operator may mean, cookies, and counts.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "model/dn.h"
#include "state/mirror-internal.h"

void mirror_entry_done(struct mirror_entry *m)
{
    entry_free(m->entry);
    free(m->gone_why);
    *m = (struct mirror_entry){0};
}

int mirror_load(struct state *s, const char *id, struct mirror_entry *ret, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    CLEANUP(mirror_entry_done) struct mirror_entry m = {0};
    int r = stmt_query(&q, s,
                       "SELECT e.n, " ENTRY_DN ", e.kind, e.gone_usec, e.gone_why, e.login_key, "
                       "e.primary_key, e.attributes, "
                       "EXISTS (SELECT 1 FROM person p WHERE p.n = e.n), "
                       "EXISTS (SELECT 1 FROM link l WHERE l.n = e.n), "
                       "EXISTS (SELECT 1 FROM operation o WHERE o.entry_n = e.n), "
                       "EXISTS (SELECT 1 FROM entry x WHERE x.name_n = e.name_n AND x.n <> e.n) "
                       "FROM " ENTRY_BY_ID,
                       WITH(as_id(id)), e);
    if (r != STMT_ROW)
        return r < 0 ? r : STATE_NONE;
    m.entry = entry_new(id, stmt_text(q, 1), (enum entry_kind)stmt_int(q, 2));
    m.gone_usec = stmt_usec(q, 3);
    m.gone = m.gone_usec != 0;
    m.has_person = stmt_int(q, 8) != 0;
    m.has_link = stmt_int(q, 9) != 0;
    m.has_operation = stmt_int(q, 10) != 0;
    m.shares_name = stmt_int(q, 11) != 0;
    identity_know(s, id, stmt_int(q, 0));
    if (!m.entry || stmt_copy(q, 4, &m.gone_why) < 0 || stmt_copy(q, 5, &m.entry->login_key) < 0 ||
        stmt_copy(q, 6, &m.entry->primary_key) < 0)
        return error_out_of_memory(e);
    r = entry_attributes_from_json(m.entry, stmt_text(q, 7), e);
    if (r < 0)
        return error_wrap(e, r, "reading %s from the mirror", id);
    *ret = m;
    m = (struct mirror_entry){0};
    return 0;
}

int mirror_dynamic_groups(struct state *s, struct string_list *ret_ids, struct error *e)
{
    return db_ids(s,
                  "SELECT i.id FROM shape h CROSS JOIN entry e ON e.shape = h.n AND "
                  "e.kind = 2 AND e.gone_usec = 0 CROSS JOIN identity i ON i.n = e.n "
                  "WHERE instr(h.names, char(10) || 'memberurl' || char(10))",
                  NULL, ret_ids, e);
}

int mirror_dn(struct state *s, const char *id, char **ret, struct error *e)
{
    return db_text(s, "SELECT " ENTRY_DN " FROM " ENTRY_BY_ID " AND e.gone_usec = 0",
                   WITH(as_id(id)), ret, e);
}

int mirror_find_people(struct state *s, const char *text, struct string_list *ret_ids,
                       struct error *e)
{
    static const char sql[] =
        "SELECT id FROM identity WHERE n IN ("
        "SELECT i.n FROM identity i WHERE i.id IN (?1, ?4) AND (EXISTS (SELECT 1 FROM entry e WHERE "
        "e.n = i.n AND e.kind = 1) OR EXISTS (SELECT 1 FROM person p WHERE p.n = i.n) OR "
        "EXISTS (SELECT 1 FROM link l WHERE l.n = i.n)) "
        "UNION SELECT e.n FROM name a CROSS JOIN entry e ON e.name_n = a.n WHERE a.kind = 1 AND "
        "a.key = ?2 AND e.kind = 1 "
        "UNION SELECT n FROM person WHERE dn = ?5 "
        "UNION SELECT n FROM entry WHERE login_key = ?3 AND kind = 1 "
        "UNION SELECT p.n FROM entry_login l CROSS JOIN entry p ON p.n = l.n WHERE l.key = ?3 "
        "UNION SELECT n FROM person WHERE login_key = ?3 "
        "UNION SELECT n FROM link WHERE login_key = ?3 AND status <> 3 "
        "UNION SELECT n FROM entry WHERE mail_key = ?3 AND kind = 1) ORDER BY id";
    CLEANUP(freep) char *key = NULL;
    CLEANUP(freep) char *lower = strdup(text);
    CLEANUP(freep) char *folded = text_fold(text, strlen(text));

    if (!folded)
        return error_set(e, -EINVAL, "the name of a person must be UTF-8 text");
    if (!lower)
        return error_out_of_memory(e);
    for (char *p = lower; *p; p++)
        *p = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;
    if (*text && dn_is_valid(text)) {
        int r = dn_key(s->schema, text, &key, e);

        if (r < 0)
            return r;
    }
    return db_ids(s, sql,
                  WITH(as_id(text), as_text(key), as_text(folded), as_id(lower), as_text(text)),
                  ret_ids, e);
}

int mirror_find_dn(struct state *s, const char *dn, char **ret_id, struct error *e)
{
    CLEANUP(freep) char *key = NULL;
    int r;

    if (!*dn || !dn_is_valid(dn))
        return STATE_NONE;
    r = dn_key(s->schema, dn, &key, e);
    if (r < 0)
        return r;
    return db_id(s,
                 "SELECT i.id FROM name a CROSS JOIN entry e ON e.name_n = a.n CROSS JOIN "
                 "identity i ON i.n = e.n WHERE a.kind = 1 AND a.key = ?1 AND e.gone_usec = 0 "
                 "ORDER BY e.n LIMIT 1",
                 WITH(as_text(key)), ret_id, e);
}

int mirror_group_has_members(struct state *s, const char *dn, bool *ret, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    CLEANUP(freep) char *key = NULL;
    int r = dn_key(s->schema, dn, &key, e);

    if (r == 0)
        r = stmt_query(&q, s,
                       "SELECT 1 FROM name a CROSS JOIN entry g ON g.name_n = a.n CROSS JOIN "
                       "member m ON m.group_n = g.n WHERE a.kind = 1 AND a.key = ?1 AND "
                       "g.kind = 2 AND g.gone_usec = 0 LIMIT 1",
                       WITH(as_text(key)), e);
    *ret = r == STMT_ROW;
    return r < 0 ? r : 0;
}

int mirror_cookie_get(struct state *s, unsigned search, void **ret, size_t *ret_size,
                      char **ret_identity, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    CLEANUP(freep) char *bytes = NULL;
    const void *blob;
    size_t size;
    int r = stmt_query(&q, s, "SELECT cookie, identity FROM cookie WHERE search = ?1",
                       WITH(as_int(search)), e);
    if (r != STMT_ROW)
        return r < 0 ? r : STATE_NONE;
    blob = sqlite3_column_blob(q->handle, 0);
    size = stmt_size(q, 0);
    bytes = malloc(size + 1);
    if (!bytes || stmt_copy(q, 1, ret_identity) < 0)
        return error_out_of_memory(e);
    if (size)
        memcpy(bytes, blob, size);
    bytes[size] = '\0';
    *ret = TAKE(bytes);
    *ret_size = size;
    return 0;
}

int mirror_cookie_set(struct state *s, unsigned search, const void *cookie, size_t size,
                      const char *identity, struct error *e)
{
    if (!cookie)
        return db_write(s, "DELETE FROM cookie WHERE search = ?1", WITH(as_int(search)), e);
    return db_write(s,
                    "INSERT OR REPLACE INTO cookie(search, cookie, identity) "
                    "VALUES(?1, ?2, ?3)",
                    WITH(as_int(search), as_blob(cookie, size), as_text(identity ? identity : "")),
                    e);
}

int mirror_counts(struct state *s, struct mirror_counts *ret, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *few = NULL;
    CLEANUP(stmt_freep) struct stmt *all = NULL;
    struct mirror_counts counts = {0};
    int64_t n_unresolved;
    int r = unresolved_count(s, &n_unresolved, e);

    if (r == 0)
        r = stmt_query(&few, s,
                       "SELECT kind, count(*) FROM entry WHERE gone_usec = 0 AND kind > 1 GROUP BY "
                       "kind",
                       NULL, e);
    for (; r == STMT_ROW; r = stmt_step(few, e))
        *(stmt_int(few, 0) == ENTRY_GROUP ? &counts.groups : &counts.containers) =
            (size_t)stmt_int(few, 1);
    /* People are most: what is left of all, which SQLite counts without a look at each. */
    if (r == 0)
        r = stmt_query(&all, s,
                       "SELECT (SELECT count(*) FROM entry), (SELECT count(*) FROM entry WHERE "
                       "gone_usec > 0)",
                       NULL, e);
    if (r < 0)
        return r;
    counts.gone = (size_t)stmt_int(all, 1);
    counts.people = (size_t)stmt_int(all, 0) - counts.gone - counts.groups - counts.containers;
    counts.members_unresolved = (size_t)n_unresolved;
    *ret = counts;
    return 0;
}

int mirror_search_size(struct state *s, unsigned search, size_t *ret, struct error *e)
{
    return db_size(s,
                   "SELECT count(*) FROM entry WHERE gone_usec = 0 AND "
                   "kind IN (1, 2, 3) AND searches & ?1",
                   WITH(as_int(INT64_C(1) << search)), ret, e);
}

static int shape_names(const struct entry *entry, struct buffer *b)
{
    /* Attributes are sorted (entry_sort), so one combination has one text. */
    buffer_clear(b);
    buffer_add(b, "\n", 1);
    for (size_t i = 0; i < entry->n_attributes; i++) {
        if (entry->attributes[i].n_values == 0)
            continue;
        for (const char *p = entry->attributes[i].name; *p; p++) {
            char c = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;

            buffer_add(b, &c, 1);
        }
        buffer_add(b, "\n", 1);
    }
    return b->failed ? -ENOMEM : 0;
}

int shape_get(struct state *s, const struct entry *entry, int64_t *ret, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r;

    if (shape_names(entry, &s->scratch) < 0)
        return error_out_of_memory(e);
    if (s->shape.n && text_equal(s->shape.names.data, s->scratch.data)) {
        *ret = s->shape.n;
        return 0;
    }
    s->shape.n = 0;
    buffer_clear(&s->shape.names);
    buffer_add_text(&s->shape.names, s->scratch.data);
    if (s->shape.names.failed)
        return error_out_of_memory(e);
    r = stmt_query(&q, s, "SELECT n FROM shape WHERE names = ?1", WITH(as_text(s->scratch.data)),
                   e);
    if (r < 0)
        return r;
    if (r == STMT_ROW) {
        *ret = s->shape.n = stmt_int(q, 0);
        return 0;
    }
    r = db_write(s, "INSERT INTO shape(names) VALUES(?1)", WITH(as_text(s->scratch.data)), e);
    if (r == 0)
        *ret = s->shape.n = sqlite3_last_insert_rowid(s->db);
    return r;
}

/* As entry_attribute(): the name itself, or any of its option forms; a name with an option
 * means just that. */
static bool shape_has(const char *names, const char *attribute)
{
    size_t size = strlen(attribute);

    for (const char *at = names; (at = strchr(at, '\n')) && at[1]; at++)
        if (strncasecmp(at + 1, attribute, size) == 0 &&
            (at[1 + size] == '\n' || at[1 + size] == ';'))
            return true;
    return false;
}

int mirror_attribute_counts(struct state *s, const struct string_list *attributes,
                            size_t *ret_counts, size_t *ret_people, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s,
                       "SELECT h.names, c.n FROM (SELECT shape, count(*) AS n FROM entry WHERE "
                       "kind = 1 AND gone_usec = 0 GROUP BY searches, shape) c JOIN shape h ON "
                       "h.n = c.shape",
                       NULL, e);

    *ret_people = 0;
    for (size_t i = 0; i < attributes->n_items; i++)
        ret_counts[i] = 0;
    for (; r == STMT_ROW; r = stmt_step(q, e)) {
        size_t n = (size_t)stmt_int(q, 1);

        *ret_people += n;
        for (size_t i = 0; i < attributes->n_items; i++)
            if (shape_has(stmt_text(q, 0), attributes->items[i]))
                ret_counts[i] += n;
    }
    return r < 0 ? r : 0;
}

int mirror_sample(struct state *s, size_t limit,
                  int (*each)(const struct entry *entry, void *userdata), void *userdata,
                  struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s,
                       "SELECT i.id, " ENTRY_DN ", e.attributes FROM " ENTRY_NAMED
                       "CROSS JOIN identity i ON i.n = e.n WHERE e.kind = 1 AND e.gone_usec = 0 "
                       "LIMIT ?1",
                       WITH(as_int((int64_t)limit)), e);
    for (; r == STMT_ROW; r = stmt_step(q, e)) {
        CLEANUP(entry_freep)
        struct entry *entry = entry_new(stmt_id(q, 0), stmt_text(q, 1), ENTRY_PERSON);
        if (!entry)
            return error_out_of_memory(e);
        r = entry_attributes_from_json(entry, stmt_text(q, 2), e);
        if (r == 0 && each(entry, userdata) < 0)
            r = error_out_of_memory(e);
        if (r < 0)
            return r;
    }
    return r < 0 ? r : 0;
}
