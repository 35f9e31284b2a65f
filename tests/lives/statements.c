/*
 * The daemon's statements (statements.h), as SQLite has them prepared: also those that stand
 * nowhere as one text, by the tables and the indexes of the file that it works with.
 */
#include "config.h"

#include "statements.h"

#include <stdint.h>
#include <string.h>

#include "../unit/statement-plan.h"
#include "witness.h"
#include "world.h"

#define KNOWN 1024 /* a power of two, well above the number of statements */

static uint64_t known[KNOWN];

static bool is_new(const char *sql)
{
    uint64_t number = chance_of(sql, 1);
    size_t at = number % KNOWN;
    for (size_t i = 0; i < KNOWN && known[at]; i++, at = (at + 1) % KNOWN)
        if (known[at] == number)
            return false;
    if (known[at])
        return false; /* there is no room */
    known[at] = number;
    return true;
}

static void say(const char *sql, const char *why)
{
    broken(15, "a statement reads all (%s): %.200s", why, sql);
}

static bool reads_or_writes(const char *sql)
{
    static const char *const verbs[] = {"SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH "};
    for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
        if (strncmp(sql, verbs[i], strlen(verbs[i])) == 0)
            return true;
    return false;
}

void statements_check(sqlite3 *db)
{
    sqlite3 *beside = witness_database();
    sqlite3_stmt *q = NULL;
    while (beside && (q = sqlite3_next_stmt(db, q))) {
        const char *sql = sqlite3_sql(q);
        if (!sql || !reads_or_writes(sql) || !is_new(sql))
            continue;
        world.n_checks++;
        (void)statement_check(beside, sql, say);
    }
}
