/*
 * The planner's bed: a person's input in short, and the operations that come of it as one line
 * of text: "kind[:reason]" separated by blanks ("!": parked), then "= bucket".
 */
#pragma once
#include "base/clock.h"
#include "judge/planner.h"

#define NOW   (1000 * USEC_PER_SEC)
#define GRACE (70 * USEC_PER_SEC)
#define LATER (300 * USEC_PER_SEC)

/* "login mail team role,role skill:level,skill:level"; "-": none. */
struct user *user_of(const char *text);

#define SAME "anna a@x Sales Agent English:50"

struct planner_row {
    const char *name;
    enum verdict_kind presence;
    enum link_status link;
    const char *wanted, *known, *granted;
    const char *expect;
    enum planner_claim claim;
    bool adoption_open, wanted_disabled, disabled_by_us, hold_renames;
    bool successor, successor_revoked, successor_idle;
    const char *group_missing, *vanished, *found;
    bool looking, asking;
    uint64_t leaving, disabled, delete_after;
    const char *twin, *quirks, *other_tenant;
    bool is_unread;
    bool revoked, user_vanished, maybe_renamed, our_id, renamed_there, repair, state_restored,
        conflict;
    bool disabled_as_dormant, shown_disabled, dormant_disable, create_disabled;
    bool found_disabled, says_nothing;
    uint64_t start, ahead, used, dormant_after;
};

#define ROW(n, p, l, w, k, g, x, ...)                                                          \
    {.name = n, .presence = p, .link = l, .wanted = w, .known = k, .granted = g, .expect = x, __VA_ARGS__}

/* The vendor's; a tenant that takes everything in one request is put in its place. */
extern const struct parts *planner_parts;
extern const struct parts planner_one_part;

const struct planner_row *planner_row_find(const struct planner_row *rows, size_t n,
                                           const char *name);
void planner_row_plan(const struct planner_row *row, struct planner_result *ret);
/* "field from>to" of each operation, "-": none; operations stand behind one another with "; ". */
char *planner_changes_text(const struct planner_result *r);
/* Of each row comes what it expects, and whoever waits can be told why. */
void planner_rows_check(const struct planner_row *rows, size_t n);
/* Whatever allocation fails, it is said, and nothing comes back that could be carried out. */
void planner_rows_check_memory(const struct planner_row *rows, size_t n);
