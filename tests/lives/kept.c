/*
 * What the daemon keeps in memory beside its tables (kept.h). Each question is asked twice: of
 * the daemon's own handle, with all that it remembers, and of one that has just opened the
 * file. What is decided about people is compared with what the rules say now; and where only
 * the struct shows what is remembered, the row is looked for by a statement that is written
 * here.
 */
#include "config.h"

#include "kept.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/daemon.h"
#include "daemon/reader.h"
#include "life.h"
#include "mapping/ruleset.h"
#include "model/user.h"
#include "rules.h"
#include "state/db.h"
#include "state/link.h"
#include "state/mirror.h"
#include "state/person.h"
#include "state/round.h"
#include "state/trail.h"
#include "statements.h"
#include "world.h"

/* Of so many people one each day. */
#define ONE_OF 3

struct both {
    struct daemon *d;
    struct state *kept, *fresh;
    struct bound_groups groups;
    unsigned n;
    bool settled; /* nobody is to be looked at */
    struct error e;
};

/* ---- what the status says ---- */

static void compare_json(const char *where, const json_t *kept, const json_t *fresh)
{
    const char *name;
    json_t *value;
    char path[120];
    if (json_equal(kept, fresh))
        return;
    if (json_is_object(kept) && json_is_object(fresh)) {
        json_object_foreach((json_t *)kept, name, value)
        {
            snprintf(path, sizeof(path), "%s%s%s", where, *where ? "." : "", name);
            compare_json(path, value, json_object_get(fresh, name));
        }
        return;
    }
    CLEANUP(freep)
    char *a = json_dumps(kept, JSON_ENCODE_ANY | JSON_COMPACT),
         *b = json_dumps(fresh, JSON_ENCODE_ANY | JSON_COMPACT);
    broken(15, "%s is told to be %s, and whoever opens the state file tells %s", where,
           a ? a : "?", b ? b : "?");
}

/* What the daemon counts as it goes is what a count of the rows gives. */
static void check_counts(struct both *b, const json_t *status)
{
    static const struct {
        const char *part, *name, *sql;
    } rows[] = {
        {"directory", "people", "SELECT count(*) FROM entry WHERE gone_usec = 0 AND kind = 1"},
        {"directory", "groups", "SELECT count(*) FROM entry WHERE gone_usec = 0 AND kind = 2"},
        {"tenant", "users_linked", "SELECT count(*) FROM link WHERE status = 1"},
        {"tenant", "users_disabled", "SELECT count(*) FROM link WHERE status = 2"},
        {"queue", "parked", "SELECT count(*) FROM operation WHERE state = 2"},
        {"queue", "held", "SELECT count(*) FROM operation WHERE state = 3"},
        {"queue", "started", "SELECT count(*) FROM operation WHERE state = 4"},
        {"mapping", "dirty", "SELECT count(*) FROM dirty"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const json_t *told =
            json_object_get(json_object_get(status, rows[i].part), rows[i].name);
        int64_t n = 0;
        world.n_checks++;
        if (db_number(b->fresh->db, b->fresh->path, rows[i].sql, &n, &b->e) == 0 &&
            (!json_is_integer(told) || json_integer_value(told) != n))
            broken(15, "%s.%s is told to be %lld, and the state has %lld", rows[i].part,
                   rows[i].name, (long long)json_integer_value(told), (long long)n);
    }
}

static void check_status(struct both *b)
{
    void *note = question_status.note(b->d, NULL, &b->e);
    json_auto_t *kept = note ? question_status.answer(note, b->kept, &b->e) : NULL;
    json_auto_t *fresh = note ? question_status.answer(note, b->fresh, &b->e) : NULL;
    if (note)
        question_status.forget(note);
    world.n_checks++;
    compare_json("", kept, fresh);
    check_counts(b, kept);
}

/* ---- what is decided about people ---- */

/* Of two roles that conflict one is enough. */
static void leave_one_out(struct user *now, const struct user *decided)
{
    static const char *const both[] = {"Lead", "Trainer"};
    if (!rules.conflicts || !user_role(now, both[0]) || !user_role(now, both[1]))
        return;
    for (size_t i = 0; i < ARRAY_SIZE(both); i++)
        if (!user_role(decided, both[i]) && user_role(decided, both[1 - i]))
            user_remove_role(now, both[i]);
}

/* Only what the rules say: a login may be kept, and whoever is revoked is disabled, all the
 * same. */
static bool is_the_same(struct user *now, const char *wanted)
{
    CLEANUP(user_freep) struct user *decided = NULL;
    struct error e = {0};
    if (user_from_json(&decided, wanted, &e) < 0)
        return false;
    leave_one_out(now, decided);
    bool same = text_equal(user_get(now, USER_TEAM), user_get(decided, USER_TEAM)) &&
                text_equal(user_get(now, USER_EMAIL), user_get(decided, USER_EMAIL)) &&
                text_equal(user_get(now, USER_LAST_NAME), user_get(decided, USER_LAST_NAME)) &&
                now->n_roles == decided->n_roles && now->n_skills == decided->n_skills &&
                now->disabled == decided->disabled;
    for (size_t i = 0; same && i < now->n_skills; i++) {
        const struct user_skill *skill = user_skill(decided, now->skills[i].name);
        same = skill && skill->level == now->skills[i].level;
    }
    for (size_t i = 0; same && i < now->n_roles; i++)
        same = user_role(decided, now->roles[i].name) != NULL;
    return same;
}

static void check_decided(struct both *b, const struct person *p)
{
    struct verdict v = {0};
    if (!b->settled || p->verdict == VERDICT_GONE ||
        engine_explain(b->d->engine, p->entry_id, &v, &b->e) != 0)
        return;
    world.n_checks++;
    if (v.kind != p->verdict)
        broken(15, "%s was decided to be %d, and is %d by the rules, and is not looked at",
               p->dn, (int)p->verdict, (int)v.kind);
    else if (v.user && p->wanted && !v.revoked && !is_the_same(v.user, p->wanted)) {
        CLEANUP(freep) char *now = user_to_json(v.user, false);
        broken(15, "%s was decided to be %s, and is %s by the rules, and is not looked at",
               p->dn, p->wanted, now ? now : "?");
    }
    verdict_done(&v);
}

/* By the groups as the handle remembers them from other people. */
static void check_groups(struct both *b, const struct person *p)
{
    size_t n = b->groups.n_items;
    struct mirror_membership *kept = calloc(n + 1, sizeof(*kept)),
                             *fresh = calloc(n + 1, sizeof(*fresh));
    if (!kept || !fresh)
        abort();
    int r = mirror_memberships(b->kept, p->entry_id, &b->groups, kept, &b->e);
    if (r == 0)
        r = mirror_memberships(b->fresh, p->entry_id, &b->groups, fresh, &b->e);
    for (size_t i = 0; i < n && r == 0; i++)
        if (kept[i].member != fresh[i].member || !text_equal(kept[i].via, fresh[i].via))
            broken(15, "%s is known to be %s %s (by %s), and by the tables is%s (by %s)", p->dn,
                   kept[i].member ? "in" : "in no way in", b->groups.items[i].dn,
                   kept[i].via ? kept[i].via : "itself", fresh[i].member ? "" : " not",
                   fresh[i].via ? fresh[i].via : "itself");
    world.n_checks++;
    mirror_memberships_done(kept, n);
    mirror_memberships_done(fresh, n);
    free(kept);
    free(fresh);
}

static int check_person(const struct person *p, void *userdata)
{
    struct both *b = userdata;
    if (b->n++ % ONE_OF != world_day() % ONE_OF)
        return 0;
    check_groups(b, p);
    check_decided(b, p);
    return 0;
}

static void check_people(struct both *b)
{
    const struct ruleset *ruleset = engine_ruleset(b->d->engine);
    const char *keys[16];
    size_t n;
    const struct ruleset_group *named = ruleset_groups(ruleset, &n);
    for (size_t i = 0; i < n && i < ARRAY_SIZE(keys); i++)
        keys[i] = named[i].key;
    b->settled = person_count_dirty(b->fresh) == 0 && engine_is_idle(b->d->engine);
    if (mirror_look_at_groups(b->fresh, keys, n < ARRAY_SIZE(keys) ? n : ARRAY_SIZE(keys),
                              &b->groups, &b->e) == 0)
        (void)person_each(b->fresh, check_person, b, &b->e);
    bound_groups_done(&b->groups);
}

/* ---- what only the struct shows ---- */

static void check_ids(struct both *b)
{
    static const char sql[] = "SELECT n FROM identity WHERE id = ?1";
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    if (stmt_prepare(&q, b->fresh, sql, &b->e) < 0)
        return;
    for (size_t i = 0; i < KNOWN_IDS; i++) {
        const struct known_id *known = &b->kept->ids.known[i];
        if (!known->n || known->epoch != b->kept->ids.epoch)
            continue;
        stmt_reset(q);
        stmt_bind_id(q, 1, known->id);
        int64_t n = stmt_step(q, &b->e) == STMT_ROW ? stmt_int(q, 0) : 0;
        world.n_checks++;
        if (n != known->n)
            broken(15, "the entry %s is known by the number %lld, and has %lld", known->id,
                   (long long)known->n, (long long)n);
    }
}

static void check_number(struct both *b, const char *what, int64_t kept, const char *sql)
{
    int64_t n = 0;
    world.n_checks++;
    if (db_number(b->fresh->db, b->fresh->path, sql, &n, &b->e) == 0 && n != kept)
        broken(15, "%s is known to be %lld, and by the tables is %lld", what, (long long)kept,
               (long long)n);
}

static void check_numbers(struct both *b)
{
    struct state *s = b->kept;
    struct engine_status status;
    engine_status(b->d->engine, &status);
    for (int i = 1; i < LINK_N_STATUS; i++) {
        char sql[64], what[32];
        snprintf(sql, sizeof(sql), "SELECT count(*) FROM link WHERE status = %d", i);
        snprintf(what, sizeof(what), "the number of users %d", i);
        check_number(b, what, (int64_t)link_count(s, (enum link_status)i), sql);
    }
    if (s->trail.known.has_head)
        check_number(b, "the audit's last line", s->trail.known.head.seq,
                     "SELECT coalesce(max(seq), 0) FROM trail");
    if (s->trail.known.has_noted)
        check_number(
            b, "the line up to which the audit file is noted", s->trail.known.noted,
            "SELECT coalesce(max(value + 0), 0) FROM meta WHERE name = 'audit-exported'");
    if (s->no_alarms)
        check_number(b, "the number of alarms", 0, "SELECT count(*) FROM alarm");
    for (unsigned i = 0; i < UNSPENT_BUDGETS; i++) {
        char sql[128];
        snprintf(sql, sizeof(sql),
                 "SELECT coalesce(sum(n), 0) FROM budget_use WHERE budget = %u AND at_usec >= %llu",
                 i, (unsigned long long)s->unspent.since_usec[i]);
        if (s->unspent.known >> i & 1)
            check_number(b, "what a budget has spent", 0, sql);
    }
    if (s->no_marks)
        check_number(b, "how many are to be looked at", 0, "SELECT count(*) FROM dirty");
    check_number(b, "the run", (int64_t)status.run,
                 "SELECT coalesce(max(number), 0) FROM run WHERE ended_usec = 0");
    check_number(b, "whether writing is paused", status.paused,
                 "SELECT coalesce(max(value != '0'), 0) FROM meta WHERE name = 'paused'");
    check_number(
        b, "whether the first contact is open", status.adoption_open,
        "SELECT coalesce(max(value) = '0', 1) FROM meta WHERE name = 'first-contact-done'");
    check_number(b, "how many are under way", (int64_t)status.in_flight,
                 "SELECT count(*) FROM operation WHERE state = 4");
}

/* Of an attribute's names, those that were asked for last. */
static void check_shape(struct both *b)
{
    CLEANUP(freep) char *names = NULL;
    if (!b->kept->shape.n)
        return;
    world.n_checks++;
    if (db_text(b->fresh, "SELECT names FROM shape WHERE n = ?1",
                WITH(as_int(b->kept->shape.n)), &names, &b->e) != 0 ||
        !text_equal(names, b->kept->shape.names.data))
        broken(15, "the attributes %s are known by the number %lld, which has %s",
               b->kept->shape.names.data, (long long)b->kept->shape.n, names ? names : "none");
}

void kept_check(void)
{
    struct both b = {.d = life_running()};
    if (!b.d || !b.d->engine)
        return;
    b.kept = b.d->state;
    if (engine_commit(b.d->engine, &b.e) < 0 || b.kept->transaction.active ||
        state_open_to_read(&b.fresh, b.kept, &b.e) < 0)
        return;
    unresolved_forget(b.fresh); /* it is lent what is known */
    check_status(&b);
    check_numbers(&b);
    check_ids(&b);
    check_shape(&b);
    check_people(&b);
    statements_check(b.kept->db);
    statements_check(b.fresh->db);
    (void)state_close(b.fresh);
}
