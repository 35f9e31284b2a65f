/*
 * Migration 24, which migrate.c alone includes, for its length: numbers of entries and names as
 * keys everywhere. It uses the macros for columns of migrate.c.
 */
#pragma once

/* clang-format off */
/* What has a number keeps it while one of these tables has a row of it. */
#define KEPT(table, column, n) " AND NOT EXISTS (SELECT 1 FROM " table " WHERE " column " = " n ")"
#define LEAVE_IDENTITY(n)                                                                         \
    " DELETE FROM identity WHERE n = " n KEPT("entry", "n", n) KEPT("person", "n", n)             \
    KEPT("link", "n", n) KEPT("operation", "entry_n", n) KEPT("dirty", "entry_n", n)              \
    KEPT("link_aside", "n", n) KEPT("password_due", "n", n) KEPT("bound_group", "n", n) ";"
#define LEAVE_NAME                                                                                \
    " DELETE FROM name WHERE n = OLD.name_n" KEPT("entry", "name_n", "OLD.name_n")                \
    KEPT("member", "name_n", "OLD.name_n") KEPT("stale", "name_n", "OLD.name_n") ";"
#define AFTER_DELETE(table, column)                                                               \
    "CREATE TRIGGER " table "_deleted AFTER DELETE ON " table " WHEN NOT EXISTS (SELECT 1 FROM "  \
    "entry WHERE n = OLD." column ") BEGIN" LEAVE_IDENTITY("OLD." column) " END;"
/* Of the table in its form before, under another name. */
#define OLD_AWAY(table) "ALTER TABLE " table " RENAME TO " table "_before;"
#define TAKE_OVER(sql)  sql
/* Where there is no table yet. */
#define NONE_BEFORE(table)
#define LEAVE_OUT(sql)
#define NUMBER_OF_OLD   "CROSS JOIN identity i ON i.id = id_bytes(o.entry_id)"
/* For people: a UUID as they know it. */
#define ID_SHOWN                                                                                  \
    "CASE typeof(i.id) WHEN 'blob' THEN lower(substr(hex(i.id), 1, 8) || '-' || "                 \
    "substr(hex(i.id), 9, 4) || '-' || substr(hex(i.id), 13, 4) || '-' || "                       \
    "substr(hex(i.id), 17, 4) || '-' || substr(hex(i.id), 21)) ELSE i.id END"
#define LINK_TABLE(name, TAKE)                                                                     \
    "CREATE TABLE " name "(n INTEGER PRIMARY KEY, " TEXT("login") ", " TEXT("login_key") ", "     \
    NUMBER("status") ", " NUMBER("disabled_by_us") ", " TIME("created_usec") ", "                 \
    TIME("confirmed_usec") ", " TIME("leaving_usec") ", " TIME("disabled_usec") ", "              \
    MAYBE("remote_id") ", " TEXT("origin") ", " MAYBE("leaving_why") ", " MAYBE("known") ", "     \
    MAYBE("granted") ", " MAYBE("drift") ", " MAYBE("quirks") ", " TIME("renamed_there") ", "     \
    TIME("gone") ", " TIME("last_login_usec") ", " TIME("enabled_usec") ", "                      \
    TIME("dormant_usec") ");"                                                                     \
    TAKE("INSERT INTO " name " SELECT i.n, login, login_key, status, disabled_by_us, created_usec, "   \
    "confirmed_usec, leaving_usec, disabled_usec, remote_id, origin, leaving_why, known, "        \
    "granted, drift, quirks, renamed_there, gone, last_login_usec, enabled_usec, dormant_usec "   \
    "FROM " name "_before o " NUMBER_OF_OLD " ORDER BY i.n;"                                      \
    "DROP TABLE " name "_before;")

#define MIGRATION_NUMBERS(AWAY, TAKE) \
    "CREATE TABLE identity(n INTEGER PRIMARY KEY AUTOINCREMENT, id NOT NULL UNIQUE " \
    "CHECK(typeof(id)='text' OR (typeof(id)='blob' AND length(id)=16)));" \
    "CREATE TABLE name(n INTEGER PRIMARY KEY, " NUMBER("kind") ", " TEXT("key") ", " \
    TEXT("text") ", UNIQUE(kind, key));" \
    TAKE("INSERT INTO identity(n, id) SELECT n, id_bytes(id) FROM entry ORDER BY n;" \
    "INSERT OR IGNORE INTO identity(id) SELECT id_bytes(entry_id) FROM person ORDER BY rowid;" \
    "INSERT OR IGNORE INTO identity(id) SELECT id_bytes(entry_id) FROM link ORDER BY rowid;" \
    "INSERT OR IGNORE INTO identity(id) SELECT id_bytes(entry_id) FROM link_aside;" \
    "INSERT OR IGNORE INTO identity(id) SELECT id_bytes(entry_id) FROM operation;" \
    "INSERT OR IGNORE INTO identity(id) SELECT id_bytes(entry_id) FROM dirty;" \
    "INSERT OR IGNORE INTO identity(id) SELECT id_bytes(entry_id) FROM password_due;" \
    "INSERT OR IGNORE INTO identity(id) SELECT id_bytes(id) FROM bound_group;" \
    "INSERT OR IGNORE INTO name(kind, key, text) SELECT 1, dn_key, dn FROM entry " \
    "ORDER BY gone_usec > 0, n;" \
    "INSERT OR IGNORE INTO name(kind, key, text) SELECT kind, key, text FROM member;" \
    "INSERT OR IGNORE INTO name(kind, key, text) SELECT 1, key, '' FROM stale;") \
    \
    AWAY("entry") \
    "CREATE TABLE entry(n INTEGER PRIMARY KEY, " NUMBER("name_n") ", " MAYBE("dn") ", " \
    NUMBER("kind") ", " NUMBER("searches") ", " BYTES("digest") ", " TEXT("members_digest") ", " \
    TIME("gone_usec") ", " MAYBE("gone_why") ", raw BLOB CHECK(typeof(raw) IN ('blob','null')), " \
    MAYBE("login_key") ", " MAYBE("primary_key") ", " MAYBE("mail_key") ", " NUMBER("shape") ", " \
    TEXT("attributes") ");" \
    TAKE("INSERT INTO entry SELECT o.n, a.n, NULLIF(o.dn, a.text), o.kind, o.searches, " \
    "digest_bytes(o.digest), o.members_digest, o.gone_usec, o.gone_why, o.raw, o.login_key, " \
    "o.primary_key, o.mail_key, o.shape, o.attributes FROM entry_before o CROSS JOIN name a ON " \
    "a.kind = 1 AND a.key = o.dn_key ORDER BY o.n;" \
    "DROP TABLE entry_before;") \
    "CREATE INDEX entry_name ON entry(name_n);" \
    "CREATE INDEX entry_login_key ON entry(login_key) WHERE login_key IS NOT NULL;" \
    "CREATE INDEX entry_primary_key ON entry(primary_key) WHERE primary_key IS NOT NULL;" \
    "CREATE INDEX entry_mail_key ON entry(mail_key) WHERE mail_key IS NOT NULL;" \
    "CREATE INDEX entry_live ON entry(kind, searches, shape) WHERE gone_usec = 0;" \
    "CREATE INDEX entry_gone ON entry(gone_usec) WHERE gone_usec > 0;" \
    "CREATE INDEX entry_unheld ON entry(n) WHERE searches = 0 AND gone_usec = 0;" \
    "CREATE INDEX entry_members_hidden ON entry(n) WHERE substr(members_digest, 1, 6) = 'hidden';" \
    \
    AWAY("member") \
    "CREATE TABLE member(" NUMBER("name_n") ", " NUMBER("group_n") ", " NUMBER("kind") ", " \
    MAYBE("text") ", PRIMARY KEY(name_n, group_n)) WITHOUT ROWID;" \
    TAKE("INSERT INTO member SELECT a.n, o.group_n, o.kind, NULLIF(o.text, a.text) FROM member_before o CROSS JOIN name a ON " \
    "a.kind = o.kind AND a.key = o.key ORDER BY 1, 2;" \
    "DROP TABLE member_before;") \
    "CREATE INDEX member_group ON member(group_n, kind, name_n);" \
    \
    AWAY("stale") \
    "CREATE TABLE stale(" NUMBER("group_n") ", " NUMBER("name_n") ", " NUMBER("entry_n") ", " \
    "PRIMARY KEY(group_n, name_n, entry_n)) WITHOUT ROWID;" \
    TAKE("INSERT INTO stale SELECT o.group_n, a.n, o.entry_n FROM stale_before o CROSS JOIN name a ON " \
    "a.kind = 1 AND a.key = o.key;" \
    "DROP TABLE stale_before;") \
    "CREATE INDEX stale_entry ON stale(entry_n);" \
    "CREATE INDEX stale_name ON stale(name_n);" \
    \
    AWAY("bound_group") \
    "CREATE TABLE bound_group(" TEXT("configured_key") " PRIMARY KEY, " NUMBER("n") ", " \
    TEXT("dn") ") WITHOUT ROWID;" \
    TAKE("INSERT INTO bound_group SELECT o.configured_key, i.n, o.dn FROM bound_group_before o " \
    "CROSS JOIN identity i ON i.id = id_bytes(o.id);" \
    "DROP TABLE bound_group_before;") \
    "CREATE INDEX bound_group_n ON bound_group(n);" \
    \
    /* dn: of whose entry is forgotten, or where it was another one; else it is the entry's. */ \
    AWAY("person") \
    "CREATE TABLE person(n INTEGER PRIMARY KEY, " MAYBE("dn") ", " NUMBER("verdict") ", " \
    NUMBER("bucket") ", " MAYBE("bucket_code") ", " NUMBER("run") ", " TIME("recheck_usec") ", " \
    TIME("done") ", " TIME("done_run") ", " MAYBE("login_key") ", " MAYBE("code") ", " \
    MAYBE("sentence") ", " MAYBE("wanted") ");" \
    TAKE("INSERT INTO person SELECT i.n, NULLIF(o.dn, (SELECT coalesce(e.dn, a.text) FROM entry e " \
    "CROSS JOIN name a ON a.n = e.name_n WHERE e.n = i.n)), o.verdict, o.bucket, o.bucket_code, " \
    "o.run, o.recheck_usec, o.done, o.done_run, o.login_key, o.code, o.sentence, o.wanted " \
    "FROM person_before o " NUMBER_OF_OLD " ORDER BY i.n;" \
    "DROP TABLE person_before;") \
    "CREATE INDEX person_dn ON person(dn) WHERE dn IS NOT NULL;" \
    "CREATE INDEX person_login ON person(login_key) WHERE login_key IS NOT NULL;" \
    "CREATE INDEX person_recheck ON person(recheck_usec) WHERE recheck_usec > 0;" \
    "CREATE INDEX person_run ON person(run);" \
    "CREATE INDEX person_skipped ON person(n) WHERE bucket = 6;" \
    \
    AWAY("link") LINK_TABLE("link", TAKE) \
    "CREATE UNIQUE INDEX link_login ON link(login_key) WHERE status <> 3;" \
    "CREATE INDEX link_status ON link(status);" \
    AWAY("link_aside") LINK_TABLE("link_aside", TAKE) \
    \
    AWAY("operation") \
    "CREATE TABLE operation(number INTEGER PRIMARY KEY AUTOINCREMENT, " NUMBER("kind") ", " \
    NUMBER("state") ", " NUMBER("entry_n") ", " TIME("not_before_usec") ", " \
    TIME("since_usec") ", " NUMBER("attempts") ", " NUMBER("run") ", " NUMBER("approved") ", " \
    NUMBER("budget") ", " TIME("approved_until_usec") ", " TIME("revokes") ", " TIME("due_usec") ", " \
    TIME("shift_usec") ", " TEXT("dn") ", " TEXT("login") ", " MAYBE("reason") ", " MAYBE("cause") ", " \
    MAYBE("sentence") ", " MAYBE("why") ", " MAYBE("approved_for") ", " TEXT("changes") ");" \
    TAKE("INSERT INTO operation SELECT o.number, o.kind, o.state, i.n, o.not_before_usec, o.since_usec, " \
    "o.attempts, o.run, o.approved, o.budget, o.approved_until_usec, o.revokes, o.due_usec, " \
    "o.shift_usec, o.dn, o.login, o.reason, o.cause, o.sentence, o.why, o.approved_for, o.changes FROM " \
    "operation_before o " NUMBER_OF_OLD " ORDER BY o.number;" \
    "DELETE FROM sqlite_sequence WHERE name = 'operation';" \
    "UPDATE sqlite_sequence SET name = 'operation' WHERE name = 'operation_before';" \
    "DROP TABLE operation_before;") \
    "CREATE INDEX operation_held ON operation(not_before_usec) WHERE state = 3;" \
    "CREATE INDEX operation_person ON operation(entry_n, state);" \
    "CREATE INDEX operation_state ON operation(state, kind);" \
    "CREATE INDEX operation_cause ON operation(cause) WHERE reason IS NOT NULL;" \
    "CREATE INDEX operation_approved ON operation(approved_until_usec) WHERE approved = 1;" \
    "CREATE INDEX operation_fresh ON operation(budget, not_before_usec, number, kind) WHERE " \
    "approved = 0 AND state = 1 AND attempts = 0;" \
    "CREATE INDEX operation_let_through ON operation(budget, not_before_usec, number, kind) " \
    "WHERE approved = 0 AND attempts > 0 AND state <> 2;" \
    "CREATE INDEX operation_over ON operation(budget, not_before_usec, number, kind) WHERE " \
    "approved = 0 AND state = 2 AND reason = 'budget';" \
    "CREATE INDEX operation_ready ON operation((CASE WHEN revokes = 1 THEN 1 WHEN kind IN " \
    "(1, 2) AND reason IS NOT 'outcome-unclear' THEN 3 ELSE 2 END), due_usec, number, " \
    "not_before_usec) WHERE state = 1;" \
    "CREATE INDEX operation_waiting ON operation(not_before_usec) WHERE state = 1;" \
    \
    AWAY("dirty") \
    "CREATE TABLE dirty(n INTEGER PRIMARY KEY, " NUMBER("entry_n") " UNIQUE);" \
    TAKE("INSERT INTO dirty SELECT o.n, i.n FROM dirty_before o " NUMBER_OF_OLD " ORDER BY o.n;" \
    "DROP TABLE dirty_before;") \
    \
    AWAY("password_due") \
    "CREATE TABLE password_due(n INTEGER PRIMARY KEY, " TIME("since_usec") ", " TIME("next_usec") ", " \
    MAYBE("sentence") ");" \
    TAKE("INSERT INTO password_due SELECT i.n, o.since_usec, o.next_usec, o.sentence FROM " \
    "password_due_before o " NUMBER_OF_OLD ";" \
    "DROP TABLE password_due_before;") \
    "CREATE INDEX password_due_next ON password_due(next_usec);" \
    \
    "CREATE TRIGGER entry_deleted AFTER DELETE ON entry BEGIN" LEAVE_NAME LEAVE_IDENTITY("OLD.n") " END;" \
    "CREATE TRIGGER entry_renamed AFTER UPDATE OF name_n ON entry WHEN OLD.name_n <> NEW.name_n BEGIN" LEAVE_NAME " END;" \
    "CREATE TRIGGER member_deleted AFTER DELETE ON member BEGIN" LEAVE_NAME " END;" \
    "CREATE TRIGGER stale_deleted AFTER DELETE ON stale BEGIN" LEAVE_NAME " END;" \
    AFTER_DELETE("person", "n") AFTER_DELETE("link", "n") AFTER_DELETE("link_aside", "n") \
    AFTER_DELETE("operation", "entry_n") AFTER_DELETE("dirty", "entry_n") \
    AFTER_DELETE("password_due", "n") \
    AFTER_DELETE("bound_group", "n") \
    "CREATE TRIGGER bound_group_changed AFTER UPDATE OF n ON bound_group WHEN OLD.n <> NEW.n BEGIN" LEAVE_IDENTITY("OLD.n") " END;" \
    \
    /* For people who look into the file: each table with the ids and names that it goes by. */ \
    "CREATE VIEW entries AS SELECT e.n, " ID_SHOWN " AS id, coalesce(e.dn, a.text) AS dn, " \
    "a.key AS dn_key, e.kind, e.searches, e.digest, e.members_digest, e.gone_usec, e.gone_why, " \
    "e.raw, e.login_key, e.primary_key, e.mail_key, e.shape, e.attributes FROM entry e JOIN " \
    "identity i ON i.n = e.n JOIN name a ON a.n = e.name_n;" \
    "CREATE VIEW members AS SELECT m.group_n, m.kind, a.key, coalesce(m.text, a.text) AS text FROM member m JOIN name a ON " \
    "a.n = m.name_n;" \
    "CREATE VIEW people AS SELECT " ID_SHOWN " AS entry_id, coalesce(p.dn, e.dn, a.text, '') AS dn, " \
    "p.verdict, p.bucket, p.bucket_code, p.run, p.recheck_usec, p.done, p.done_run, p.login_key, " \
    "p.code, p.sentence, p.wanted FROM person p JOIN identity i ON i.n = p.n LEFT JOIN entry e ON " \
    "e.n = p.n LEFT JOIN name a ON a.n = e.name_n;" \
    "CREATE VIEW links AS SELECT " ID_SHOWN " AS entry_id, l.* FROM link l JOIN identity i ON " \
    "i.n = l.n;" \
    "CREATE VIEW operations AS SELECT " ID_SHOWN " AS entry_id, o.* FROM operation o JOIN identity i " \
    "ON i.n = o.entry_n;"
/* clang-format on */
