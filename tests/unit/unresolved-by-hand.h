/* How many members of groups are nobody, counted from the tables alone: the oracle of what the
 * state keeps of that. */
#pragma once

/* clang-format off */
#define UNRESOLVED_BY_HAND                                                                         \
    "WITH here AS (SELECT * FROM entry WHERE gone_usec = 0), named AS (SELECT m.* FROM member m "  \
    "JOIN here g ON g.n = m.group_n AND g.kind = 2) SELECT (SELECT count(*) FROM named WHERE "     \
    "kind = 1 AND name_n NOT IN (SELECT name_n FROM here) AND (group_n, name_n) NOT IN (SELECT "   \
    "t.group_n, t.name_n FROM stale t JOIN here o ON o.n = t.entry_n)) + (SELECT count(*) FROM "   \
    "named m JOIN name a ON a.n = m.name_n WHERE m.kind = 2 AND a.key NOT IN (SELECT login_key "   \
    "FROM here WHERE login_key NOT NULL UNION SELECT l.key FROM entry_login l JOIN here o ON "     \
    "o.n = l.n))"
/* clang-format on */
