/*
 * Links between entries and logins. One login belongs to one entry; only the login of a user
 * whom we deleted is free again. The table itself holds that, by a unique index.
 */
#include "config.h"

#include "state/link.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "model/operation.h"
#include "model/user.h"
#include "state/db.h"

/* Numbers that are in state files, and in the statements of this folder. */
static_assert(LINK_ACTIVE == 1 && LINK_DISABLED == 2 && LINK_DELETED == 3 && LINK_THERE == 0 &&
                  LINK_GONE == 1 && LINK_GONE_OR_RENAMED == 2,
              "what a link is, is stored");

uint64_t link_used_usec(const struct link *l)
{
    uint64_t used = l->last_login_usec > l->enabled_usec ? l->last_login_usec : l->enabled_usec;

    return used ? used : l->created_usec;
}

static bool has_drift(const struct link *l, const char *drift)
{
    for (const char *at = l->drift; at && *at;) {
        if (!strncmp(at, drift, strlen(drift)))
            return true;
        at = strstr(at, "; ");
        at += at ? 2 : 0;
    }
    return false;
}

bool link_was_enabled(const struct link *l)
{
    return l->status == LINK_DISABLED && has_drift(l, LINK_DRIFT_ENABLED);
}

bool link_shown_disabled(const struct link *l)
{
    return l->status == LINK_DISABLED ? !link_was_enabled(l)
                                      : has_drift(l, LINK_DRIFT_DISABLED ": false -> true");
}

/* "role: FROM -> TO", of which one is nothing. */
static int add_role_of(const char *item, size_t size, bool gained, struct user *add)
{
    static const char is_role[] = LINK_DRIFT_ROLE ": ", none[] = "(none)", to[] = " -> ";
    CLEANUP(freep) char *text = strndup(item, size);
    if (!text)
        return -ENOMEM;
    char *from = text + sizeof(is_role) - 1, *arrow = strstr(text, to);
    if (strncmp(text, is_role, sizeof(is_role) - 1) != 0 || !arrow)
        return 0;
    *arrow = '\0';
    bool is_gained = !strcmp(from, none);
    return is_gained != gained ? 0
                               : user_add_role(add, gained ? arrow + sizeof(to) - 1 : from, NULL);
}

int link_drift_roles(const char *drift, bool gained, struct user *add)
{
    int r = 0;

    for (const char *at = drift; at && r == 0;) {
        const char *end = strstr(at, "; ");
        r = add_role_of(at, end ? (size_t)(end - at) : strlen(at), gained, add);
        at = end ? end + 2 : NULL;
    }
    return r;
}

void link_done(struct link *l)
{
    free(l->entry_id);
    free(l->login);
    free(l->login_key);
    free(l->remote_id);
    free(l->known);
    free(l->granted);
    free(l->origin);
    free(l->leaving_why);
    free(l->drift);
    free(l->quirks);
    free(l->skills_before);
    *l = (struct link){0};
}

#define LINK_COLUMNS                                                                               \
    "n, login, login_key, remote_id, known, granted, status, disabled_by_us, origin, "             \
    "created_usec, confirmed_usec, leaving_usec, leaving_why, disabled_usec, "                     \
    "drift, quirks, renamed_there, gone, last_login_usec, enabled_usec, dormant_usec, skills_before"

/* The same of l, with the id (i) in the place of the number. */
#define SELECT_LINK                                                                                \
    "SELECT i.id, l.login, l.login_key, l.remote_id, l.known, l.granted, l.status, "               \
    "l.disabled_by_us, l.origin, l.created_usec, l.confirmed_usec, l.leaving_usec, "               \
    "l.leaving_why, l.disabled_usec, l.drift, l.quirks, l.renamed_there, l.gone, "                 \
    "l.last_login_usec, l.enabled_usec, l.dormant_usec, l.skills_before "
#define BY_ID "FROM identity i CROSS JOIN link l ON l.n = i.n "

static int read_link(struct stmt *q, struct link *ret, struct error *e)
{
    CLEANUP(link_done)
    struct link l = {
        .stored = true,
        .status = (enum link_status)stmt_int(q, 6),
        .disabled_by_us = stmt_int(q, 7) != 0,
        .created_usec = stmt_usec(q, 9),
        .confirmed_usec = stmt_usec(q, 10),
        .leaving_usec = stmt_usec(q, 11),
        .disabled_usec = stmt_usec(q, 13),
        .renamed_there = stmt_int(q, 16) != 0,
        .gone = (enum link_gone)stmt_int(q, 17),
        .last_login_usec = stmt_usec(q, 18),
        .enabled_usec = stmt_usec(q, 19),
        .dormant_usec = stmt_usec(q, 20),
    };

    if (stmt_copy_id(q, 0, &l.entry_id) < 0 || stmt_copy(q, 1, &l.login) < 0 ||
        stmt_copy(q, 2, &l.login_key) < 0 || stmt_copy(q, 3, &l.remote_id) < 0 ||
        stmt_copy(q, 4, &l.known) < 0 || stmt_copy(q, 5, &l.granted) < 0 ||
        stmt_copy(q, 8, &l.origin) < 0 || stmt_copy(q, 12, &l.leaving_why) < 0 ||
        stmt_copy(q, 14, &l.drift) < 0 || stmt_copy(q, 15, &l.quirks) < 0 ||
        stmt_copy(q, 21, &l.skills_before) < 0)
        return error_out_of_memory(e);
    *ret = l;
    l = (struct link){0};
    return 0;
}

static int load_one(struct state *s, const char *sql, struct bind by, struct link *ret,
                    struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s, sql, WITH(by), e);

    if (r != STMT_ROW)
        return r < 0 ? r : STATE_NONE;
    return read_link(q, ret, e);
}

int link_load(struct state *s, const char *entry_id, struct link *ret, struct error *e)
{
    return load_one(s, SELECT_LINK BY_ID "WHERE i.id = ?1", as_id(entry_id), ret, e);
}

int link_load_status(struct state *s, const char *entry_id, enum link_status *ret, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s, "SELECT l.status " BY_ID "WHERE i.id = ?1", WITH(as_id(entry_id)), e);

    if (r == STMT_ROW)
        *ret = (enum link_status)stmt_int(q, 0);
    return r == STMT_ROW ? 0 : r < 0 ? r : STATE_NONE;
}

int link_load_by_login(struct state *s, const char *login_key, struct link *ret, struct error *e)
{
    return load_one(s,
                    SELECT_LINK "FROM link l CROSS JOIN identity i ON i.n = l.n WHERE "
                                "l.login_key = ?1 AND l.status <> 3",
                    as_text(login_key), ret, e);
}

/* How people know an entry: its DN, else its id; malloc'd. */
static char *name_of(struct state *s, const char *entry_id)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    char *name = NULL;

    if (stmt_query(&q, s,
                   "SELECT coalesce((SELECT coalesce(e.dn, a.text) FROM entry e CROSS JOIN name a "
                   "ON a.n = e.name_n WHERE e.n = " NUMBER_OF "), (SELECT dn FROM person WHERE "
                   "n = " NUMBER_OF " AND dn <> ''), ?2)",
                   WITH(as_id(entry_id), as_text(entry_id)), NULL) == STMT_ROW)
        (void)stmt_copy(q, 0, &name);
    return name;
}

static int login_taken(struct state *s, const struct link *l, struct error *e)
{
    CLEANUP(link_done) struct link holder = {0};
    CLEANUP(freep) char *wanted_by = NULL;
    CLEANUP(freep) char *held_by = NULL;
    int r = link_load_by_login(s, l->login_key, &holder, e);

    if (r < 0)
        return r;
    if (r == STATE_NONE)
        return -EEXIST; /* the sentence of the refused row stands */
    wanted_by = name_of(s, l->entry_id);
    held_by = name_of(s, holder.entry_id);
    return error_set(
        e, -EEXIST, "the login %s, wanted by %s, belongs to %s: give one of them another login",
        l->login, wanted_by ? wanted_by : l->entry_id, held_by ? held_by : holder.entry_id);
}

/* Those whose login is taken are counted by the index of logins, the active ones as what is left
 * of them. */
static int64_t count_links(struct state *s, enum link_status status)
{
    static const char others[] =
        "SELECT count(*) FROM link INDEXED BY link_other WHERE status <> 1 "
        "AND status = ?1";
    static const char active[] =
        "SELECT (SELECT count(*) FROM link INDEXED BY link_login WHERE status <> 3) - (SELECT "
        "count(*) FROM link INDEXED BY link_other WHERE status <> 1 AND status <> 3)";
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    bool of_others = status != LINK_ACTIVE;
    int r = stmt_query(&q, s, of_others ? others : active, of_others ? WITH(as_int(status)) : NULL,
                       NULL);

    return r == STMT_ROW ? stmt_int(q, 0) : -1;
}

/* The counts are kept while rows change one by one, and forgotten where many do, and when a
 * transaction is undone. */
void link_forget_counts(struct state *s)
{
    for (size_t i = 0; i < LINK_N_STATUS; i++)
        s->n_links[i] = -1;
}

static void count_one(struct state *s, int64_t status, int64_t by)
{
    if (status > 0 && status < LINK_N_STATUS && s->n_links[status] >= 0)
        s->n_links[status] += by;
}

#define STATUS_OF_ROW "SELECT status FROM link WHERE n = ?1"

#define INSERT_LINK                                                                                \
    "INSERT INTO link(" LINK_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, "    \
    "?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22) ON CONFLICT(n) DO "

static int write_link(struct state *s, const char *sql, const struct link *l, int64_t n,
                      struct error *e)
{
    return db_write(
        s, sql,
        WITH(as_int(n), as_text(l->login), as_text(l->login_key), as_text(l->remote_id),
             as_text(l->known), as_text(l->granted), as_int(l->status), as_int(l->disabled_by_us),
             as_text(l->origin ? l->origin : ""), as_usec(l->created_usec),
             as_usec(l->confirmed_usec), as_usec(l->leaving_usec), as_text(l->leaving_why),
             as_usec(l->disabled_usec), as_text(l->drift), as_text(l->quirks),
             as_int(l->renamed_there), as_int(l->gone), as_usec(l->last_login_usec),
             as_usec(l->enabled_usec), as_usec(l->dormant_usec), as_text(l->skills_before)),
        e);
}

/* Most often there is no row yet, and then there was no status to count. */
int link_store(struct state *s, const struct link *l, struct error *e)
{
    int64_t n = 0, before = 0;
    int r = identity_get(s, l->entry_id, &n, e);
    bool stored = false;

    link_watch_note(s, l->entry_id);
    if (r == 0 && !l->stored) {
        r = write_link(s, INSERT_LINK "NOTHING", l, n, e);
        stored = r == 0 && sqlite3_changes(s->db) > 0;
    }
    if (r == 0 && !stored) {
        r = db_int(s, STATUS_OF_ROW, WITH(as_int(n)), &before, e);
        if (r == 0)
            r = write_link(
                s,
                INSERT_LINK
                "UPDATE SET login = ?2, login_key = ?3, remote_id = ?4, known = ?5, granted = ?6, "
                "status = ?7, disabled_by_us = ?8, origin = ?9, created_usec = ?10, "
                "confirmed_usec = ?11, leaving_usec = ?12, leaving_why = ?13, disabled_usec = ?14, "
                "drift = ?15, quirks = ?16, renamed_there = ?17, gone = ?18, "
                "last_login_usec = ?19, enabled_usec = ?20, dormant_usec = ?21, "
                "skills_before = ?22",
                l, n, e);
    }
    if (r == 0) {
        count_one(s, before, -1);
        count_one(s, l->status, 1);
    }
    return r == -EEXIST ? login_taken(s, l, e) : r;
}

int link_learn_id(struct state *s, const char *entry_id, const char *login, const char *id,
                  struct error *e)
{
    CLEANUP(link_done) struct link l = {0};
    int r = link_load(s, entry_id, &l, e);
    if (r != 0 || l.remote_id || l.gone || !text_equal(l.login, login))
        return r < 0 ? r : 0;
    l.remote_id = strdup(id);
    return l.remote_id ? link_store(s, &l, e) : error_out_of_memory(e);
}

int link_remove(struct state *s, const char *entry_id, struct error *e)
{
    int64_t n = 0, before = 0;
    int r = identity_find(s, entry_id, &n, e);

    if (r == 0)
        r = db_int(s, STATUS_OF_ROW, WITH(as_int(n)), &before, e);
    link_watch_note(s, entry_id);
    if (r == 0)
        r = db_write(s, "DELETE FROM link WHERE n = " NUMBER_OF, WITH(as_id(entry_id)), e);
    if (r == 0)
        count_one(s, before, -1);
    return r;
}

int link_each_active_other(struct state *s, const char *entry_id,
                           int (*fn)(const struct link *l, void *userdata), void *userdata,
                           struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(
        &q, s,
        "SELECT l.known, l.quirks, l.drift FROM link l WHERE l.status = 1 AND l.gone = 0 AND "
        "l.n IS NOT " NUMBER_OF " AND l.known IS NOT NULL AND (l.drift IS NULL OR "
        "instr(l.drift, '" LINK_DRIFT_DISABLED
        ": ') = 0) AND NOT EXISTS (SELECT 1 FROM operation x "
        "WHERE x.entry_n = l.n AND (x.kind IN (6, 8) OR (x.kind IN (3, 4) AND "
        "instr(x.changes, '\"role:') > 0)) AND (x.state = 4 OR x.reason = '" REASON_UNCLEAR "'))",
        WITH(as_id(entry_id)), e);
    for (; r == STMT_ROW; r = stmt_step(q, e)) {
        const struct link l = {.known = (char *)(uintptr_t)stmt_text(q, 0),
                               .quirks = (char *)(uintptr_t)stmt_text(q, 1),
                               .drift = (char *)(uintptr_t)stmt_text(q, 2)};
        r = fn(&l, userdata);
        if (r != 0)
            return r;
    }
    return r;
}

size_t link_count(struct state *s, enum link_status status)
{
    if (s->n_links[status] < 0)
        s->n_links[status] = count_links(s, status);
    return s->n_links[status] > 0 ? (size_t)s->n_links[status] : 0;
}

int link_each(struct state *s, int (*fn)(const struct link *l, void *userdata), void *userdata,
              struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s, SELECT_LINK BY_ID "ORDER BY i.id", NULL, e);

    for (; r == STMT_ROW; r = stmt_step(q, e)) {
        CLEANUP(link_done) struct link l = {0};

        r = read_link(q, &l, e);
        if (r < 0)
            return r;
        r = fn(&l, userdata);
        if (r != 0)
            return r;
    }
    return r;
}

int link_after(struct state *s, const char *entry_id, struct link *ret, struct error *e)
{
    return load_one(s, SELECT_LINK BY_ID "WHERE i.id > ?1 ORDER BY i.id LIMIT 1",
                    as_id(entry_id ? entry_id : ""), ret, e);
}

/* A column that is added to link is added to link_aside too. */
int link_set_aside(struct state *s, struct error *e)
{
    int r = link_drop_aside(s, e);

    link_watch_note(s, NULL);
    if (r == 0)
        r = db_write(s,
                     "INSERT INTO link_aside(" LINK_COLUMNS ") SELECT " LINK_COLUMNS " FROM link",
                     NULL, e);
    link_forget_counts(s);
    return r < 0 ? r : db_write(s, "DELETE FROM link", NULL, e);
}

int link_take_back(struct state *s, struct error *e)
{
    int r = db_write(s, "DELETE FROM link", NULL, e);

    link_watch_note(s, NULL);
    link_forget_counts(s);
    if (r == 0)
        r = db_write(s,
                     "INSERT INTO link(" LINK_COLUMNS ") SELECT " LINK_COLUMNS " FROM link_aside",
                     NULL, e);
    return r < 0 ? r : link_drop_aside(s, e);
}

int link_drop_aside(struct state *s, struct error *e)
{
    return db_write(s, "DELETE FROM link_aside", NULL, e);
}

#define KNOWN_AFTER                                                                                \
    "WHERE i.id > ?1 AND l.status = ?2 AND l.remote_id IS NOT NULL AND l.gone = 0 "                \
    "ORDER BY i.id LIMIT 1"

int link_next_known(struct state *s, bool aside, enum link_status status, const char *entry_id,
                    struct link *ret, struct error *e)
{
    CLEANUP(stmt_freep) struct stmt *q = NULL;
    int r = stmt_query(&q, s,
                       aside ? SELECT_LINK
                           "FROM identity i CROSS JOIN link_aside l ON l.n = i.n " KNOWN_AFTER
                             : SELECT_LINK BY_ID KNOWN_AFTER,
                       WITH(as_id(entry_id), as_int(status)), e);

    if (r != STMT_ROW)
        return r < 0 ? r : STATE_NONE;
    return read_link(q, ret, e);
}
