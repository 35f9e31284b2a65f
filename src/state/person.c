/*
 * What was decided about each person, and who must be looked at again. The marks have a table
 * of their own, in order of marking, so that marking does not rewrite what was decided.
 */
#include "config.h"

#include "state/person.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "model/operation.h"
#include "state/db.h"

/* Numbers that are in state files, and in the statements of this folder; those of operations are
 * held in model/operation.c. */
static_assert(VERDICT_UNKNOWN == 0 && VERDICT_USER == 1 && VERDICT_SKIP == 2 &&
                  VERDICT_INVALID == 3 && VERDICT_GONE == 4,
              "verdicts are stored");
static_assert(BUCKET_PENDING == 0 && BUCKET_CREATED == 1 && BUCKET_ADOPTED == 2 &&
                  BUCKET_UPDATED == 3 && BUCKET_UNCHANGED == 4 && BUCKET_LEAVING == 5 &&
                  BUCKET_SKIPPED == 6 && BUCKET_HELD == 7 && BUCKET_FAILED == 8,
              "buckets are stored");

void person_done(struct person *p)
{
    free(p->entry_id);
    free(p->dn);
    free(p->wanted);
    free(p->login_key);
    free(p->code);
    free(p->sentence);
    free(p->standing_code);
    *p = (struct person){0};
}

/* The DN of a person's entry, unless another one is noted. */
#define DN_OF(n)                                                                                   \
    "(SELECT coalesce(e.dn, a.text) FROM entry e CROSS JOIN name a ON a.n = e.name_n WHERE "       \
    "e.n = " n ")"
#define PERSON_DN "coalesce(p.dn, " DN_OF("p.n") ", '')"
#define PERSON_COLUMNS                                                                             \
    "i.id, " PERSON_DN " AS dn, p.verdict, p.wanted, p.login_key, p.code, p.sentence, "            \
    "p.recheck_usec, p.bucket, p.bucket_code, p.run, EXISTS (SELECT 1 FROM dirty d WHERE "         \
    "d.entry_n = p.n)"

static int read_person(struct stmt *q, struct person *ret, struct error *e)
{
    CLEANUP(person_done)
    struct person p = {
        .verdict = (enum verdict_kind)stmt_int(q, 2),
        .recheck_usec = stmt_usec(q, 7),
        .standing = (enum person_bucket)stmt_int(q, 8),
        .run = stmt_usec(q, 10),
        .dirty = stmt_int(q, 11) != 0,
    };

    if (stmt_copy_id(q, 0, &p.entry_id) < 0 || stmt_copy(q, 1, &p.dn) < 0 ||
        stmt_copy(q, 3, &p.wanted) < 0 || stmt_copy(q, 4, &p.login_key) < 0 ||
        stmt_copy(q, 5, &p.code) < 0 || stmt_copy(q, 6, &p.sentence) < 0 ||
        stmt_copy(q, 9, &p.standing_code) < 0)
        return error_out_of_memory(e);
    *ret = p;
    p = (struct person){0};
    return 0;
}

int person_load(struct state *s, const char *entry_id, struct person *ret, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s,
                       "SELECT " PERSON_COLUMNS " FROM identity i CROSS JOIN person p ON p.n = i.n "
                       "WHERE i.id = ?1",
                       WITH(as_id(entry_id)), e);
    if (r != STMT_ROW)
        return r < 0 ? r : STATE_NONE;
    return read_person(q, ret, e);
}

int person_store(struct state *s, const struct person *p, struct error *e)
{
    int64_t n = 0;
    int r = identity_get(s, p->entry_id, &n, e);

    if (r < 0)
        return r;
    r = db_write(
        s,
        "INSERT INTO person(n, dn, verdict, bucket, bucket_code, run, recheck_usec, login_key, "
        "code, sentence, wanted) VALUES (?1, NULLIF(?2, " DN_OF(
            "?1") "), ?3, ?4, ?5, ?6, ?7, ?8, "
                  "?9, ?10, ?11) ON CONFLICT(n) DO UPDATE SET "
                  "dn = excluded.dn, verdict = ?3, bucket = ?4, bucket_code = ?5, run = ?6, "
                  "recheck_usec = ?7, login_key = ?8, code = ?9, sentence = ?10, wanted = ?11",
        WITH(as_int(n), as_text(p->dn ? p->dn : ""), as_int(p->verdict), as_int(p->standing),
             as_text(p->standing_code), as_usec(p->run), as_usec(p->recheck_usec),
             as_text(p->login_key), as_text(p->code), as_text(p->sentence), as_text(p->wanted)),
        e);
    return r < 0 ? r : p->dirty ? later_mark(s, n, e) : later_take_mark(s, n, e);
}

int person_forget(struct state *s, const char *entry_id, struct error *e)
{
    int64_t n = 0;
    int r = identity_find(s, entry_id, &n, e);

    if (r == 0)
        r = later_unmark(s, n, e);
    return r < 0 ? r
                 : db_write(s, "DELETE FROM person WHERE n = " NUMBER_OF, WITH(as_id(entry_id)), e);
}

int person_sharing_login(struct state *s, const char *login_key, const char *entry_id,
                         struct string_list *ret_ids, struct error *e)
{
    return db_ids(s,
                  "SELECT i.id FROM person p CROSS JOIN identity i ON i.n = p.n WHERE "
                  "p.login_key = ?2 AND i.id <> ?1 AND p.verdict = 1 AND NOT EXISTS (SELECT 1 "
                  "FROM entry x WHERE x.n = p.n AND x.gone_usec > 0) ORDER BY i.id",
                  WITH(as_id(entry_id), as_text(login_key)), ret_ids, e);
}

int person_may_clash(struct state *s, const char *entry_id, const char *login_key,
                     const char *mail_key, bool *ret, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int64_t n = 0;
    int r = identity_find(s, entry_id, &n, e);

    if (r == 0)
        r = stmt_query(
            &q, s,
            "SELECT EXISTS (SELECT 1 FROM link WHERE login_key = ?2 AND status <> 3 AND n <> ?1) OR "
            "EXISTS (SELECT 1 FROM person WHERE login_key = ?2 AND n <> ?1) OR "
            "EXISTS (SELECT 1 FROM listing WHERE login_key = ?2) OR "
            "EXISTS (SELECT 1 FROM listing WHERE mail_key = ?3)",
            WITH(as_int(n), as_text(login_key), as_text(mail_key)), e);
    if (r == STMT_ROW)
        *ret = stmt_int(q, 0) != 0;
    return r < 0 ? r : 0;
}

int person_logins(struct state *s, const char *prefix, unsigned max, struct string_list *ret,
                  struct error *e)
{
    CLEANUP(freep) char *folded = text_fold(prefix, strlen(prefix));

    if (!folded)
        return error_set(e, -EINVAL, "the beginning of a login must be UTF-8 text");
    /* Up to the last character that there is. */
    return db_ids(s,
                  "SELECT DISTINCT login_key FROM person WHERE login_key >= ?1 AND "
                  "login_key < ?1 || x'f48fbfbf' ORDER BY login_key LIMIT ?2",
                  WITH(as_text(folded), as_int(max)), ret, e);
}

int person_mark_dirty(struct state *s, const char *entry_id, struct error *e)
{
    int64_t n = 0;
    int r = s->later.unmarks.n_items ? later_flush(s, LATER_DIRTY, e) : 0;

    if (r == 0)
        r = identity_get(s, entry_id, &n, e);
    return r < 0 ? r : later_mark(s, n, e);
}

bool person_is_marked(struct state *s, const char *entry_id, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int64_t n = 0;
    int r;

    if (s->no_marks && !s->later.marks.n_items) /* each request asks, most often for nothing */
        return false;
    r = identity_find(s, entry_id, &n, e);
    if (r == 0)
        r = stmt_query(&q, s, "SELECT 1 FROM dirty WHERE entry_n = ?1", WITH(as_int(n)), e);
    return r != 0;
}

int person_mark_links_aside_dirty(struct state *s, struct error *e)
{
    return db_write(s, "INSERT OR IGNORE INTO dirty(entry_n) SELECT n FROM link_aside ORDER BY n",
                    NULL, e);
}

static int next_due(struct state *s, uint64_t *ret, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r =
        stmt_query(&q, s, "SELECT min(recheck_usec) FROM person WHERE recheck_usec > 0", NULL, e);
    if (r >= 0)
        *ret = stmt_usec(q, 0);
    return r < 0 ? r : 0;
}

int person_mark_due(struct state *s, uint64_t now_usec, uint64_t *ret_next, struct error *e)
{
    /* The time is taken away with the mark: the next evaluation sets a new one. */
    static const char *const steps[] = {
        "INSERT OR IGNORE INTO dirty(entry_n) SELECT n FROM person WHERE "
        "recheck_usec > 0 AND recheck_usec <= ?1 ORDER BY recheck_usec, n",
        "UPDATE person SET recheck_usec = 0 WHERE recheck_usec > 0 AND recheck_usec <= ?1"};
    uint64_t next = 0;
    int r = next_due(s, &next, e);
    bool any = r == 0 && next && next <= now_usec;

    for (size_t i = 0; any && r == 0 && i < ARRAY_SIZE(steps); i++)
        r = db_write(s, steps[i], WITH(as_usec(now_usec)), e);
    if (any && r == 0)
        r = next_due(s, &next, e);
    if (r == 0)
        *ret_next = next;
    return r;
}

/* Most often one that was marked in this transaction, and need never be written. */
static int next_of_few(struct state *s, size_t limit, struct string_list *ret_ids, struct error *e)
{
    const struct row_numbers *marks = &s->later.marks;
    int r = 0;

    for (size_t i = 0; i < marks->n_items && limit && r == 0; i++) {
        size_t first = 0, before = ret_ids->n_items;

        while (marks->items[first] != marks->items[i])
            first++;
        if (first < i)
            continue;
        r = db_ids(s, "SELECT id FROM identity WHERE n = ?1", WITH(as_int(marks->items[i])),
                   ret_ids, e);
        limit -= ret_ids->n_items - before;
    }
    return r;
}

int person_next_dirty(struct state *s, size_t limit, struct string_list *ret_ids, struct error *e)
{
    size_t before = ret_ids->n_items;

    if (later_has_few_marks(s))
        return next_of_few(s, limit, ret_ids, e);
    int r = db_ids(
        s,
        "SELECT i.id FROM dirty d CROSS JOIN identity i ON i.n = d.entry_n ORDER BY d.n LIMIT ?1",
        WITH(as_int(limit > INT64_MAX ? -1 : (int64_t)limit)), ret_ids, e);

    if (r == 0 && limit && ret_ids->n_items == before)
        s->no_marks = true;
    return r;
}

size_t person_count_dirty(struct state *s)
{
    return db_count(s, "SELECT (SELECT count(*) FROM dirty) + (SELECT count(*) FROM dirty_group) + "
                       "coalesce((SELECT n_left FROM round), 0)");
}

int person_touch(struct state *s, const char *entry_id, uint64_t run, enum person_bucket done,
                 struct error *e)
{
    int64_t n = 0;
    int r = (done == BUCKET_PENDING ? identity_find : identity_get)(s, entry_id, &n, e);

    if (r == 0 && done != BUCKET_PENDING)
        return later_touch(s, n, run, done, e);
    return r < 0 ? r
                 : db_write(s, "UPDATE person SET run = ?2 WHERE n = ?1 AND run < ?2",
                            WITH(as_int(n), as_usec(run)), e);
}

/* Of each person what decides about the bucket: what was decided and why, what its last run has
 * done, whether an operation is under way or due (?2: now) and not behind one of which nobody
 * knows whether it was done, and why one waits. */
#define STANDING                                                                                   \
    "SELECT p.n AS n, p.bucket AS standing, p.bucket_code AS code, "                               \
    "CASE WHEN p.done_run = p.run THEN p.done ELSE 0 END AS done, "                                \
    "EXISTS (SELECT 1 FROM operation o WHERE o.entry_n = p.n AND (o.state = 4 OR "                 \
    "(o.state = 1 AND o.not_before_usec <= ?2 AND (o.revokes = 1 OR NOT EXISTS "                   \
    "(SELECT 1 FROM operation x WHERE x.entry_n = p.n AND x.number <> o.number AND "               \
    "x.state = 3 AND x.reason = '" REASON_UNCLEAR "'))))) AS due, "                                \
    "(SELECT coalesce(o.reason, 'unknown') FROM operation o WHERE o.entry_n = p.n "                \
    "AND o.state IN (2, 3) ORDER BY o.number DESC LIMIT 1) AS waits FROM person p "

static enum person_bucket bucket_of(struct stmt *q, const char **ret_code)
{
    enum person_bucket standing = (enum person_bucket)stmt_int(q, 1);
    enum person_bucket done = (enum person_bucket)stmt_int(q, 3);

    *ret_code = NULL;
    if (standing == BUCKET_LEAVING)
        return BUCKET_LEAVING;
    if (stmt_int(q, 4))
        return BUCKET_PENDING;
    *ret_code = stmt_text(q, 5);
    if (*ret_code)
        return BUCKET_HELD;
    if (standing == BUCKET_UNCHANGED && done != BUCKET_PENDING)
        return done;
    *ret_code = stmt_text(q, 2);
    return standing;
}

int person_bucket_now(struct state *s, const char *entry_id, uint64_t now_usec,
                      enum person_bucket *ret, char **ret_code, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    const char *code = NULL;
    int r = stmt_query(&q, s, STANDING "WHERE p.n = " NUMBER_OF,
                       WITH(as_id(entry_id), as_usec(now_usec)), e);
    if (r != STMT_ROW)
        return r < 0 ? r : STATE_NONE;
    *ret = bucket_of(q, &code);
    *ret_code = code ? strdup(code) : NULL;
    return code && !*ret_code ? error_out_of_memory(e) : 0;
}

int person_ledger(struct state *s, uint64_t run, uint64_t now_usec, size_t limit, int64_t *after,
                  void (*fn)(enum person_bucket b, const char *code, size_t n, void *userdata),
                  void *userdata, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int64_t last = 0;
    size_t n_counted = 0;
    int r = stmt_query(
        &q, s,
        "SELECT max(n), standing, code, done, due, waits, count(*) FROM "
        "(" STANDING "WHERE p.run = ?1 AND p.n > ?3 ORDER BY p.n LIMIT ?4) "
        "GROUP BY 2, 3, 4, 5, 6",
        WITH(as_usec(run), as_usec(now_usec), as_int(*after), as_int((int64_t)limit)), e);
    for (; r == STMT_ROW; r = stmt_step(q, e)) {
        const char *code = NULL;
        enum person_bucket b = bucket_of(q, &code);
        size_t n = (size_t)stmt_int(q, 6);

        fn(b, code, n, userdata);
        n_counted += n;
        last = stmt_int(q, 0) > last ? stmt_int(q, 0) : last;
    }
    *after = n_counted == limit ? last : 0;
    return r;
}

static int each(struct state *s, const char *sql, int (*fn)(const struct person *p, void *userdata),
                void *userdata, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s, sql, NULL, e);

    for (; r == STMT_ROW; r = stmt_step(q, e)) {
        CLEANUP(person_done) struct person p = {0};

        r = read_person(q, &p, e);
        if (r < 0)
            return r;
        r = fn(&p, userdata);
        if (r != 0)
            return r;
    }
    return r;
}

int person_each(struct state *s, int (*fn)(const struct person *p, void *userdata), void *userdata,
                struct error *e)
{
    return each(s,
                "SELECT " PERSON_COLUMNS " FROM person p CROSS JOIN identity i ON i.n = p.n "
                "ORDER BY 2",
                fn, userdata, e);
}

int person_each_skipped(struct state *s, int (*fn)(const struct person *p, void *userdata),
                        void *userdata, struct error *e)
{
    return each(s,
                "SELECT " PERSON_COLUMNS
                " FROM person p INDEXED BY person_skipped CROSS JOIN identity i ON i.n = p.n "
                "WHERE p.bucket = 6 ORDER BY 2",
                fn, userdata, e);
}
