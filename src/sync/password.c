/*
 * First passwords that could not be handed on: the command failed, or the create's answer was
 * lost and the password with it. Another one is set at the tenant and handed on, one person
 * after the other, until the command takes it; until then holds and audit name the person.
 * Whose password is due is in the state before the command runs, so no crash loses a person,
 * and no password is ever stored.
 */
#include "config.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "sync/internal.h"

#define NAMES_IN_ALARM 10

/* The one whose password is being set. */
struct password {
    struct engine *engine;
    struct tenant_call *call;
    char *entry_id, *login;
    struct secret *secret;
    bool waits_for_commit;
};

static void password_free(struct password *p)
{
    struct engine *n = p->engine;
    if (p->call)
        n->options.tenant_ops->call_free(p->call);
    secret_free(p->secret);
    free(p->entry_id);
    free(p->login);
    free(p);
    n->password = NULL;
}

void password_cancel(struct engine *n)
{
    if (n->password)
        password_free(n->password);
}

bool password_is_handed_on(const struct engine *n)
{
    return n->options.sync->initial_password == INITIAL_PASSWORD_GENERATE &&
           n->options.sync->password_command;
}

struct names {
    struct buffer text;
    size_t n;
};

static int add_name(const struct password_due *d, void *userdata)
{
    struct names *w = userdata;
    if (w->n < NAMES_IN_ALARM)
        buffer_format(&w->text, "%s%s", w->n ? ", " : "", d->login);
    else if (w->n == NAMES_IN_ALARM)
        buffer_format(&w->text, ", and more");
    w->n++;
    return w->text.failed ? -ENOMEM : 0;
}

static int look_at_alarm(struct engine *n, struct error *e)
{
    struct names w = {0};
    char sentence[900];
    int r = password_due_each(n->state, add_name, &w, e);
    if (r == 0 && w.n) {
        snprintf(sentence, sizeof sentence,
                 "%zu %s a password that nobody was told: %s. Another one is set and handed to "
                 "password_command every [retry] hold; the log says why it failed",
                 w.n, w.n == 1 ? "user has" : "users have", w.text.data);
        alarm_set(n->books, "password", REASON_PASSWORD, sentence);
    } else if (r == 0) {
        alarm_over(n->books, "password");
    }
    buffer_done(&w.text);
    return r;
}

static int say(struct engine *n, const char *event, const char *entry_id, const char *login,
               const char *sentence, struct error *e)
{
    struct audit_row row = {.event = event,
                            .entry_id = entry_id,
                            .login = login,
                            .code = REASON_PASSWORD,
                            .sentence = sentence};
    return books_audit(n->books, &row, e);
}

/* It was not handed on: later again, with another one. */
static void fail(struct engine *n, const char *entry_id, const char *login,
                 const char *sentence)
{
    struct error e = {0};
    uint64_t now = clock_steady_usec(), next = now + n->options.sync->hold_retry_usec;
    if (books_have_failed(n->books))
        return;
    int r = books_write(n->books, &e);
    if (r == 0)
        r = password_due_store(n->state, entry_id, now, next, sentence, &e);
    if (r == 0)
        r = say(n, "hold", entry_id, login, sentence, &e);
    if (r == 0)
        r = look_at_alarm(n, &e);
    books_note(n->books, WORK_COMMIT);
    if (r < 0)
        books_failed(n->books, &e);
    books_wake(n->books, WORK_DUE);
}

static void clear(struct engine *n, const char *entry_id, const char *login,
                  const char *sentence)
{
    struct error e = {0};
    if (books_have_failed(n->books))
        return;
    int r = books_write(n->books, &e);
    if (r == 0)
        r = password_due_clear(n->state, entry_id, &e);
    if (r == 0 && sentence)
        r = say(n, "release", entry_id, login, sentence, &e);
    if (r == 0)
        r = look_at_alarm(n, &e);
    books_note(n->books, WORK_COMMIT);
    if (r < 0)
        books_failed(n->books, &e);
    books_wake(n->books, WORK_DUE);
}

static void on_ended(const char *login, bool fine, void *userdata)
{
    struct engine *n = userdata;
    struct error e = {0};
    struct link l = {0};
    CLEANUP(freep) char *key = text_fold(login, strlen(login));
    int r = key ? link_load_by_login(n->state, key, &l, &e) : error_out_of_memory(&e);
    if (r < 0)
        books_failed(n->books, &e);
    else if (r == 0 && fine)
        clear(n, l.entry_id, login, NULL);
    else if (r == 0)
        fail(
            n, l.entry_id, login,
            "the password_command failed, so that nobody knows the user's password: another one "
            "is set and handed on");
    link_done(&l);
}

static bool run(struct engine *n, const char *login, const struct secret *secret)
{
    json_t *document = json_pack("{s:s, s:s}", "login", login, "password", secret_text(secret));
    char *text = document ? json_dumps(document, JSON_COMPACT) : NULL;
    json_t *value = json_object_get(document, "password");
    if (value) /* jansson keeps a copy: overwrite it before it is freed */
        explicit_bzero((char *)(uintptr_t)json_string_value(value), json_string_length(value));
    json_decref(document);
    return text && command_run(n->commands, n->options.sync->password_command, text,
                               strlen(text), "password_command", login, on_ended, n);
}

int password_hand_on(struct execution *x, struct error *e)
{
    struct engine *n = x->engine;
    const char *login = x->operation->login;
    uint64_t now = clock_steady_usec(), hold = n->options.sync->hold_retry_usec;
    if (!password_is_handed_on(n))
        return 0;
    int r = books_write(n->books, e);
    /* Due now when it was lost with an answer; else when the command has had its time. */
    if (r == 0)
        r = password_due_store(n->state, x->operation->entry_id, now,
                               x->password ? now + hold : now, NULL, e);
    if (r < 0)
        return r;
    if (!x->password)
        log_notice("The user %s was made by an attempt whose answer was lost, and its password "
                   "with it: another one is set and handed on (%s)",
                   login, x->operation->dn);
    else if (!run(n, login, x->password))
        on_ended(login, false, n);
    return 0;
}

static void on_set(const struct tenant_answer *a, void *userdata)
{
    struct password *p = userdata;
    struct engine *n = p->engine;
    char sentence[600];
    if (a->class == TENANT_DONE) {
        if (!run(n, p->login, p->secret))
            on_ended(p->login, false, n);
    } else if (a->class == TENANT_NOT_FOUND) {
        clear(n, p->entry_id, p->login, "the tenant has no such user any more");
    } else {
        snprintf(
            sentence, sizeof sentence,
            "another password could not be set, so that nobody knows the user's password: the "
            "tenant answered %d%s%s",
            a->status, a->hint[0] ? ": " : "", a->hint);
        log_error("%s (user %s)", sentence, p->login);
        fail(n, p->entry_id, p->login, sentence);
    }
    password_free(p);
    books_wake(n->books, WORK_DUE);
}

/* Who is next, and may have one: a user that is enabled. */
static int begin(struct engine *n, char *entry_id_taken, struct error *e)
{
    struct link l = {0};
    const struct sync_options *o = n->options.sync;
    struct password *p = calloc(1, sizeof *p);
    if (!p) {
        free(entry_id_taken);
        return error_out_of_memory(e);
    }
    p->engine = n;
    p->entry_id = entry_id_taken;
    n->password = p;
    int r = link_load(n->state, p->entry_id, &l, e);
    if (r == 0 && l.status == LINK_ACTIVE) {
        p->login = TAKE(l.login);
        r = secret_random_password(&p->secret, o->password_length, o->password_classes, e);
        if (r == 0)
            r = password_due_store(n->state, p->entry_id, clock_steady_usec(),
                                   clock_steady_usec() + o->hold_retry_usec,
                                   "another password is being set", e);
        if (r == 0)
            r = say(n, "password", p->entry_id, p->login, "another password is set", e);
        p->waits_for_commit = true;
        books_note(n->books, WORK_COMMIT);
    } else if (r >= 0) { /* gone or disabled: whoever enables the user gives a password too */
        r = password_due_clear(n->state, p->entry_id, e);
        password_free(p);
    }
    link_done(&l);
    return r;
}

int password_turn(struct engine *n, struct error *e)
{
    CLEANUP(freep) char *entry_id = NULL;
    uint64_t next = 0;
    n->password_usec = 0;
    if (n->password || n->stopping || !password_is_handed_on(n) || !gate_is_open(n->gate))
        return 0;
    int r = password_due_next(n->state, &entry_id, &next, e);
    if (r != 0)
        return r < 0 ? r : 0;
    if (next > clock_steady_usec())
        n->password_usec = next;
    else if (command_room(n->commands))
        r = begin(n, TAKE(entry_id), e);
    return r;
}

void password_start_committed(struct engine *n)
{
    struct password *p = n->password;
    struct error e = {0};
    if (!p || !p->waits_for_commit)
        return;
    p->waits_for_commit = false;
    if (n->options.tenant_ops->user_password(n->options.tenant, &p->call, p->login, p->secret,
                                             n->options.sync->change_password, on_set, p,
                                             &e) < 0) {
        log_error("Setting another password for %s: %s", p->login, e.message);
        fail(n, p->entry_id, p->login, e.message);
        password_free(p);
    }
}
