/*
 * Reads the audit as a stranger would: line by line, by the words of docs/audit-format.md, and
 * does again what it says was done.
 */
#include "config.h"

#include "diary.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "company.h"
#include "oracle.h"
#include "simulated.h"
#include "tenant.h"
#include "world.h"

extern struct simulator tenant;

static json_t *intents; /* by number and person, until their outcome: the line */
static json_t *nearest; /* by number: the key of the intent that an outcome may refer to */
static json_t *users;   /* login: whether they are disabled */
static json_t *outcomes; /* time and number of each, which a line that is chained anew keeps */
static json_t *removals; /* of files that were too old, as the lines say */
static json_t *alarms;   /* by the code of what has one cause: the line that told it */
static bool any_erased; /* what was told of somebody is gone, as they may ask */

static json_int_t sum_of(json_t *value)
{
    const char *key;
    json_t *part;
    json_int_t sum = json_integer_value(value);
    json_object_foreach(value, key, part) sum += json_integer_value(part);
    return sum;
}

static void check_ledger(json_t *line)
{
    const char *key;
    json_t *value, *ledger = json_object_get(line, "d");
    json_int_t seen = json_integer_value(json_object_get(ledger, "seen")), sum = 0;
    json_object_foreach(ledger, key, value) if (strcmp(key, "seen") != 0) sum += sum_of(value);
    if (seen != sum)
        broken(11,
               "the ledger of line %lld does not add up: %lld were seen, %lld accounted for",
               (long long)json_integer_value(json_object_get(line, "seq")), (long long)seen,
               (long long)sum);
}

static const char *text_at(json_t *line, const char *key)
{
    const char *text = json_string_value(json_object_get(line, key));
    return text ? text : "";
}

static const char *personal(json_t *line, const char *key)
{
    return text_at(json_object_get(line, "p"), key);
}

/* What an intent sets a field to; NULL: it does not. */
static const char *set_to(json_t *line, const char *field)
{
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(json_object_get(line, "p"), "set"), i, row)
    {
        const char *name = json_string_value(json_array_get(row, 0));
        if (name && strcmp(name, field) == 0)
            return json_string_value(json_array_get(row, 1));
    }
    return NULL;
}

static void carry_out(json_t *intent)
{
    const char *op = text_at(intent, "op"), *login = personal(intent, "login"),
               *to = set_to(intent, "login_id");
    if (!*login && to && strcmp(op, "create") == 0)
        login = to;
    const char *disabled = set_to(intent, "disabled");
    if (!*login)
        return;
    /* An adoption changes nothing: whether the user was disabled, it does not say. */
    if (strcmp(op, "adopt") == 0) {
        if (!json_object_get(users, login))
            json_object_set_new(users, login, json_null());
        return;
    }
    if (strcmp(op, "create") == 0)
        json_object_set_new(users, login,
                            json_boolean(disabled && strcmp(disabled, "true") == 0));
    else if (strcmp(op, "delete") == 0)
        json_object_del(users, login);
    else if (strcmp(op, "rename") == 0 && to) {
        json_object_set(users, to, json_object_get(users, login));
        json_object_del(users, login);
    } else if (strcmp(op, "disable") == 0 || strcmp(op, "enable") == 0)
        json_object_set_new(users, login, json_boolean(strcmp(op, "disable") == 0));
}

/* The key of an outcome's intent; `key` has its number and person. */
static const char *intent_of(json_t *line, const char *number, const char *key)
{
    const char *near = json_string_value(json_object_get(nearest, number));
    if (!json_object_get(line, "op")) /* it leaves to its intent what was done to whom */
        return near ? near : "";
    /* Without the person: it was erased before its outcome came. */
    return json_object_get(intents, key) ? key : number;
}

static void take_outcome(json_t *line, const char *number, const char *key)
{
    char room[120], which[120];
    /* A copy: closing the intent frees what is found. */
    snprintf(room, sizeof(room), "%s", intent_of(line, number, key));
    snprintf(which, sizeof(which), "%s %s", text_at(line, "t"), number);
    json_t *intent = json_object_get(intents, room);
    /* An older state may have lines waiting that the file has already. */
    if (!intent && json_object_get(outcomes, which))
        ;
    else if (!intent)
        broken(3, "line %lld is an outcome without an intent",
               (long long)json_integer_value(json_object_get(line, "seq")));
    else if (strcmp(text_at(line, "code"), "done") == 0)
        carry_out(intent);
    json_object_set_new(outcomes, which, json_true());
    json_object_del(nearest, number);
    json_object_del(intents, room);
}

/* Of what has one cause, but for whoever is held, nothing is told twice, before it is over. A
 * state that is an older copy, or none, knows of no alarm. */
static void take_alarm(const char *event, const char *code, json_t *line)
{
    static const char *const single[] = {"directory-away",
                                         "tenant-unavailable",
                                         "tenant-not-authorised",
                                         "read-not-proven",
                                         "adoption",
                                         "other-tenant",
                                         "paused",
                                         "audit-failed",
                                         "clock-set",
                                         "password-not-handed-on",
                                         "drift"};
    bool is = false, stands = strcmp(event, "alarm") == 0;
    for (size_t i = 0; i < sizeof(single) / sizeof(*single); i++)
        is |= strcmp(code, single[i]) == 0;
    if (!is || strstr(personal(line, "say"), " held: ") ||
        was_seen(world.points, POINT_RESTORED) || was_seen(world.points, POINT_REMOVED))
        return;
    world.n_checks++;
    if (stands && json_object_get(alarms, code))
        broken(17, "line %lld tells the alarm %s, which stands since line %lld",
               (long long)json_integer_value(json_object_get(line, "seq")), code,
               (long long)json_integer_value(json_object_get(alarms, code)));
    if (stands)
        json_object_set(alarms, code, json_object_get(line, "seq"));
    else
        json_object_del(alarms, code);
}

static void take_line(const char *text, size_t size)
{
    char key[120], number[32];
    json_t *line = json_loadb(text, size, 0, NULL);
    const char *event = text_at(line, "ev");
    any_erased =
        any_erased || (json_object_get(line, "pc") && !json_object_get(line, "p"));
    snprintf(key, sizeof(key), "%lld %s",
             (long long)json_integer_value(json_object_get(line, "no")), personal(line, "id"));
    snprintf(number, sizeof(number), "%lld ",
             (long long)json_integer_value(json_object_get(line, "no")));
    if (!line) {
        broken(12, "a line of the audit is no JSON: %.80s", text);
    } else if (strncmp(event, "alarm", 5) == 0) {
        take_alarm(event, text_at(line, "code"), line);
    } else if (strcmp(event, "run-end") == 0) {
        check_ledger(line);
    } else if (strcmp(event, "retention") == 0) {
        json_array_append_new(removals, json_string(text));
    } else if (strcmp(event, "start") == 0) {
        json_object_clear(nearest);
    } else if (strcmp(event, "repair") == 0) {
        const char *code = text_at(line, "code");
        json_object_clear(nearest);
        if (strcmp(code, "damaged-end") == 0 || strcmp(code, "torn-line") == 0)
            seen(POINT_AUDIT_CUT);
    } else if (strcmp(event, "drift") == 0) {
        /* What others did is told by those who saw it. */
        bool disabled = strstr(personal(line, "say"), "disabled: false -> true");
        if (disabled || strstr(personal(line, "say"), "disabled: true -> false"))
            json_object_set_new(users, personal(line, "login"), json_boolean(disabled));
    } else if (strcmp(event, "intent") == 0) {
        json_object_set(intents, key, line);
        json_object_set_new(nearest, number, json_string(key));
    } else if (strcmp(event, "outcome") == 0) {
        take_outcome(line, number, key);
    }
    json_decref(line);
}

static void read_file(const char *path)
{
    char *text = NULL;
    size_t room = 0;
    FILE *f = fopen(path, "re");
    for (ssize_t n; f && (n = getline(&text, &room, f)) > 0;)
        take_line(text, (size_t)n);
    free(text);
    if (f)
        fclose(f);
}

/* What is not there any more is on record. */
static void check_removal(const char *path)
{
    const char *name = strstr(path, REMOVED);
    bool told = false;
    size_t i;
    json_t *line;
    if (!name)
        return;
    json_array_foreach(removals, i, line) told =
        told || strstr(json_string_value(line), name + strlen(REMOVED));
    world.n_checks++;
    if (!told)
        broken(12, "%s was removed, and no line says so", name + strlen(REMOVED));
}

/* What the audit says about a user, at the end. */
static bool check_user(const char *login, bool disabled)
{
    const struct user *u = store_user(&tenant.store, login);
    const struct person *p = oracle_person(login);
    world.n_checks++;
    /* That the user was made stands in a file that was removed before the erasure, that it was
     * disabled or deleted in lines that were erased. What was done by hand, no audit tells. */
    if (!u && p && p->erased)
        return false;
    if (!u)
        broken(12, "the audit tells of a user %s, whom the tenant does not have", login);
    else if (u->disabled != disabled &&
             !(p && (p->erased || (u->disabled ? p->disabled_by_hand : p->woken_usec != 0))))
        broken(12, "by the audit the user %s is %s, at the tenant not", login,
               disabled ? "disabled" : "enabled");
    return true;
}

static void check_users(size_t n_users)
{
    if (n_users + 1 > tenant.store.n_users ||
        (n_users + 1 != tenant.store.n_users && !any_erased))
        broken(12, "the audit tells of %zu users, the tenant has %zu and the API user", n_users,
               tenant.store.n_users - 1);
}

void diary_check(const char *const *files, size_t n_files)
{
    const char *key;
    json_t *value;
    intents = json_object();
    nearest = json_object();
    users = json_object();
    outcomes = json_object();
    removals = json_array();
    alarms = json_object();
    any_erased = false;
    for (size_t i = 0; i < n_files; i++)
        read_file(files[i]);
    for (size_t i = 0; i < n_files; i++)
        check_removal(files[i]);
    json_object_foreach(intents, key, value)
        broken(13, "the intent of line %lld (%s of %s) has no outcome",
               (long long)json_integer_value(json_object_get(value, "seq")),
               text_at(value, "op"), personal(value, "login"));
    size_t n_users = 0;
    json_object_del(users, API_USER); /* who may be somebody of the directory */
    json_object_foreach(users, key, value) n_users +=
        json_is_null(value) || check_user(key, json_is_true(value));
    check_users(n_users);
    json_decref(intents);
    json_decref(nearest);
    json_decref(users);
    json_decref(outcomes);
    json_decref(removals);
    json_decref(alarms);
}
