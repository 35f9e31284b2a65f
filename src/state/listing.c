/*
 * The logins that exist at the tenant, as last listed. Of those that a person wants it also
 * keeps what the user looked like, so that a plan can show what an adoption leads to. That
 * outlives a new listing: the row is stale until the login is listed again.
 *
 * A list may be without somebody who is there (pages shift, users are made after it), so whose
 * access is to end is asked for by the login. That stands here, too, until the answer is known,
 * and after it, so that nobody is asked for again and again.
 *
 * The statements name the values of enum listed as numbers, which are pinned below.
 */
#include "config.h"

#include "state/listing.h"

#include <assert.h>

#include "base/error.h"
#include "base/text.h"
#include "state/db.h"

/* Column stale; stored: never renumber. */
enum listed {
    LISTED_NOW = 0,
    LISTED_BEFORE = 1, /* in an older listing */
    LISTED_ABSENT = 2, /* it was asked for and is not there */
    LISTED_ASKED = 3,  /* it is to be asked for */
};
static_assert(LISTED_NOW == 0 && LISTED_BEFORE == 1 && LISTED_ABSENT == 2 && LISTED_ASKED == 3,
              "the statements name them");

int listing_clear(struct state *s, struct error *e)
{
    return db_write(s, "DELETE FROM listing", NULL, e);
}

int listing_replace_begin(struct state *s, struct error *e)
{
    int r = db_write(s, "DELETE FROM listing WHERE stale = 1 OR found IS NULL", NULL, e);

    return r < 0 ? r : db_write(s, "UPDATE listing SET stale = 1, mail_key = NULL", NULL, e);
}

int listing_refresh_begin(struct state *s, struct error *e)
{
    return db_write(s, "UPDATE listing SET stale = 1 WHERE stale = 0", NULL, e);
}

/* Who is asked for still is: whoever wants the login waits for that answer. */
int listing_add(struct state *s, const char *login, const char *login_key, struct error *e)
{
    return db_write(s,
                    "INSERT INTO listing(login_key, login) VALUES(?1, ?2) ON "
                    "CONFLICT(login_key) DO UPDATE SET login = ?2, stale = CASE stale WHEN 3 "
                    "THEN 3 ELSE 0 END",
                    WITH(as_text(login_key), as_text(login)), e);
}

int listing_unclaimed(struct state *s, int (*fn)(const char *login, void *userdata), void *userdata,
                      struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(
        &q, s,
        "SELECT login FROM listing t WHERE stale = 0 AND NOT EXISTS (SELECT 1 FROM link l "
        "WHERE l.login_key = t.login_key AND l.status <> 3) ORDER BY login_key",
        NULL, e);

    for (; r == STMT_ROW; r = stmt_step(q, e)) {
        r = fn(stmt_text(q, 0), userdata);
        if (r != 0)
            return r;
    }
    return r;
}

int listing_each_found(struct state *s,
                       int (*fn)(const char *login, const char *found, void *userdata),
                       void *userdata, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r =
        stmt_query(&q, s,
                   "SELECT login, found FROM listing t WHERE stale = 0 AND found <> '' AND NOT "
                   "EXISTS (SELECT 1 FROM link l WHERE l.login_key = t.login_key AND l.status <> "
                   "3) ORDER BY login_key",
                   NULL, e);

    for (; r == STMT_ROW; r = stmt_step(q, e)) {
        r = fn(stmt_text(q, 0), stmt_text(q, 1), userdata);
        if (r != 0)
            return r;
    }
    return r;
}

int listing_find(struct state *s, const char *login_key, char **ret, struct error *e)
{
    return db_text(s, "SELECT login FROM listing WHERE login_key = ?1 AND stale = 0",
                   WITH(as_text(login_key)), ret, e);
}

size_t listing_count(struct state *s)
{
    return db_count(s, "SELECT count(*) FROM listing WHERE stale = 0");
}

/* At the first contact no more than the mail is kept of whom nobody wants. */
size_t listing_n_strangers(struct state *s)
{
    return db_count(
        s, "SELECT count(t.login) FROM listing t WHERE stale = 0 AND found IS NOT NULL AND NOT "
           "EXISTS (SELECT 1 FROM person p WHERE p.login_key = t.login_key) AND NOT EXISTS "
           "(SELECT 1 FROM link l WHERE l.login_key = t.login_key AND l.status <> 3)");
}

int listing_remove(struct state *s, const char *login_key, struct error *e)
{
    return db_write(s, "DELETE FROM listing WHERE login_key = ?1", WITH(as_text(login_key)), e);
}

int listing_set_absent(struct state *s, const char *login_key, struct error *e)
{
    int r = db_write(s,
                     "UPDATE listing SET stale = 2, mail_key = NULL, found = NULL WHERE "
                     "login_key = ?1",
                     WITH(as_text(login_key)), e);

    return r < 0 ? r
                 : db_write(s,
                            "DELETE FROM listing WHERE login_key = ?1 AND NOT EXISTS (SELECT 1 "
                            "FROM person p WHERE p.login_key = ?1)",
                            WITH(as_text(login_key)), e);
}

int listing_ask(struct state *s, const char *login, const char *login_key, bool *ret_asked,
                struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = db_write(s,
                     "INSERT INTO listing(login_key, login, stale) VALUES(?1, ?2, 3) ON "
                     "CONFLICT(login_key) DO UPDATE SET login = ?2, stale = 3 WHERE stale = 1",
                     WITH(as_text(login_key), as_text(login)), e);

    if (r == 0)
        r = stmt_query(&q, s, "SELECT 1 FROM listing WHERE login_key = ?1 AND stale = 3",
                       WITH(as_text(login_key)), e);
    *ret_asked = r == STMT_ROW;
    return r < 0 ? r : 0;
}

int listing_ask_again(struct state *s, struct error *e)
{
    return db_write(s,
                    "UPDATE listing SET stale = 3 WHERE stale >= 2 AND stale = 2 AND NOT "
                    "EXISTS (SELECT 1 FROM link l WHERE l.login_key = listing.login_key AND "
                    "l.status <> 3)",
                    NULL, e);
}

int listing_asked(struct state *s, const char *after, size_t limit, struct string_list *ret,
                  struct error *e)
{
    return db_texts(s,
                    "SELECT login FROM listing WHERE stale >= 2 AND stale = 3 AND login_key > ?1 "
                    "ORDER BY login_key LIMIT ?2",
                    WITH(as_text(after), as_int((int64_t)limit)), ret, e);
}

int listing_find_mail(struct state *s, const char *mail_key, char **ret, struct error *e)
{
    return db_text(
        s,
        "SELECT login FROM listing t WHERE mail_key = ?1 AND stale = 0 AND NOT EXISTS (SELECT 1 "
        "FROM link l WHERE l.login_key = t.login_key AND l.status <> 3) LIMIT 1",
        WITH(as_text(mail_key)), ret, e);
}

int listing_to_look_at(struct state *s, const char *after, size_t limit, struct string_list *ret,
                       struct error *e)
{
    return db_texts(
        s,
        "SELECT login FROM listing t WHERE login_key > ?1 AND (stale = 3 OR (stale = 0 "
        "AND (mail_key IS NULL OR (found IS NULL AND EXISTS (SELECT 1 FROM person p "
        "WHERE p.login_key = t.login_key))))) AND NOT EXISTS (SELECT 1 FROM link l "
        "WHERE l.login_key = t.login_key AND l.status <> 3) ORDER BY login_key LIMIT ?2",
        WITH(as_text(after), as_int((int64_t)limit)), ret, e);
}

int listing_shown(struct state *s, char **ret, struct error *e)
{
    return db_text(s,
                   "SELECT login FROM listing WHERE mail_key > '' AND stale = 0 ORDER BY mail_key "
                   "LIMIT 1",
                   NULL, ret, e);
}

int listing_set_looked(struct state *s, const char *login_key, const char *mail_key,
                       const char *found, struct error *e)
{
    return db_write(s,
                    "UPDATE listing SET stale = 0, mail_key = ?2, found = CASE WHEN EXISTS "
                    "(SELECT 1 FROM person p WHERE p.login_key = ?1) THEN ?3 END WHERE "
                    "login_key = ?1",
                    WITH(as_text(login_key), as_text(mail_key), as_text(found)), e);
}

int listing_set_found(struct state *s, const char *login, const char *login_key,
                      const char *mail_key, const char *found, struct error *e)
{
    return db_write(s,
                    "INSERT INTO listing(login_key, login, mail_key, found) VALUES(?1, ?2, "
                    "?3, ?4) ON CONFLICT(login_key) DO UPDATE SET login = ?2, mail_key = "
                    "?3, found = ?4, stale = 0",
                    WITH(as_text(login_key), as_text(login), as_text(mail_key), as_text(found)), e);
}

int listing_found(struct state *s, const char *login_key, char **ret, struct error *e)
{
    return db_text(s,
                   "SELECT found FROM listing WHERE login_key = ?1 AND stale = 0 AND "
                   "found IS NOT NULL",
                   WITH(as_text(login_key)), ret, e);
}
