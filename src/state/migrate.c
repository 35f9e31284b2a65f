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

/* Form 22. What has a number keeps it while one of these tables has a row of it. */
#define KEPT(table, column, n) " AND NOT EXISTS (SELECT 1 FROM " table " WHERE " column " = " n ")"
#define LEAVE_IDENTITY(n)                                                                         \
    " DELETE FROM identity WHERE n = " n KEPT("entry", "n", n) KEPT("person", "n", n)             \
    KEPT("link", "n", n) KEPT("operation", "entry_n", n) KEPT("dirty", "entry_n", n)              \
    KEPT("dirty_later", "entry_n", n) KEPT("link_aside", "n", n) KEPT("password_due", "n", n)     \
    KEPT("bound_group", "n", n) ";"
#define LEAVE_NAME                                                                                \
    " DELETE FROM name WHERE n = OLD.name_n" KEPT("entry", "name_n", "OLD.name_n")                \
    KEPT("member", "name_n", "OLD.name_n") KEPT("stale", "name_n", "OLD.name_n") ";"
#define AFTER_DELETE(table, column)                                                               \
    "CREATE TRIGGER " table "_deleted AFTER DELETE ON " table " WHEN NOT EXISTS (SELECT 1 FROM "  \
    "entry WHERE n = OLD." column ") BEGIN" LEAVE_IDENTITY("OLD." column) " END;"
/* Of the table in its form before, under another name. */
#define OLD_AWAY(table) "ALTER TABLE " table " RENAME TO " table "_before;"
#define NUMBER_OF_OLD   "CROSS JOIN identity i ON i.id = id_bytes(o.entry_id)"
/* For people: a UUID as they know it. */
#define ID_SHOWN                                                                                  \
    "CASE typeof(i.id) WHEN 'blob' THEN lower(substr(hex(i.id), 1, 8) || '-' || "                 \
    "substr(hex(i.id), 9, 4) || '-' || substr(hex(i.id), 13, 4) || '-' || "                       \
    "substr(hex(i.id), 17, 4) || '-' || substr(hex(i.id), 21)) ELSE i.id END"
#define LINK_TABLE(name)                                                                          \
    "CREATE TABLE " name "(n INTEGER PRIMARY KEY, " TEXT("login") ", " TEXT("login_key") ", "     \
    NUMBER("status") ", " NUMBER("disabled_by_us") ", " TIME("created_usec") ", "                 \
    TIME("confirmed_usec") ", " TIME("leaving_usec") ", " TIME("disabled_usec") ", "              \
    MAYBE("remote_id") ", " TEXT("origin") ", " MAYBE("leaving_why") ", " MAYBE("known") ", "     \
    MAYBE("granted") ", " MAYBE("drift") ", " MAYBE("quirks") ", " TIME("renamed_there") ", "     \
    TIME("gone") ", " TIME("last_login_usec") ", " TIME("enabled_usec") ", "                      \
    TIME("dormant_usec") ");"                                                                     \
    "INSERT INTO " name " SELECT i.n, login, login_key, status, disabled_by_us, created_usec, "   \
    "confirmed_usec, leaving_usec, disabled_usec, remote_id, origin, leaving_why, known, "        \
    "granted, drift, quirks, renamed_there, gone, last_login_usec, enabled_usec, dormant_usec "   \
    "FROM " name "_before o " NUMBER_OF_OLD " ORDER BY i.n;"                                      \
    "DROP TABLE " name "_before;"

static const char *const migrations[] = {
    /* 1 */
    "CREATE TABLE meta(" TEXT("name") " PRIMARY KEY, " TEXT("value") ") WITHOUT ROWID;"

    /* The names of attributes that an entry has, once for each combination: lower case, each
     * between newlines. Few combinations exist, so counting who has an attribute is a scan of
     * one small index. */
    "CREATE TABLE shape(n INTEGER PRIMARY KEY, " TEXT("names") " UNIQUE);"

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

    "CREATE TABLE cookie(search INTEGER PRIMARY KEY, cookie BLOB NOT NULL, "
    TEXT("identity") ");"

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

    "CREATE TABLE run(number INTEGER PRIMARY KEY AUTOINCREMENT, " TEXT("trigger") ", "
    TIME("started_usec") ", " TIME("ended_usec") ", " MAYBE("totals") ");"

    "CREATE TABLE link(" TEXT("entry_id") " PRIMARY KEY, " TEXT("login") ", "
    TEXT("login_key") ", " NUMBER("status") ", " NUMBER("disabled_by_us") ", "
    TIME("created_usec") ", " TIME("confirmed_usec") ", " TIME("leaving_usec") ", "
    TIME("disabled_usec") ", " MAYBE("scim_id") ", " TEXT("origin") ", "
    MAYBE("leaving_why") ", " MAYBE("known") ", " MAYBE("granted") ", " MAYBE("drift") ");"
    /* The login of a user that we deleted is free for somebody else. */
    "CREATE UNIQUE INDEX link_login ON link(login_key) WHERE status <> 3;"
    "CREATE INDEX link_status ON link(status);"

    "CREATE TABLE listing(" TEXT("login_key") " PRIMARY KEY, " TEXT("login") ", "
    MAYBE("mail_key") ") WITHOUT ROWID;"
    "CREATE INDEX listing_mail ON listing(mail_key) WHERE mail_key IS NOT NULL;"

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
    "CREATE INDEX operation_budget ON operation(budget, state, approved);"

    "CREATE TABLE budget_use(" NUMBER("budget") ", " NUMBER("at_usec") ", " NUMBER("n") ", "
    "PRIMARY KEY(budget, at_usec)) WITHOUT ROWID;"

    "CREATE TABLE alarm(" TEXT("cause") " PRIMARY KEY, " TEXT("code") ", " TEXT("sentence") ", "
    TIME("since_usec") ", " TIME("notified_usec") ") WITHOUT ROWID;"

    "CREATE TABLE trail(seq INTEGER PRIMARY KEY, " TEXT("line") ", " TEXT("hash") ");",
    /* 2: what waits, by cause, also while it is tried again. */
    "CREATE INDEX operation_cause ON operation(cause) WHERE reason IS NOT NULL;",
    /* 3: groups whose people, directly or through groups in them, are to be marked dirty. */
    "CREATE TABLE dirty_group(n INTEGER PRIMARY KEY);",
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
    "ALTER TABLE listing ADD COLUMN " MAYBE("found") ";"
    "ALTER TABLE listing ADD COLUMN stale INTEGER NOT NULL DEFAULT 0 CHECK(typeof(stale)='integer');",
    /* 7: the links to another tenant's users, until this one is approved. */
    "CREATE TABLE link_aside(" TEXT("entry_id") " PRIMARY KEY, " TEXT("login") ", "
    TEXT("login_key") ", " NUMBER("status") ", " NUMBER("disabled_by_us") ", "
    TIME("created_usec") ", " TIME("confirmed_usec") ", " TIME("leaving_usec") ", "
    TIME("disabled_usec") ", " MAYBE("scim_id") ", " TEXT("origin") ", "
    MAYBE("leaving_why") ", " MAYBE("known") ", " MAYBE("granted") ", " MAYBE("drift") ");",
    /* 8: what was told of an alarm outside, so that one that comes and goes is told seldom.
     * standing: the last word was that it stands. */
    "CREATE TABLE told(" TEXT("cause") " PRIMARY KEY, " TIME("told_usec") ", "
    NUMBER("standing") ") WITHOUT ROWID;"
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
    "CREATE TABLE entry_login(" NUMBER("n") ", " TEXT("key") ", PRIMARY KEY(n, key)) WITHOUT ROWID;"
    "CREATE INDEX entry_login_by_key ON entry_login(key);"
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
    /* 22: the id of an entry once, as bytes where it is a UUID, and every table by its number,
     * which is never used again. Likewise names: what an entry is called (kind 1: its DN) or a
     * group calls a member (enum member_kind), with `text` as it was spelt first; who spells it
     * otherwise has an own spelling (entry.dn, member.text). */
    "CREATE TABLE identity(n INTEGER PRIMARY KEY AUTOINCREMENT, id NOT NULL UNIQUE "
    "CHECK(typeof(id)='text' OR (typeof(id)='blob' AND length(id)=16)));"
    "CREATE TABLE name(n INTEGER PRIMARY KEY, " NUMBER("kind") ", " TEXT("key") ", "
    TEXT("text") ", UNIQUE(kind, key));"
    "INSERT INTO identity(n, id) SELECT n, id_bytes(id) FROM entry ORDER BY n;"
    "INSERT OR IGNORE INTO identity(id) SELECT id_bytes(entry_id) FROM person ORDER BY rowid;"
    "INSERT OR IGNORE INTO identity(id) SELECT id_bytes(entry_id) FROM link ORDER BY rowid;"
    "INSERT OR IGNORE INTO identity(id) SELECT id_bytes(entry_id) FROM link_aside;"
    "INSERT OR IGNORE INTO identity(id) SELECT id_bytes(entry_id) FROM operation;"
    "INSERT OR IGNORE INTO identity(id) SELECT id_bytes(entry_id) FROM dirty;"
    "INSERT OR IGNORE INTO identity(id) SELECT id_bytes(entry_id) FROM dirty_later;"
    "INSERT OR IGNORE INTO identity(id) SELECT id_bytes(entry_id) FROM password_due;"
    "INSERT OR IGNORE INTO identity(id) SELECT id_bytes(id) FROM bound_group;"
    "INSERT OR IGNORE INTO name(kind, key, text) SELECT 1, dn_key, dn FROM entry "
    "ORDER BY gone_usec > 0, n;"
    "INSERT OR IGNORE INTO name(kind, key, text) SELECT kind, key, text FROM member;"
    "INSERT OR IGNORE INTO name(kind, key, text) SELECT 1, key, '' FROM stale;"

    OLD_AWAY("entry")
    "CREATE TABLE entry(n INTEGER PRIMARY KEY, " NUMBER("name_n") ", " MAYBE("dn") ", "
    NUMBER("kind") ", " NUMBER("searches") ", " BYTES("digest") ", " TEXT("members_digest") ", "
    TIME("gone_usec") ", " MAYBE("gone_why") ", raw BLOB CHECK(typeof(raw) IN ('blob','null')), "
    MAYBE("login_key") ", " MAYBE("primary_key") ", " MAYBE("mail_key") ", " NUMBER("shape") ", "
    TEXT("attributes") ");"
    "INSERT INTO entry SELECT o.n, a.n, NULLIF(o.dn, a.text), o.kind, o.searches, "
    "digest_bytes(o.digest), o.members_digest, o.gone_usec, o.gone_why, o.raw, o.login_key, "
    "o.primary_key, o.mail_key, o.shape, o.attributes FROM entry_before o CROSS JOIN name a ON "
    "a.kind = 1 AND a.key = o.dn_key ORDER BY o.n;"
    "DROP TABLE entry_before;"
    "CREATE INDEX entry_name ON entry(name_n);"
    "CREATE INDEX entry_login_key ON entry(login_key) WHERE login_key IS NOT NULL;"
    "CREATE INDEX entry_primary_key ON entry(primary_key) WHERE primary_key IS NOT NULL;"
    "CREATE INDEX entry_mail_key ON entry(mail_key) WHERE mail_key IS NOT NULL;"
    "CREATE INDEX entry_live ON entry(kind, searches, shape) WHERE gone_usec = 0;"
    "CREATE INDEX entry_gone ON entry(gone_usec) WHERE gone_usec > 0;"
    "CREATE INDEX entry_unheld ON entry(n) WHERE searches = 0 AND gone_usec = 0;"
    "CREATE INDEX entry_members_hidden ON entry(n) WHERE substr(members_digest, 1, 6) = 'hidden';"

    OLD_AWAY("member")
    "CREATE TABLE member(" NUMBER("name_n") ", " NUMBER("group_n") ", " NUMBER("kind") ", "
    MAYBE("text") ", PRIMARY KEY(name_n, group_n)) WITHOUT ROWID;"
    "INSERT INTO member SELECT a.n, o.group_n, o.kind, NULLIF(o.text, a.text) FROM member_before o CROSS JOIN name a ON "
    "a.kind = o.kind AND a.key = o.key ORDER BY 1, 2;"
    "DROP TABLE member_before;"
    "CREATE INDEX member_group ON member(group_n, kind, name_n);"

    OLD_AWAY("stale")
    "CREATE TABLE stale(" NUMBER("group_n") ", " NUMBER("name_n") ", " NUMBER("entry_n") ", "
    "PRIMARY KEY(group_n, name_n, entry_n)) WITHOUT ROWID;"
    "INSERT INTO stale SELECT o.group_n, a.n, o.entry_n FROM stale_before o CROSS JOIN name a ON "
    "a.kind = 1 AND a.key = o.key;"
    "DROP TABLE stale_before;"
    "CREATE INDEX stale_entry ON stale(entry_n);"
    "CREATE INDEX stale_name ON stale(name_n);"

    OLD_AWAY("bound_group")
    "CREATE TABLE bound_group(" TEXT("configured_key") " PRIMARY KEY, " NUMBER("n") ", "
    TEXT("dn") ") WITHOUT ROWID;"
    "INSERT INTO bound_group SELECT o.configured_key, i.n, o.dn FROM bound_group_before o "
    "CROSS JOIN identity i ON i.id = id_bytes(o.id);"
    "DROP TABLE bound_group_before;"
    "CREATE INDEX bound_group_n ON bound_group(n);"

    /* dn: of whose entry is forgotten, or where it was another one; else it is the entry's. */
    OLD_AWAY("person")
    "CREATE TABLE person(n INTEGER PRIMARY KEY, " MAYBE("dn") ", " NUMBER("verdict") ", "
    NUMBER("bucket") ", " MAYBE("bucket_code") ", " NUMBER("run") ", " TIME("recheck_usec") ", "
    TIME("done") ", " TIME("done_run") ", " MAYBE("login_key") ", " MAYBE("code") ", "
    MAYBE("sentence") ", " MAYBE("wanted") ");"
    "INSERT INTO person SELECT i.n, NULLIF(o.dn, (SELECT coalesce(e.dn, a.text) FROM entry e "
    "CROSS JOIN name a ON a.n = e.name_n WHERE e.n = i.n)), o.verdict, o.bucket, o.bucket_code, "
    "o.run, o.recheck_usec, o.done, o.done_run, o.login_key, o.code, o.sentence, o.wanted "
    "FROM person_before o " NUMBER_OF_OLD " ORDER BY i.n;"
    "DROP TABLE person_before;"
    "CREATE INDEX person_dn ON person(dn) WHERE dn IS NOT NULL;"
    "CREATE INDEX person_login ON person(login_key) WHERE login_key IS NOT NULL;"
    "CREATE INDEX person_recheck ON person(recheck_usec) WHERE recheck_usec > 0;"
    "CREATE INDEX person_run ON person(run);"
    "CREATE INDEX person_skipped ON person(n) WHERE bucket = 6;"

    OLD_AWAY("link") LINK_TABLE("link")
    "CREATE UNIQUE INDEX link_login ON link(login_key) WHERE status <> 3;"
    "CREATE INDEX link_status ON link(status);"
    OLD_AWAY("link_aside") LINK_TABLE("link_aside")

    OLD_AWAY("operation")
    "CREATE TABLE operation(number INTEGER PRIMARY KEY AUTOINCREMENT, " NUMBER("kind") ", "
    NUMBER("state") ", " NUMBER("entry_n") ", " TIME("not_before_usec") ", "
    TIME("since_usec") ", " NUMBER("attempts") ", " NUMBER("run") ", " NUMBER("approved") ", "
    NUMBER("budget") ", " TIME("approved_until_usec") ", " TIME("revokes") ", " TIME("due_usec") ", "
    TIME("shift_usec") ", " TEXT("dn") ", " TEXT("login") ", " MAYBE("reason") ", " MAYBE("cause") ", "
    MAYBE("sentence") ", " MAYBE("why") ", " TEXT("changes") ");"
    "INSERT INTO operation SELECT o.number, o.kind, o.state, i.n, o.not_before_usec, o.since_usec, "
    "o.attempts, o.run, o.approved, o.budget, o.approved_until_usec, o.revokes, o.due_usec, "
    "o.shift_usec, o.dn, o.login, o.reason, o.cause, o.sentence, o.why, o.changes FROM "
    "operation_before o " NUMBER_OF_OLD " ORDER BY o.number;"
    "DELETE FROM sqlite_sequence WHERE name = 'operation';"
    "UPDATE sqlite_sequence SET name = 'operation' WHERE name = 'operation_before';"
    "DROP TABLE operation_before;"
    "CREATE INDEX operation_held ON operation(not_before_usec) WHERE state = 3;"
    "CREATE INDEX operation_person ON operation(entry_n, state);"
    "CREATE INDEX operation_state ON operation(state, kind);"
    "CREATE INDEX operation_cause ON operation(cause) WHERE reason IS NOT NULL;"
    "CREATE INDEX operation_approved ON operation(approved_until_usec) WHERE approved = 1;"
    "CREATE INDEX operation_fresh ON operation(budget, not_before_usec, number, kind) WHERE "
    "approved = 0 AND state = 1 AND attempts = 0;"
    "CREATE INDEX operation_let_through ON operation(budget, not_before_usec, number, kind) "
    "WHERE approved = 0 AND attempts > 0 AND state <> 2;"
    "CREATE INDEX operation_over ON operation(budget, not_before_usec, number, kind) WHERE "
    "approved = 0 AND state = 2 AND reason = 'budget';"
    "CREATE INDEX operation_ready ON operation((CASE WHEN revokes = 1 THEN 1 WHEN kind IN "
    "(1, 2) AND reason IS NOT 'outcome-unclear' THEN 3 ELSE 2 END), due_usec, number, "
    "not_before_usec) WHERE state = 1;"
    "CREATE INDEX operation_waiting ON operation(not_before_usec) WHERE state = 1;"

    OLD_AWAY("dirty")
    "CREATE TABLE dirty(n INTEGER PRIMARY KEY, " NUMBER("entry_n") " UNIQUE);"
    "INSERT INTO dirty SELECT o.n, i.n FROM dirty_before o " NUMBER_OF_OLD " ORDER BY o.n;"
    "DROP TABLE dirty_before;"
    OLD_AWAY("dirty_later")
    "CREATE TABLE dirty_later(n INTEGER PRIMARY KEY, " NUMBER("entry_n") " UNIQUE);"
    "INSERT INTO dirty_later SELECT o.n, i.n FROM dirty_later_before o " NUMBER_OF_OLD " ORDER BY o.n;"
    "DROP TABLE dirty_later_before;"

    OLD_AWAY("password_due")
    "CREATE TABLE password_due(n INTEGER PRIMARY KEY, " TIME("since_usec") ", " TIME("next_usec") ", "
    MAYBE("sentence") ");"
    "INSERT INTO password_due SELECT i.n, o.since_usec, o.next_usec, o.sentence FROM "
    "password_due_before o " NUMBER_OF_OLD ";"
    "DROP TABLE password_due_before;"
    "CREATE INDEX password_due_next ON password_due(next_usec);"

    "CREATE TRIGGER entry_deleted AFTER DELETE ON entry BEGIN" LEAVE_NAME LEAVE_IDENTITY("OLD.n") " END;"
    "CREATE TRIGGER entry_renamed AFTER UPDATE OF name_n ON entry WHEN OLD.name_n <> NEW.name_n BEGIN" LEAVE_NAME " END;"
    "CREATE TRIGGER member_deleted AFTER DELETE ON member BEGIN" LEAVE_NAME " END;"
    "CREATE TRIGGER stale_deleted AFTER DELETE ON stale BEGIN" LEAVE_NAME " END;"
    AFTER_DELETE("person", "n") AFTER_DELETE("link", "n") AFTER_DELETE("link_aside", "n")
    AFTER_DELETE("operation", "entry_n") AFTER_DELETE("dirty", "entry_n")
    AFTER_DELETE("dirty_later", "entry_n") AFTER_DELETE("password_due", "n")
    AFTER_DELETE("bound_group", "n")
    "CREATE TRIGGER bound_group_changed AFTER UPDATE OF n ON bound_group WHEN OLD.n <> NEW.n BEGIN" LEAVE_IDENTITY("OLD.n") " END;"

    /* For people who look into the file: each table with the ids and names that it goes by. */
    "CREATE VIEW entries AS SELECT e.n, " ID_SHOWN " AS id, coalesce(e.dn, a.text) AS dn, "
    "a.key AS dn_key, e.kind, e.searches, e.digest, e.members_digest, e.gone_usec, e.gone_why, "
    "e.raw, e.login_key, e.primary_key, e.mail_key, e.shape, e.attributes FROM entry e JOIN "
    "identity i ON i.n = e.n JOIN name a ON a.n = e.name_n;"
    "CREATE VIEW members AS SELECT m.group_n, m.kind, a.key, coalesce(m.text, a.text) AS text FROM member m JOIN name a ON "
    "a.n = m.name_n;"
    "CREATE VIEW people AS SELECT " ID_SHOWN " AS entry_id, coalesce(p.dn, e.dn, a.text, '') AS dn, "
    "p.verdict, p.bucket, p.bucket_code, p.run, p.recheck_usec, p.done, p.done_run, p.login_key, "
    "p.code, p.sentence, p.wanted FROM person p JOIN identity i ON i.n = p.n LEFT JOIN entry e ON "
    "e.n = p.n LEFT JOIN name a ON a.n = e.name_n;"
    "CREATE VIEW links AS SELECT " ID_SHOWN " AS entry_id, l.* FROM link l JOIN identity i ON "
    "i.n = l.n;"
    "CREATE VIEW operations AS SELECT " ID_SHOWN " AS entry_id, o.* FROM operation o JOIN identity i "
    "ON i.n = o.entry_n;",
};
/* clang-format on */

int migrate_newest(void)
{
    return (int)ARRAY_SIZE(migrations);
}

int migrate_settings(sqlite3 *db, const char *path, struct error *e)
{
    sqlite3_extended_result_codes(db, 1);
    sqlite3_busy_timeout(db, 5000);
    return db_exec(db, path,
                   "PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF; PRAGMA cache_size=-8000;"
                   "PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0;",
                   e);
}

static int damaged(const char *path, const char *how, struct error *e)
{
    error_set(e, 0,
              "The state file %s is damaged: %s. Nothing was written to it. Move it aside, "
              "with its -wal file, and start again: the state is rebuilt by adoption and "
              "nobody is removed",
              path, how);
    return STATE_DAMAGED;
}

/* The whole check, with the order of each index and its rows: quick_check takes a page of an
 * index that lies in another's place for sound, and then who is on it is found no more. 1.4 s
 * instead of 0.4 for 100,000 people, after an end that was not in good order alone. */
static int check_pages(sqlite3 *db, const char *path, struct error *e)
{
    sqlite3_stmt *q = NULL;
    int rc = sqlite3_prepare_v2(db, "PRAGMA integrity_check(1)", -1, &q, NULL);
    int r = 0;

    if (rc == SQLITE_OK)
        rc = sqlite3_step(q);
    if (rc == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(q, 0);

        if (!text || strcmp(text, "ok") != 0)
            r = damaged(path, text ? text : "the check of its pages failed", e);
    } else if ((rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB)
        r = damaged(path, sqlite3_errmsg(db), e);
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
        return damaged(path, sqlite3_errmsg(db), e);
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
    if (version > migrate_newest()) {
        error_set(
            e, 0,
            "The state file %s was written by a newer rosterd (form %d, this one knows "
            "%d); nothing was changed. Install that version again, or move the file aside "
            "to rebuild the state by adoption",
            path, (int)version, migrate_newest());
        return STATE_DAMAGED;
    }
    if (version < 1)
        return damaged(path, "it names no version of its form", e);
    *ret_version = (int)version;
    return sound ? 0 : check_pages(db, path, e);
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
    return migrate_to(db, path, version, migrate_newest(), e);
}

int migrate_to(sqlite3 *db, const char *path, int version, int to, struct error *e)
{
    char pragmas[96];
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
    for (int i = version; r == 0 && i < to; i++)
        r = db_exec(db, path, migrations[i], e);
    sqlite3_snprintf(sizeof(pragmas), pragmas,
                     "PRAGMA application_id=%d; PRAGMA user_version=%d", STATE_APPLICATION_ID,
                     to);
    if (r == 0)
        r = db_exec(db, path, pragmas, e);
    if (r == 0)
        r = db_exec(db, path, "COMMIT", e);
    if (r < 0) {
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
        return error_wrap(e, r, "Bringing the state file from form %d to form %d", version, to);
    }
    return 0;
}
