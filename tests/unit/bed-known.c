/* Whatever is known of a user, a line of the audit gave: held against each other after every read
 * of every test of the engine. */
#include "config.h"

#include "audit/holdings.h"
#include "base/text.h"
#include "engine-bed.h"
#include "model/user.h"
#include "state/db.h"
#include "state/link.h"
#include "state/mirror.h"
#include "state/person.h"
#include "unit.h"
#include "unresolved-by-hand.h"

static void take_holding(const json_t *row, void *userdata)
{
    assert_int_equal(holdings_take(userdata, row), 0);
}

struct known_look {
    struct bed *b;
    struct holdings *holdings;
};

static int check_known(const struct link *l, void *userdata)
{
    struct known_look *k = userdata;
    CLEANUP(user_freep) struct user *known = NULL, *quirks = NULL, *wanted = NULL;
    CLEANUP(string_list_done) struct string_list fields = {0};
    struct person p = {0};
    struct error e = {0};
    if (!l->known || l->status == LINK_DELETED)
        return 0;
    bed_ok(k->b, user_from_json(&known, l->known, &e));
    bed_ok(k->b, user_from_json_if_any(&quirks, l->quirks, &e));
    if (person_load(k->b->state, l->entry_id, &p, &e) == 0)
        bed_ok(k->b, user_from_json_if_any(&wanted, p.wanted, &e));
    person_done(&p);
    int r = holdings_compare(k->holdings, l->entry_id, known, quirks, wanted, &fields, &e);
    assert_true(r >= 0);
    if (fields.n_items)
        fail_msg("no line of the audit gave what is known of %s: %s (known: %s, quirks: %s)", l->login,
                 fields.items[0], l->known, l->quirks ? l->quirks : "none");
    return 0;
}

/* Members that are no entry, of groups that are there: as test-unresolved counts them. */
static void check_unresolved(struct bed *b)
{
    static const char sql[] = UNRESOLVED_BY_HAND;
    struct mirror_counts counts = {0};
    struct error e = {0};
    int64_t n = 0;
    bed_ok(b, mirror_counts(b->state, &counts, &e));
    bed_ok(b, db_number(b->state->db, b->path, sql, &n, &e));
    assert_int_equal(counts.members_unresolved, n);
}

/* Every change of what is known has a line of the audit, whatever the next one is. */
void bed_check_known(struct bed *b)
{
    struct known_look k = {b, holdings_new()};
    struct error e = {0};
    assert_non_null(k.holdings);
    bed_each_audit(b, take_holding, k.holdings);
    bed_ok(b, link_each(b->state, check_known, &k, &e));
    bed_check_who(b, k.holdings);
    check_unresolved(b);
    holdings_free(k.holdings);
}
