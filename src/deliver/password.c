/*
 * First passwords that could not be handed on: the command failed, or the create's answer was
 * lost and the password with it. Another one is set at the tenant and handed on, one person
 * after the other, until the command takes it; until then holds and audit name the person.
 * Whose password is due is in the state before the command runs, so no crash loses a person,
 * and no password is ever stored.
 */
#include "config.h"

#include "deliver/password.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/secret.h"
#include "base/text.h"
#include "books/books.h"
#include "books/engine-types.h"
#include "model/json.h"
#include "model/operation.h"
#include "state/link.h"
#include "state/queue.h"
#include "tenant/client.h"

#define NAMES_IN_ALARM 10

struct passwords {
    struct books *books;
    const struct engine_options *options;
    struct setting *current; /* one that is being set anew; or NULL */
    uint64_t due_usec;       /* when the next of them is due; 0: none, or nothing can be done */
    bool looked; /* at the alarm, since nothing could be done: another tenant may be approved */
    bool closed;
};

/* The one whose password is being set. */
struct setting {
    struct passwords *passwords;
    struct tenant_call *call;
    char *entry_id, *login;
    struct secret *secret;
    unsigned epoch; /* in which it began: books_epoch() */
    bool waits_for_commit;
};

static void setting_free(struct setting *s)
{
    struct passwords *w = s->passwords;
    if (s->call)
        w->options->tenant_ops->call_free(s->call);
    secret_free(s->secret);
    free(s->entry_id);
    free(s->login);
    free(s);
    w->current = NULL;
}

bool passwords_are_busy(const struct passwords *w)
{
    return w->current || (command_any(books_commands(w->books)) && passwords_are_handed_on(w));
}

uint64_t passwords_due_usec(const struct passwords *w)
{
    return w->due_usec;
}

int passwords_new(struct passwords **ret, struct books *b, struct error *e)
{
    struct passwords *w = calloc(1, sizeof(*w));
    if (!w)
        return error_out_of_memory(e);
    *w = (struct passwords){.books = b, .options = books_options(b)};
    *ret = w;
    return 0;
}

struct passwords *passwords_free(struct passwords *w)
{
    if (!w)
        return NULL;
    if (w->current)
        setting_free(w->current);
    free(w);
    return NULL;
}

void passwords_close(struct passwords *w)
{
    w->closed = true;
}

bool passwords_are_handed_on(const struct passwords *w)
{
    return w->options->sync->initial_password == INITIAL_PASSWORD_GENERATE &&
           w->options->sync->password_command;
}

struct names {
    struct buffer text;
    size_t n;
};

static int add_name(const struct password_due *d, void *userdata)
{
    struct names *m = userdata;
    if (m->n < NAMES_IN_ALARM)
        buffer_format(&m->text, "%s%s", m->n ? ", " : "", d->login);
    else if (m->n == NAMES_IN_ALARM)
        buffer_format(&m->text, ", and more");
    m->n++;
    return m->text.failed ? -ENOMEM : 0;
}

static int look_at_alarm(struct passwords *w, struct error *e)
{
    struct names m = {0};
    char sentence[900];
    int r = password_due_each(books_state(w->books), add_name, &m, e);
    if (r == 0 && m.n) {
        snprintf(sentence, sizeof(sentence),
                 "%zu %s a password that nobody was told: %s. Another one is set and handed to "
                 "password_command every [retry] hold; the log says why it failed",
                 m.n, m.n == 1 ? "user has" : "users have", m.text.data);
        alarm_set(w->books, "password", REASON_PASSWORD, sentence);
    } else if (r == 0) {
        alarm_over(w->books, "password");
    }
    buffer_done(&m.text);
    return r;
}

static int say(struct passwords *w, const char *event, const char *entry_id, const char *login,
               const char *sentence, struct error *e)
{
    struct audit_row row = {.event = event,
                            .entry_id = entry_id,
                            .login = login,
                            .code = REASON_PASSWORD,
                            .sentence = sentence};
    return books_audit(w->books, &row, e);
}

static void end_of_change(struct passwords *w, int r, struct error *e)
{
    if (r == 0)
        r = look_at_alarm(w, e);
    books_note(w->books, WORK_COMMIT);
    if (r < 0)
        books_failed(w->books, e);
    books_wake(w->books, WORK_DUE);
}

/* It was not handed on: another one is, then. */
static void again_after(struct passwords *w, uint64_t wait_usec, const char *entry_id,
                        const char *login, const char *sentence)
{
    struct error e = {0};
    uint64_t now = clock_steady_usec(), next = now + wait_usec;
    if (books_have_failed(w->books))
        return;
    int r = password_due_store(books_state(w->books), entry_id, now, next, sentence, &e);
    if (r == 0)
        r = say(w, "hold", entry_id, login, sentence, &e);
    end_of_change(w, r, &e);
}

static void fail(struct passwords *w, const char *entry_id, const char *login, const char *sentence)
{
    again_after(w, w->options->sync->hold_retry_usec, entry_id, login, sentence);
}

static void clear(struct passwords *w, const char *entry_id, const char *login,
                  const char *sentence)
{
    struct error e = {0};
    if (books_have_failed(w->books))
        return;
    int r = password_due_clear(books_state(w->books), entry_id, &e);
    if (r == 0 && sentence)
        r = say(w, "release", entry_id, login, sentence, &e);
    end_of_change(w, r, &e);
}

static void on_ended(const char *login, bool fine, void *userdata)
{
    struct passwords *w = userdata;
    struct error e = {0};
    struct link l = {0};
    CLEANUP(freep) char *key = text_fold(login, strlen(login));
    int r = key ? link_load_by_login(books_state(w->books), key, &l, &e) : error_out_of_memory(&e);
    if (r < 0)
        books_failed(w->books, &e);
    else if (r == 0 && fine)
        clear(w, l.entry_id, login, NULL);
    else if (r == 0)
        fail(w, l.entry_id, login,
             "the password_command failed, so that nobody knows the user's password: another one "
             "is set and handed on");
    link_done(&l);
}

static bool run(struct passwords *w, const char *login, const struct secret *secret)
{
    json_t *document = json_pack("{s:s, s:s}", "login", login, "password", secret_text(secret));
    char *text = document ? json_to_text(document, JSON_COMPACT) : NULL;
    json_t *value = json_object_get(document, "password");
    if (value) /* jansson keeps a copy: overwrite it before it is freed */
        explicit_bzero((char *)(uintptr_t)json_string_value(value), json_string_length(value));
    json_decref(document);
    return text && command_run(books_commands(w->books), w->options->sync->password_command, text,
                               strlen(text), "password_command", login, on_ended, w);
}

int passwords_hand_on(struct passwords *w, const struct operation *o, const struct secret *secret,
                      struct error *e)
{
    uint64_t now = clock_steady_usec(), hold = w->options->sync->hold_retry_usec;
    if (!passwords_are_handed_on(w))
        return 0;
    /* Due now when it was lost with an answer; else when the command has had its time. */
    int r = password_due_store(books_state(w->books), o->entry_id, now, secret ? now + hold : now,
                               NULL, e);
    if (r < 0)
        return r;
    if (!secret)
        log_notice("The user %s was made by an attempt whose answer was lost, and its password "
                   "with it: another one is set and handed on (%s)",
                   o->login, o->dn);
    else if (!run(w, o->login, secret))
        on_ended(o->login, false, w);
    return 0;
}

static void on_set(const struct tenant_answer *a, void *userdata)
{
    struct setting *s = userdata;
    struct passwords *w = s->passwords;
    char sentence[600];
    if (a->class == TENANT_DONE) {
        if (!run(w, s->login, s->secret))
            on_ended(s->login, false, w);
    } else if (a->class == TENANT_NOT_FOUND) {
        clear(w, s->entry_id, s->login, "the tenant has no such user any more");
    } else {
        snprintf(sentence, sizeof(sentence),
                 "another password could not be set, so that nobody knows the user's password: the "
                 "tenant answered %d%s%s",
                 a->status, a->hint[0] ? ": " : "", a->hint);
        log_error("%s (user %s)", sentence, s->login);
        fail(w, s->entry_id, s->login, sentence);
    }
    setting_free(s);
    books_wake(w->books, WORK_DUE);
}

/* A tenant_leave_fn, by the rule of withdraw.c: as soon as writing goes on it is set again. */
static bool leaves(void *userdata)
{
    struct setting *s = userdata;
    struct passwords *w = s->passwords;
    char sentence[160];
    if (s->epoch == books_epoch(w->books))
        return true;
    snprintf(sentence, sizeof(sentence), "another password was not set yet: %s",
             books_epoch_why(w->books));
    again_after(w, 0, s->entry_id, s->login, sentence);
    setting_free(s);
    return false;
}

/* Who is next, and may have one: a user that is enabled. */
static int begin(struct passwords *w, char *entry_id_taken, struct error *e)
{
    struct link l = {0};
    const struct sync_options *o = w->options->sync;
    struct setting *s = calloc(1, sizeof(*s));
    if (!s) {
        free(entry_id_taken);
        return error_out_of_memory(e);
    }
    s->passwords = w;
    s->epoch = books_epoch(w->books);
    s->entry_id = entry_id_taken;
    w->current = s;
    int r = link_load(books_state(w->books), s->entry_id, &l, e);
    if (r == 0 && l.status == LINK_ACTIVE) {
        s->login = TAKE(l.login);
        r = secret_random_password(&s->secret, o->password_length, o->password_classes, e);
        if (r == 0)
            r = password_due_store(books_state(w->books), s->entry_id, clock_steady_usec(),
                                   clock_steady_usec() + o->hold_retry_usec,
                                   "another password is being set", e);
        if (r == 0)
            r = say(w, "password", s->entry_id, s->login, "another password is set", e);
        s->waits_for_commit = true;
        books_note(w->books, WORK_COMMIT);
    } else if (r >= 0) { /* nobody is told of a user that is disabled, until it is enabled again */
        uint64_t now = clock_steady_usec();
        r = r == 0 && l.status == LINK_DISABLED
                ? password_due_store(books_state(w->books), s->entry_id, now,
                                     now + o->hold_retry_usec, NULL, e)
                : password_due_clear(books_state(w->books), s->entry_id, e);
        setting_free(s);
        if (r == 0)
            r = look_at_alarm(w, e);
        books_wake(w->books, WORK_DUE); /* for the next of them */
    }
    link_done(&l);
    return r;
}

int passwords_turn(struct passwords *w, bool may_send, struct error *e)
{
    CLEANUP(freep) char *entry_id = NULL;
    uint64_t next = 0;
    int r = may_send && !w->looked ? look_at_alarm(w, e) : 0;
    w->looked = may_send;
    w->due_usec = 0;
    if (r < 0 || w->current || w->closed || !passwords_are_handed_on(w) || !may_send)
        return r;
    r = password_due_next(books_state(w->books), &entry_id, &next, e);
    if (r != 0)
        return r < 0 ? r : 0;
    if (next > clock_steady_usec())
        w->due_usec = next;
    else if (command_room(books_commands(w->books)))
        r = begin(w, TAKE(entry_id), e);
    return r;
}

void passwords_start_committed(struct passwords *w)
{
    struct setting *s = w->current;
    struct error e = {0};
    if (!s || !s->waits_for_commit)
        return;
    s->waits_for_commit = false;
    if (w->options->tenant_ops->password(w->options->tenant, &s->call, by_login(s->login),
                                         s->secret, w->options->sync->change_password, on_set, s,
                                         &e) < 0) {
        log_error("Setting another password for %s: %s", s->login, e.message);
        fail(w, s->entry_id, s->login, e.message);
        setting_free(s);
        return;
    }
    w->options->tenant_ops->call_ask(s->call, leaves);
}
