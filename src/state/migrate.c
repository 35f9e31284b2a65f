/*
 * The form of the state file. Migrations are appended and never edited: a file of any earlier
 * rosterd becomes the present one, and one of a later rosterd is refused untouched.
 *
 * Types are held by CHECK(typeof()), since STRICT tables need SQLite 3.37 and the tools of a
 * system with 3.34 could not even open such a file. RETURNING is not used for the same reason.
 * Numbers of kinds and states are those of the enums in the headers; times are microseconds
 * since 1970, 0 for never.
 */
#include "config.h"

#include "state/migrate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "state/db.h"
#include "state/state.h"

/* clang-format off */
#define NUMBER(name) name " INTEGER NOT NULL CHECK(typeof(" name ")='integer')"
#define TIME(name)   name " INTEGER NOT NULL DEFAULT 0 CHECK(typeof(" name ")='integer')"
#define TEXT(name)   name " TEXT NOT NULL CHECK(typeof(" name ")='text')"
#define MAYBE(name)  name " TEXT CHECK(typeof(" name ") IN ('text','null'))"
#define BYTES(name)  name " BLOB NOT NULL CHECK(typeof(" name ")='blob')"
#include "state/migrate-numbers.h"

/* Tables that have their form of the first day still: a new file has these, and not first what
 * later forms make anew. */
#define OF_THE_FIRST_DAY                                                                          \
    "CREATE TABLE meta(" TEXT("name") " PRIMARY KEY, " TEXT("value") ") WITHOUT ROWID;"           \
    /* The names of attributes that an entry has, once for each combination: lower case, each     \
     * between newlines. Few combinations exist, so counting who has an attribute is a scan of    \
     * one small index. */                                                                        \
    "CREATE TABLE shape(n INTEGER PRIMARY KEY, " TEXT("names") " UNIQUE);"                        \
    "CREATE TABLE cookie(search INTEGER PRIMARY KEY, cookie BLOB NOT NULL, "                      \
    TEXT("identity") ");"                                                                         \
    "CREATE TABLE run(number INTEGER PRIMARY KEY AUTOINCREMENT, " TEXT("trigger") ", "            \
    TIME("started_usec") ", " TIME("ended_usec") ", " MAYBE("totals") ");"                        \
    "CREATE TABLE listing(" TEXT("login_key") " PRIMARY KEY, " TEXT("login") ", "                 \
    MAYBE("mail_key") ") WITHOUT ROWID;"                                                          \
    "CREATE INDEX listing_mail ON listing(mail_key) WHERE mail_key IS NOT NULL;"                  \
    "CREATE TABLE budget_use(" NUMBER("budget") ", " NUMBER("at_usec") ", " NUMBER("n") ", "      \
    "PRIMARY KEY(budget, at_usec)) WITHOUT ROWID;"                                                \
    "CREATE TABLE alarm(" TEXT("cause") " PRIMARY KEY, " TEXT("code") ", " TEXT("sentence") ", "  \
    TIME("since_usec") ", " TIME("notified_usec") ") WITHOUT ROWID;"                              \
    "CREATE TABLE trail(seq INTEGER PRIMARY KEY, " TEXT("line") ", " TEXT("hash") ");"
#define DIRTY_GROUP "CREATE TABLE dirty_group(n INTEGER PRIMARY KEY);"
#define LISTING_FOUND                                                                             \
    "ALTER TABLE listing ADD COLUMN " MAYBE("found") ";"                                          \
    "ALTER TABLE listing ADD COLUMN stale INTEGER NOT NULL DEFAULT 0 CHECK(typeof(stale)='integer');"
#define TOLD                                                                                      \
    "CREATE TABLE told(" TEXT("cause") " PRIMARY KEY, " TIME("told_usec") ", "                    \
    NUMBER("standing") ") WITHOUT ROWID;"
#define ENTRY_LOGIN                                                                               \
    "CREATE TABLE entry_login(" NUMBER("n") ", " TEXT("key") ", PRIMARY KEY(n, key)) WITHOUT ROWID;" \
    "CREATE INDEX entry_login_by_key ON entry_login(key);"
#define ROUND                                                                                     \
    "CREATE TABLE round(" NUMBER("stage") ", " NUMBER("passed_n") ", " NUMBER("last_n") ", "      \
    NUMBER("n_left") ");"

static const char *const migrations[] = {
    /* 1 */
    OF_THE_FIRST_DAY
    /* digest and members_digest tell an unchanged entry without reading what it holds. */
    "CREATE TABLE entry(n INTEGER PRIMARY KEY, " TEXT("id") " UNIQUE, " TEXT("dn") ", "
    NUMBER("kind") ", " NUMBER("search") ", " TEXT("digest") ", " TEXT("members_digest") ", "
    TIME("gone_usec") ", " MAYBE("gone_why") ", " TEXT("dn_key") ", " MAYBE("login_key") ", "
    MAYBE("primary_key") ", " MAYBE("mail_key") ", " NUMBER("shape") ", " TEXT("attributes") ");"
    "CREATE INDEX entry_dn_key ON entry(dn_key);"
    "CREATE INDEX entry_group_key ON entry(dn_key) WHERE kind = 2;"
    "CREATE INDEX entry_login_key ON entry(login_key) WHERE login_key IS NOT NULL;"
    "CREATE INDEX entry_primary_key ON entry(primary_key) WHERE primary_key IS NOT NULL;"
    "CREATE INDEX entry_mail_key ON entry(mail_key) WHERE mail_key IS NOT NULL;"
    "CREATE INDEX entry_live ON entry(kind, search, shape) WHERE gone_usec = 0;"
    "CREATE INDEX entry_gone ON entry(gone_usec) WHERE gone_usec > 0;"

    "CREATE TABLE member(" NUMBER("group_n") ", " NUMBER("kind") ", " TEXT("key") ", "
    TEXT("text") ", PRIMARY KEY(kind, key, group_n)) WITHOUT ROWID;"
    "CREATE INDEX member_group ON member(group_n, kind, key);"

    /* A group that names, by `key`, an entry that has moved or vanished since the group was
     * read. Until it is read again the entry counts as its member. */
    "CREATE TABLE stale(" NUMBER("group_n") ", " TEXT("key") ", " NUMBER("entry_n") ", "
    "PRIMARY KEY(group_n, key, entry_n)) WITHOUT ROWID;"
    "CREATE INDEX stale_entry ON stale(entry_n);"

    "CREATE TABLE bound_group(" TEXT("configured_key") " PRIMARY KEY, " TEXT("id") ", "
    TEXT("dn") ") WITHOUT ROWID;"

    "CREATE TABLE dirty(n INTEGER PRIMARY KEY, " TEXT("entry_id") " UNIQUE);"

    "CREATE TABLE person(" TEXT("entry_id") " PRIMARY KEY, " TEXT("dn") ", "
    NUMBER("verdict") ", " NUMBER("bucket") ", " MAYBE("bucket_code") ", " NUMBER("run") ", "
    TIME("recheck_usec") ", " MAYBE("login_key") ", " MAYBE("code") ", " MAYBE("sentence") ", "
    MAYBE("wanted") ");"
    "CREATE INDEX person_dn ON person(dn);"
    "CREATE INDEX person_login ON person(login_key) WHERE login_key IS NOT NULL;"
    "CREATE INDEX person_recheck ON person(recheck_usec) WHERE recheck_usec > 0;"
    "CREATE INDEX person_held ON person(bucket_code) WHERE bucket = 7;"
    "CREATE INDEX person_ledger ON person(run, bucket, bucket_code);"

    "CREATE TABLE link(" TEXT("entry_id") " PRIMARY KEY, " TEXT("login") ", "
    TEXT("login_key") ", " NUMBER("status") ", " NUMBER("disabled_by_us") ", "
    TIME("created_usec") ", " TIME("confirmed_usec") ", " TIME("leaving_usec") ", "
    TIME("disabled_usec") ", " MAYBE("scim_id") ", " TEXT("origin") ", "
    MAYBE("leaving_why") ", " MAYBE("known") ", " MAYBE("granted") ", " MAYBE("drift") ");"
    /* The login of a user that we deleted is free for somebody else. */
    "CREATE UNIQUE INDEX link_login ON link(login_key) WHERE status <> 3;"
    "CREATE INDEX link_status ON link(status);"

    /* AUTOINCREMENT: the audit names operations by number, so none is used twice. */
    "CREATE TABLE operation(number INTEGER PRIMARY KEY AUTOINCREMENT, " NUMBER("kind") ", "
    NUMBER("state") ", " TEXT("entry_id") ", " TIME("not_before_usec") ", "
    TIME("since_usec") ", " NUMBER("attempts") ", " NUMBER("run") ", " NUMBER("approved") ", "
    NUMBER("budget") ", " TEXT("dn") ", " TEXT("login") ", " MAYBE("reason") ", " MAYBE("cause") ", "
    MAYBE("sentence") ", " MAYBE("why") ", " TEXT("changes") ");"
    "CREATE INDEX operation_ready ON operation(not_before_usec, number) WHERE state = 1;"
    "CREATE INDEX operation_held ON operation(not_before_usec) WHERE state = 3;"
    "CREATE INDEX operation_person ON operation(entry_id, state);"
    "CREATE INDEX operation_state ON operation(state, kind);"
    "CREATE INDEX operation_budget ON operation(budget, state, approved);",
    /* 2: what waits, by cause, also while it is tried again. */
    "CREATE INDEX operation_cause ON operation(cause) WHERE reason IS NOT NULL;",
    /* 3: groups whose people, directly or through groups in them, are to be marked dirty. */
    DIRTY_GROUP,
    /* 4: an entry is held by searches, one bit for each. What was kept was the one that showed it
     * last; without cookies all of them are asked again. */
    "ALTER TABLE entry RENAME COLUMN search TO searches;"
    "UPDATE entry SET searches = CASE WHEN gone_usec = 0 THEN 1 << searches ELSE 0 END;"
    "CREATE INDEX entry_unheld ON entry(n) WHERE searches = 0 AND gone_usec = 0;"
    "DELETE FROM cookie;",
    /* 5: each approval has an end of its own; what was let through and has not ended is counted
     * at each start. */
    "ALTER TABLE operation ADD COLUMN " TIME("approved_until_usec") ";"
    "UPDATE operation SET approved_until_usec = (SELECT CAST(value AS INTEGER) FROM meta "
    "WHERE name = 'approval-until') WHERE approved = 1 AND EXISTS (SELECT 1 FROM meta WHERE "
    "name = 'approval-until');"
    "DELETE FROM meta WHERE name = 'approval-until';"
    "CREATE INDEX operation_approved ON operation(approved_until_usec) WHERE approved = 1;"
    "DROP INDEX operation_budget;"
    "CREATE INDEX operation_fresh ON operation(budget, not_before_usec, number, kind) WHERE "
    "approved = 0 AND state = 1 AND attempts = 0;"
    "CREATE INDEX operation_let_through ON operation(budget, not_before_usec, number, kind) "
    "WHERE approved = 0 AND attempts > 0 AND state <> 2;"
    "CREATE INDEX operation_over ON operation(budget, not_before_usec, number, kind) WHERE "
    "approved = 0 AND state = 2 AND reason = 'budget';",
    /* 6: what a listed user looked like whom a person would be adopted with. */
    LISTING_FOUND,
    /* 7: the links to another tenant's users, until this one is approved. */
    "CREATE TABLE link_aside(" TEXT("entry_id") " PRIMARY KEY, " TEXT("login") ", "
    TEXT("login_key") ", " NUMBER("status") ", " NUMBER("disabled_by_us") ", "
    TIME("created_usec") ", " TIME("confirmed_usec") ", " TIME("leaving_usec") ", "
    TIME("disabled_usec") ", " MAYBE("scim_id") ", " TEXT("origin") ", "
    MAYBE("leaving_why") ", " MAYBE("known") ", " MAYBE("granted") ", " MAYBE("drift") ");",
    /* 8: what was told of an alarm outside, so that one that comes and goes is told seldom.
     * standing: the last word was that it stands. */
    TOLD
    "INSERT INTO told SELECT cause, notified_usec, 1 FROM alarm WHERE notified_usec > 0;",
    /* 9: `bucket` is what was decided about the person, whatever waits in the queue, and what
     * was done has columns of its own: the ledger is asked from them. */
    "ALTER TABLE person ADD COLUMN " TIME("done") ";"
    "ALTER TABLE person ADD COLUMN " TIME("done_run") ";"
    "UPDATE person SET done = bucket, done_run = run WHERE bucket IN (1, 2, 3);"
    "UPDATE person SET bucket = 4, bucket_code = NULL WHERE bucket IN (0, 1, 2, 3, 7);"
    "DROP INDEX person_held; DROP INDEX person_ledger;"
    "CREATE INDEX person_run ON person(run);",
    /* 10: what the tenant did by itself: renamed the user, showed values in another form, gave
     * skills. */
    "ALTER TABLE link ADD COLUMN " MAYBE("quirks") ";"
    "ALTER TABLE link ADD COLUMN renamed_there INTEGER NOT NULL DEFAULT 0 CHECK(typeof(renamed_there)='integer');"
    "ALTER TABLE link_aside ADD COLUMN " MAYBE("quirks") ";"
    "ALTER TABLE link_aside ADD COLUMN renamed_there INTEGER NOT NULL DEFAULT 0 CHECK(typeof(renamed_there)='integer');",
    /* 11: lanes. Revocations first, then what fell due, then newcomers; queue.c has the same
     * expression. */
    "ALTER TABLE operation ADD COLUMN revokes INTEGER NOT NULL DEFAULT 0 "
    "CHECK(typeof(revokes)='integer');"
    "ALTER TABLE operation ADD COLUMN " TIME("due_usec") ";"
    "UPDATE operation SET due_usec = not_before_usec;"
    "DROP INDEX operation_ready;"
    "CREATE INDEX operation_ready ON operation((CASE WHEN revokes = 1 THEN 1 WHEN kind IN "
    "(1, 2) AND reason IS NOT 'outcome-unclear' THEN 3 ELSE 2 END), due_usec, number, "
    "not_before_usec) WHERE state = 1;"
    "CREATE INDEX operation_waiting ON operation(not_before_usec) WHERE state = 1;",
    /* 12: more values of the login attribute than the one in entry.login_key. Without cookies
     * everybody is read again. */
    ENTRY_LOGIN
    "DELETE FROM cookie;",
    /* 13: whose first password was not handed on yet; sentence: what went wrong, if it did. */
    "CREATE TABLE password_due(" TEXT("entry_id") " PRIMARY KEY, " TIME("since_usec") ", "
    TIME("next_usec") ", " MAYBE("sentence") ") WITHOUT ROWID;"
    "CREATE INDEX password_due_next ON password_due(next_usec);",
    /* 14: the digest of the bytes that the entry came as, while it is as it was taken from
     * them. */
    "ALTER TABLE entry ADD COLUMN raw BLOB CHECK(typeof(raw) IN ('blob','null'));",
    /* 15: who is to be looked at because of something that concerns everybody: after those whose
     * entries or groups changed. */
    "CREATE TABLE dirty_later(n INTEGER PRIMARY KEY, " TEXT("entry_id") " UNIQUE);",
    /* 16: groups that have members which the account may not see. */
    "CREATE INDEX entry_members_hidden ON entry(n) WHERE substr(members_digest, 1, 6) = 'hidden';",
    /* 17: since when a shift postpones a disable, whatever else it waits for in between. */
    "ALTER TABLE operation ADD COLUMN " TIME("shift_usec") ";",
    /* 18: who was not found at the tenant. */
    "ALTER TABLE link ADD COLUMN gone INTEGER NOT NULL DEFAULT 0 CHECK(typeof(gone)='integer');"
    "ALTER TABLE link_aside ADD COLUMN gone INTEGER NOT NULL DEFAULT 0 CHECK(typeof(gone)='integer');",
    /* 19: who gets no user, for the plan: few, as a rule, of many. */
    "CREATE INDEX person_skipped ON person(dn) WHERE bucket = 6;",
    /* 20: when the user was used last, and since when it is disabled because it was not. */
    "ALTER TABLE link ADD COLUMN " TIME("last_login_usec") ";"
    "ALTER TABLE link ADD COLUMN " TIME("enabled_usec") ";"
    "ALTER TABLE link ADD COLUMN " TIME("dormant_usec") ";"
    "ALTER TABLE link_aside ADD COLUMN " TIME("last_login_usec") ";"
    "ALTER TABLE link_aside ADD COLUMN " TIME("enabled_usec") ";"
    "ALTER TABLE link_aside ADD COLUMN " TIME("dormant_usec") ";",
    /* 21: the tenant's own id, whatever kind of tenant it is. */
    "ALTER TABLE link RENAME COLUMN scim_id TO remote_id;"
    "ALTER TABLE link_aside RENAME COLUMN scim_id TO remote_id;",
    /* 22: what an approval was for. */
    "ALTER TABLE operation ADD COLUMN " MAYBE("approved_for") ";",
    /* 23: where the round stands that looks at everybody, if there is one; no list of everybody is
     * written. */
    ROUND
    "INSERT INTO round SELECT 1, 0, coalesce((SELECT max(n) FROM entry), 0), (SELECT count(*) FROM "
    "dirty_later) WHERE EXISTS (SELECT 1 FROM dirty_later);"
    "DROP TABLE dirty_later;",
    /* 24: the id of an entry once, as bytes where it is a UUID, and every table by its number,
     * which is never used again. Likewise names: what an entry is called (kind 1: its DN) or a
     * group calls a member (enum member_kind), with `text` as it was spelt first; who spells it
     * otherwise has an own spelling (entry.dn, member.text). */
    MIGRATION_NUMBERS(OLD_AWAY, TAKE_OVER),
    /* 25: of what is under way, whether anything can have been written. */
    "ALTER TABLE operation ADD COLUMN looks INTEGER NOT NULL DEFAULT 0 CHECK(typeof(looks)='integer');",
    /* 26: an operation that starts need not be written into indexes that tell the same before and
     * after, and one that waits for no time is not among those that do. */
    "DROP INDEX operation_person; CREATE INDEX operation_person ON operation(entry_n);"
    "DROP INDEX operation_waiting; CREATE INDEX operation_waiting ON operation(not_before_usec) "
    "WHERE state = 1 AND not_before_usec > 0;",
    /* 27: the changes of an operation have a shorter form (operation_changes_to_json()), beside
     * which the one of before is still read; an earlier rosterd could not read it. */
    "",
    /* 28: what was approved and is not released yet. */
    "CREATE TABLE approval(number INTEGER PRIMARY KEY, " TIME("until_usec") ", " TEXT("about") ");"
    "CREATE TABLE approval_part(number INTEGER PRIMARY KEY, " NUMBER("approval") ", "
    TEXT("operations") ");",
    /* 29: logins that are asked for one by one; see listing.c. */
    "CREATE INDEX listing_asked ON listing(stale, login_key) WHERE stale >= 2;",
    /* 30: nearly all links are active: only the others are found by their status. */
    "DROP INDEX link_status; CREATE INDEX link_other ON link(status) WHERE status <> 1;",
    /* 31: what is to come back since a cause has ended, and is not back yet: from `cause` on,
     * before cause_end. */
    "CREATE TABLE freed(number INTEGER PRIMARY KEY, " TEXT("cause") ", " TEXT("cause_end") ", "
    MAYBE("reason") ", " NUMBER("at_usec") ");",
    /* 32: the skills that were read before the tenant was asked to move the user. */
    "ALTER TABLE link ADD COLUMN " MAYBE("skills_before") ";"
    "ALTER TABLE link_aside ADD COLUMN " MAYBE("skills_before") ";",
};
/* What a new file begins with: the form after the last of those that take rows over. Most tables
 * were made anew until then. */
#define NUMBERS 24
static const char new_file[] = OF_THE_FIRST_DAY DIRTY_GROUP LISTING_FOUND TOLD ENTRY_LOGIN ROUND
    MIGRATION_NUMBERS(NONE_BEFORE, LEAVE_OUT);
/* clang-format on */

static int newest(void)
{
    return (int)ARRAY_SIZE(migrations);
}

/* What SQLite takes and gives back while a statement runs comes from here, and not from malloc();
 * its own 40 places go to the statements that are kept. */
#define LOOKASIDE_SIZE 1200
#define LOOKASIDE_N    256

int migrate_settings(sqlite3 *db, const char *path, struct error *e)
{
    sqlite3_db_config(db, SQLITE_DBCONFIG_LOOKASIDE, NULL, LOOKASIDE_SIZE, LOOKASIDE_N);
    sqlite3_extended_result_codes(db, 1);
    sqlite3_busy_timeout(db, 5000);
    return db_exec(db, path,
                   "PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF; PRAGMA cache_size=-8000;"
                   "PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0;",
                   e);
}

int state_trust_types(struct state *s, struct error *e)
{
    return db_exec(s->db, s->path, "PRAGMA ignore_check_constraints=ON", e);
}

#define UNTOUCHED "Nothing was written to it"

static int damaged(const char *path, const char *how, const char *work, struct error *e)
{
    error_set(e, 0,
              "the state file %s is damaged: %s. %s. Move it aside, with its -wal file, and start "
              "again: the state is rebuilt by adoption and nobody is removed",
              path, how, work);
    return STATE_DAMAGED;
}

/* The whole check, with the order of each index and its rows: quick_check takes a page of an
 * index that lies in another's place for sound, and then who is on it is found no more. 1.4 s
 * instead of 0.4 for 100,000 people, after an end that was not in good order alone. */
int migrate_check_pages(sqlite3 *db, const char *path, const char *work, struct error *e)
{
    sqlite3_stmt *q = NULL;
    int rc = sqlite3_prepare_v2(db, "PRAGMA integrity_check(1)", -1, &q, NULL);
    int r = 0;

    if (rc == SQLITE_OK)
        rc = sqlite3_step(q);
    if (rc == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(q, 0);

        if (!text || strcmp(text, "ok") != 0)
            r = damaged(path, text ? text : "the check of its pages failed", work, e);
    } else if ((rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB)
        r = damaged(path, sqlite3_errmsg(db), work, e);
    else
        r = db_error(db, path, rc, e);
    sqlite3_finalize(q);
    return r;
}

int migrate_check(sqlite3 *db, const char *path, bool sound, int *ret_version, struct error *e)
{
    int64_t application = 0, version = 0, tables = 0;
    int r = db_number(db, path, "PRAGMA application_id", &application, e);

    if (r == 0)
        r = db_number(db, path, "PRAGMA user_version", &version, e);
    if (r == 0)
        r = db_number(db, path, "SELECT count(*) FROM sqlite_master", &tables, e);
    if (r == -EBADMSG)
        return damaged(path, sqlite3_errmsg(db), UNTOUCHED, e);
    if (r < 0)
        return r;
    if (application == 0 && version == 0 && tables == 0) {
        *ret_version = 0;
        return 0;
    }
    if (application != STATE_APPLICATION_ID) {
        error_set(e, 0,
                  "%s is a database of another program, not a state file of rosterd; nothing "
                  "was changed. Check the configured path",
                  path);
        return STATE_DAMAGED;
    }
    if (version > newest()) {
        error_set(e, 0,
                  "the state file %s was written by a newer rosterd (form %d, this one knows "
                  "%d); nothing was changed. Install that version again, or move the file aside "
                  "to rebuild the state by adoption",
                  path, (int)version, newest());
        return STATE_DAMAGED;
    }
    if (version < 1)
        return damaged(path, "it names no version of its form", UNTOUCHED, e);
    *ret_version = (int)version;
    return sound ? 0 : migrate_check_pages(db, path, UNTOUCHED, e);
}

bool migrate_is_done(int version)
{
    return version == newest();
}

/* id_bytes(id): as `identity` holds it. */
static void id_bytes_of(sqlite3_context *to, int n, sqlite3_value **values)
{
    const char *id = (const char *)sqlite3_value_text(values[0]);
    unsigned char bytes[ID_SIZE];

    (void)n;
    if (id && id_bytes(id, bytes))
        sqlite3_result_blob(to, bytes, sizeof(bytes), SQLITE_TRANSIENT);
    else
        sqlite3_result_value(to, values[0]);
}

/* digest_bytes(text): the first 16 bytes of a digest in hexadecimal digits; '' has none. */
static void digest_bytes_of(sqlite3_context *to, int n, sqlite3_value **values)
{
    const char *text = (const char *)sqlite3_value_text(values[0]);
    char id[ID_TEXT_SIZE];
    unsigned char bytes[ID_SIZE];

    (void)n;
    if (text && strlen(text) >= 2 * ID_SIZE)
        snprintf(id, sizeof(id), "%.8s-%.4s-%.4s-%.4s-%.12s", text, text + 8, text + 12, text + 16,
                 text + 20);
    if (text && strlen(text) >= 2 * ID_SIZE && id_bytes(id, bytes))
        sqlite3_result_blob(to, bytes, sizeof(bytes), SQLITE_TRANSIENT);
    else
        sqlite3_result_zeroblob(to, 0);
}

static int add_functions(sqlite3 *db, const char *path, struct error *e)
{
    const int how = SQLITE_UTF8 | SQLITE_DETERMINISTIC;
    int rc = sqlite3_create_function(db, "id_bytes", 1, how, NULL, id_bytes_of, NULL, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_create_function(db, "digest_bytes", 1, how, NULL, digest_bytes_of, NULL, NULL);
    return rc == SQLITE_OK ? 0 : db_error(db, path, rc, e);
}

int migrate_apply(sqlite3 *db, const char *path, int version, struct error *e)
{
    return migrate_to(db, path, version, newest(), e);
}

int migrate_to(sqlite3 *db, const char *path, int version, int to, struct error *e)
{
    char after[320];
    int r;

    if (version == to)
        return 0;
    r = add_functions(db, path, e);
    /* Of a file that is there already only VACUUM can change this: see space.c. */
    if (r == 0 && version == 0)
        r = db_exec(db, path, "PRAGMA auto_vacuum=INCREMENTAL", e);
    if (r == 0)
        r = db_exec(db, path, "BEGIN IMMEDIATE", e);
    if (r < 0)
        return r;
    if (version == 0 && to >= NUMBERS)
        r = db_exec(db, path, new_file, e);
    for (int i = version == 0 && to >= NUMBERS ? NUMBERS : version; r == 0 && i < to; i++)
        r = db_exec(db, path, migrations[i], e);
    sqlite3_snprintf(sizeof(after), after, "PRAGMA application_id=%d; PRAGMA user_version=%d;",
                     STATE_APPLICATION_ID, to);
    if (r == 0)
        r = db_exec(db, path, after, e);
    /* What the hash of a plan stands for may be read otherwise now. */
    sqlite3_snprintf(sizeof(after), after,
                     "DELETE FROM meta WHERE name = 'plan-key';"
                     "INSERT OR IGNORE INTO meta VALUES('" STATE_FORM_BEFORE "', '%d')",
                     version);
    if (r == 0 && version)
        r = db_exec(db, path, after, e);
    if (r == 0)
        r = db_exec(db, path, "COMMIT", e);
    if (r < 0) {
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
        space_empty_log(db, path); /* which may have filled the disk */
        return error_wrap(e, r, "bringing the state file from form %d to form %d", version, to);
    }
    return 0;
}
