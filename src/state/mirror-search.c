/*
 * Which searches hold an entry. A search speaks for itself only: what it no longer shows has
 * left that search, and an entry is gone when no search holds it any more. With one search these
 * are the same. With several, an entry that lost its last search may be about to appear in
 * another one (it moved, and the other has not spoken yet); so it stays as it was, unheld, until
 * whoever reads has asked all of them (mirror_unheld(), mirror_gone()).
 *
 * What a full read has shown is kept in memory: a read that a restart interrupts starts again.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "model/dn.h"
#include "model/json.h"
#include "state/mirror-internal.h"

static_assert(MIRROR_MAX_SEARCHES <= 62, "the searches of an entry are bits of a number");

int search_check(unsigned search, struct error *e)
{
    if (search < MIRROR_MAX_SEARCHES)
        return 0;
    return error_set(e, -EINVAL, "the mirror knows %d searches, and this is number %u",
                     MIRROR_MAX_SEARCHES, search);
}

int seen_set(struct state *s, unsigned search, int64_t n, struct error *e)
{
    struct seen *seen = &s->searches.seen[search];
    size_t word = (size_t)n / 64;

    if (!seen->active)
        return 0;
    if (word >= seen->n_words) {
        size_t grown = (word + 1) * 2;
        uint64_t *words = reallocarray(seen->words, grown, sizeof(*words));

        if (!words)
            return error_out_of_memory(e);
        memset(words + seen->n_words, 0, (grown - seen->n_words) * sizeof(*words));
        seen->words = words;
        seen->n_words = grown;
    }
    seen->words[word] |= UINT64_C(1) << (n % 64);
    return 0;
}

void seen_done(struct seen *seen)
{
    free(seen->words);
    row_numbers_done(&seen->unseen);
    string_list_done(&seen->sample);
    string_list_done(&seen->parents);
}

static bool seen_get(const struct seen *seen, int64_t n)
{
    size_t word = (size_t)n / 64;

    return word < seen->n_words && (seen->words[word] >> (n % 64) & 1);
}

int mirror_begin_full(struct state *s, unsigned search, struct error *e)
{
    int r = search_check(search, e);

    if (r < 0)
        return r;
    if (s->searches.seen[search].n_words)
        memset(s->searches.seen[search].words, 0,
               s->searches.seen[search].n_words * sizeof(uint64_t));
    s->searches.seen[search].active = true;
    s->searches.seen[search].looked = false;
    s->searches.seen[search].look_from = 0;
    s->searches.seen[search].unseen.n_items = s->searches.seen[search].n_sampled = 0;
    string_list_done(&s->searches.seen[search].sample);
    string_list_done(&s->searches.seen[search].parents);
    return 0;
}

static json_t *list_of(const char *const *bases, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_string(bases[i]));
    return list;
}

static size_t place_of(json_t *list, const char *base)
{
    size_t i;
    json_t *value;

    json_array_foreach (list, i, value) {
        if (text_equal(json_string_value(value), base))
            return i;
    }
    return SIZE_MAX;
}

int set_searches(struct state *s, int64_t n, int64_t searches, struct error *e)
{
    return db_write(s, "UPDATE entry SET searches = ?2 WHERE n = ?1",
                    WITH(as_int(n), as_int(searches)), e);
}

/* Gives every row the new numbers of the searches that hold it. */
static int renumber(struct state *s, json_t *old, json_t *new, struct error *e)
{
    size_t n_old = json_array_size(old);
    CLEANUP(buffer_done) struct buffer sum = {0};
    CLEANUP(freep) char *sql = NULL;

    buffer_add_text(&sum, "UPDATE entry SET searches = 0");
    for (size_t i = 0; i < n_old; i++) {
        size_t place = place_of(new, json_string_value(json_array_get(old, i)));

        if (place != SIZE_MAX)
            buffer_format(&sum, " | ((searches >> %zu & 1) << %zu)", i, place);
    }
    sql = buffer_take(&sum);
    if (!sql)
        return error_out_of_memory(e);
    return db_exec(s->db, s->path, sql, e);
}

int mirror_searches(struct state *s, const char *const *bases, size_t n, struct error *e)
{
    CLEANUP(freep) char *stored = NULL;
    json_auto_t *old = NULL, *new = list_of(bases, n);
    CLEANUP(freep) char *text = new ? json_to_text(new, JSON_COMPACT) : NULL;
    int r;

    if (!text)
        return error_out_of_memory(e);
    if (n > MIRROR_MAX_SEARCHES)
        return search_check((unsigned)n, e);
    s->searches.n = (unsigned)n;
    r = state_meta_get(s, "searches", &stored, e);
    if (r < 0 || text_equal(stored, text))
        return r < 0 ? r : 0;
    /* Without a list the state is of a rosterd that kept none, and numbered as now. */
    old = stored ? json_loads(stored, 0, NULL) : json_incref(new);
    r = state_write(s, e);
    if (r == 0)
        r = renumber(s, old, new, e);
    if (r == 0)
        r = db_write(s, "DELETE FROM cookie", NULL, e);
    if (r == 0)
        r = state_meta_set(s, "searches", text, e);
    return r < 0 ? error_wrap(e, r, "storing which bases are searched") : 0;
}

/* Why is kept for the moment when it is gone. */
static int note_left(struct state *s, int64_t n, const char *why, struct error *e)
{
    return db_write(s, "UPDATE entry SET searches = 0, gone_why = ?2 WHERE n = ?1",
                    WITH(as_int(n), as_text(why)), e);
}

/* What lies below an entry that left went with it, or was deleted before it: no server says
 * anything of that. So no search is known to hold it now, until they are asked. */
static int left_below(struct state *s, const struct entry_row *row, unsigned search,
                      const char *why, struct error *e)
{
    CLEANUP(freep) char *end = key_range_end(row->dn_key);

    if (!*row->dn_key)
        return 0;
    if (!end)
        return error_out_of_memory(e);
    return db_write(
        s,
        "UPDATE entry SET searches = searches & ~?3, gone_why = ?4 WHERE "
        "name_n IN (SELECT a.n FROM name a WHERE a.kind = 1 AND a.key > ?1 AND "
        "a.key < ?2) AND gone_usec = 0 AND searches & ?3",
        WITH(as_text(row->dn_key), as_text(end), as_int(INT64_C(1) << search), as_text(why)), e);
}

static int leave(struct state *s, unsigned search, const char *id, bool with_below, bool stale,
                 const char *why, uint64_t now_usec, struct error *e)
{
    CLEANUP(entry_row_done) struct entry_row row = {0};
    int r = search_check(search, e);
    int64_t left;

    if (r == 0)
        r = entry_row_find(s, id, &row, e);
    if (r != 0)
        return r < 0 ? r : 0;
    left = row.searches & ~(INT64_C(1) << search);
    if (row.gone || left == row.searches)
        return 0; /* it never held it: this says nothing */
    r = with_below ? left_below(s, &row, search, why, e) : 0;
    if (r < 0)
        return r;
    if (left && !stale)
        return set_searches(s, row.n, left, e);
    if (s->searches.n <= 1)
        return mirror_gone(s, id, why, now_usec, e);
    return note_left(s, row.n, why, e);
}

int mirror_left(struct state *s, unsigned search, const char *id, bool stale, const char *why,
                uint64_t now_usec, struct error *e)
{
    return leave(s, search, id, true, stale, why, now_usec, e);
}

int mirror_unheld(struct state *s, struct string_list *ret_ids, struct error *e)
{
    return db_ids(s,
                  "SELECT i.id FROM entry e INDEXED BY entry_unheld CROSS JOIN identity i "
                  "ON i.n = e.n WHERE e.searches = 0 AND e.gone_usec = 0 ORDER BY e.n",
                  NULL, ret_ids, e);
}

int mirror_count_removals(struct state *s, unsigned search, const struct string_list *ids,
                          size_t *ret_people, struct error *e)
{
    size_t count = 0;
    int r = search_check(search, e);

    for (size_t i = 0; r >= 0 && i < ids->n_items; i++) {
        CLEANUP(entry_row_done) struct entry_row row = {0};

        r = entry_row_find(s, ids->items[i], &row, e);
        if (r == 0 && !row.gone && row.kind == ENTRY_PERSON && row.searches == INT64_C(1) << search)
            count++;
    }
    if (r < 0)
        return r;
    *ret_people = count;
    return 0;
}

int mirror_present(struct state *s, unsigned search, const char *id, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int64_t n, searches, bit;
    int r = search_check(search, e);

    if (r == 0)
        r = stmt_query(&q, s,
                       "SELECT n, searches FROM entry WHERE n = " NUMBER_OF " AND gone_usec = 0",
                       WITH(as_id(id)), e);
    if (r != STMT_ROW)
        return r < 0 ? r : STATE_NONE;
    n = stmt_int(q, 0);
    searches = stmt_int(q, 1);
    bit = INT64_C(1) << search;
    r = searches & bit ? 0 : set_searches(s, n, searches | bit, e);
    return r < 0 ? r : seen_set(s, search, n, e);
}

static int add_number(struct row_numbers *numbers, int64_t n, struct error *e)
{
    if (memory_grow(&numbers->items, &numbers->capacity, numbers->n_items + 1,
                    sizeof(*numbers->items)) < 0)
        return error_out_of_memory(e);
    numbers->items[numbers->n_items++] = n;
    return 0;
}

/* From this number on, the first that was not seen. */
static int64_t next_unseen(const struct seen *seen, int64_t n)
{
    while ((size_t)n / 64 < seen->n_words) {
        uint64_t left = ~seen->words[n / 64] >> (n % 64);

        if (left)
            return n + __builtin_ctzll(left);
        n = (n / 64 + 1) * 64;
    }
    return n;
}

#define ENOUGH_SEEN 8 /* one after the other: then the next that was not is looked up */

int mirror_look_for_unseen(struct state *s, unsigned search, size_t limit, struct error *e)
{
    struct seen *seen = &s->searches.seen[search];
    int64_t bit = INT64_C(1) << search;
    int r = search_check(search, e);

    while (r >= 0 && seen->active && !seen->looked) {
        CLEANUP(stmt_freep) struct stmt *q = NULL;
        unsigned n_seen = 0;

        if (!limit)
            return MIRROR_MORE;
        r = stmt_query(&q, s, "SELECT n, searches, gone_usec FROM entry WHERE n >= ?1 ORDER BY n",
                       WITH(as_int(next_unseen(seen, seen->look_from))), e);
        for (; r == STMT_ROW && limit && n_seen < ENOUGH_SEEN; r = stmt_step(q, e), limit--) {
            int64_t n = stmt_int(q, 0);
            bool live = stmt_int(q, 2) == 0 && stmt_int(q, 1) & bit;

            seen->look_from = n + 1;
            n_seen = seen_get(seen, n) ? n_seen + 1 : 0;
            if (!n_seen && live && add_number(&seen->unseen, n, e) < 0)
                return -ENOMEM;
        }
        seen->looked = r == 0;
    }
    return r < 0 ? r : 0;
}

typedef int unseen_fn(struct state *s, int64_t n, enum entry_kind kind, void *userdata,
                      struct error *e);

#define OF_SEARCH                                                                                  \
    " gone_usec = 0 AND kind IN (1, 2, 3) AND searches & ?1 AND (NOT ?2 OR searches = ?1)"

/* The same of what was looked for before. */
static int each_found(struct state *s, const struct seen *seen, int64_t bit, bool alone,
                      unseen_fn *fn, void *userdata, struct error *e)
{
    int r = 0;

    for (size_t i = 0; i < seen->unseen.n_items && r >= 0; i++) {
        CLEANUP(stmt_freep) struct stmt *q = NULL;
        int64_t n = seen->unseen.items[i];

        if (seen_get(seen, n))
            continue;
        r = stmt_query(&q, s, "SELECT kind FROM entry WHERE n = ?3 AND" OF_SEARCH,
                       WITH(as_int(bit), as_int(alone), as_int(n)), e);
        if (r == STMT_ROW)
            r = fn(s, n, (enum entry_kind)stmt_int(q, 0), userdata, e);
    }
    return r < 0 ? r : 0;
}

/* Calls fn for each live row of the search that its full read has not shown; alone: of those
 * that no other search holds. */
static int each_unseen(struct state *s, unsigned search, bool alone, unseen_fn *fn, void *userdata,
                       struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int64_t bit = INT64_C(1) << search;
    int r = search_check(search, e);

    if (r == 0 && !s->searches.seen[search].active)
        return error_set(e, -EINVAL,
                         "no full read of search %u has begun, so nothing is known to be absent",
                         search);
    if (r == 0 && s->searches.seen[search].looked)
        return each_found(s, &s->searches.seen[search], bit, alone, fn, userdata, e);
    if (r == 0)
        r = stmt_query(&q, s, "SELECT n, kind FROM entry WHERE" OF_SEARCH,
                       WITH(as_int(bit), as_int(alone)), e);
    for (; r == STMT_ROW; r = stmt_step(q, e)) {
        int64_t n = stmt_int(q, 0);

        if (seen_get(&s->searches.seen[search], n))
            continue;
        r = fn(s, n, (enum entry_kind)stmt_int(q, 1), userdata, e);
        if (r < 0)
            return r;
    }
    return r;
}

static int collect(struct state *s, int64_t n, enum entry_kind kind, void *userdata,
                   struct error *e)
{
    (void)s;
    (void)kind;
    return add_number(userdata, n, e);
}

static int id_of(struct state *s, int64_t n, char **ret, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s, "SELECT id FROM identity WHERE n = ?1", WITH(as_int(n)), e);
    if (r != STMT_ROW)
        return r < 0 ? r : error_set(e, -EIO, "A row of the mirror vanished");
    return stmt_copy_id(q, 0, ret) < 0 ? error_out_of_memory(e) : 0;
}

int mirror_unseen_left(struct state *s, unsigned search, const char *why, uint64_t now_usec,
                       size_t *ret_n, struct error *e)
{
    CLEANUP(row_numbers_done) struct row_numbers numbers = {0};
    int r;

    r = each_unseen(s, search, false, collect, &numbers, e);
    for (size_t i = 0; r == 0 && i < numbers.n_items; i++) {
        CLEANUP(freep) char *id = NULL;

        r = id_of(s, numbers.items[i], &id, e);
        if (r == 0)
            r = leave(s, search, id, false, false, why, now_usec, e); /* it told of each */
    }
    if (r < 0)
        return r;
    s->searches.seen[search].active = false;
    *ret_n = numbers.n_items;
    return 0;
}

static int take_sample(struct state *s, struct seen *seen, int64_t bit, int64_t n, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s,
                       "SELECT i.id, " ENTRY_DN " FROM " ENTRY_NAMED
                       "CROSS JOIN identity i ON i.n = e.n WHERE e.n = ?1 AND e.gone_usec = 0 AND "
                       "e.kind IN (1, 2, 3) AND e.searches & ?2",
                       WITH(as_int(n), as_int(bit)), e);
    if (r != STMT_ROW)
        return r;
    const char *parent = dn_parent(stmt_text(q, 1));
    if (string_list_contains(&seen->parents, parent ? parent : ""))
        return 0;
    if (string_list_add(&seen->parents, parent ? parent : "") < 0 ||
        string_list_add(&seen->sample, stmt_id(q, 0)) < 0)
        return error_out_of_memory(e);
    return 0;
}

int mirror_sample_unseen(struct state *s, unsigned search, size_t limit, size_t at_once,
                         struct string_list *ret_ids, struct error *e)
{
    struct seen *seen = &s->searches.seen[search];
    int r = mirror_look_for_unseen(s, search, SIZE_MAX, e);

    for (; r == 0 && seen->sample.n_items < limit && seen->n_sampled < seen->unseen.n_items;
         seen->n_sampled++) {
        int64_t n = seen->unseen.items[seen->n_sampled];

        if (!at_once--)
            return MIRROR_MORE;
        if (!seen_get(seen, n))
            r = take_sample(s, seen, INT64_C(1) << search, n, e);
    }
    for (size_t i = 0; r == 0 && i < seen->sample.n_items; i++)
        if (string_list_add(ret_ids, seen->sample.items[i]) < 0)
            r = error_out_of_memory(e);
    return r;
}

static int count_person(struct state *s, int64_t n, enum entry_kind kind, void *userdata,
                        struct error *e)
{
    size_t *count = userdata;

    (void)s;
    (void)n;
    (void)e;
    *count += kind == ENTRY_PERSON;
    return 0;
}

int mirror_count_unseen(struct state *s, unsigned search, size_t *ret_people, struct error *e)
{
    size_t count = 0;
    int r = each_unseen(s, search, true, count_person, &count, e);

    if (r == 0)
        *ret_people = count;
    return r;
}

int mirror_shows_anybody(struct state *s, unsigned search, bool *ret, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    bool any = false;
    int r =
        stmt_query(&q, s, "SELECT n FROM entry WHERE gone_usec = 0 AND kind = 1 AND searches & ?1",
                   WITH(as_int(INT64_C(1) << search)), e);

    for (; r == STMT_ROW && !any; r = any ? r : stmt_step(q, e))
        any = seen_get(&s->searches.seen[search], stmt_int(q, 0));
    if (r >= 0)
        *ret = any;
    return r < 0 ? r : 0;
}
