/*
 * Alarms: at most one notification for a cause, and one when it is over, also across restarts.
 * A cause is what a person can do something about; many held people with one cause are one
 * alarm.
 */
#include "config.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "audit/audit.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "books/books.h"
#include "books/engine-types.h"
#include "model/json.h"
#include "model/operation.h"
#include "state/queue.h"
#include "state/state.h"
#include "state/steady.h"

/* These do not wait for alarm_after. */
static bool is_immediate(const char *code)
{
    static const char *const codes[] = {
        REASON_BUDGET,   REASON_NOT_AUTHORISED, REASON_NO_SECRET,    REASON_ATTRIBUTE_VANISHED,
        REASON_ADOPTION, REASON_STATE_RESTORED, REASON_OTHER_TENANT, REASON_LOCKOUT,
        REASON_PAUSED,   REASON_REVOKED,        REASON_AUDIT_FAILED};
    for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
        if (text_equal(code, codes[i]))
            return true;
    return false;
}

static void run_notify(struct books *b, const char *event, const struct alarm *a)
{
    char since[CLOCK_TEXT_SIZE];
    json_t *document = json_pack("{s:s, s:s, s:s, s:s, s:s}", "event", event, "cause", a->cause,
                                 "code", a->code, "sentence", a->sentence, "since",
                                 clock_format(since, clock_wall_of(a->since_usec)));
    char *text = document ? json_to_text(document, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    json_decref(document);
    if (text)
        command_run(books_commands(b), books_options(b)->sync->notify_command, text, strlen(text),
                    "notify command", NULL, NULL, NULL);
    else
        log_error("Out of memory: nobody is told of %s", a->cause);
}

void alarm_tell(struct books *b, bool stands, const char *code, const char *sentence,
                uint64_t since_usec)
{
    struct alarm a = {.cause = (char *)code,
                      .code = (char *)code,
                      .sentence = (char *)sentence,
                      .since_usec = since_usec};
    log_notice("%s %s: %s", stands ? "Alarm" : "Over", code, sentence);
    if (books_options(b)->sync->notify_command)
        run_notify(b, stands ? "alarm" : "alarm-over", &a);
}

void alarm_tell_checkpoint(struct books *b, struct audit_export *audit)
{
    const struct sync_options *options = books_options(b)->sync;
    int64_t seq = 0;
    CLEANUP(freep) char *note = audit ? audit_export_take_note(audit, &seq) : NULL;
    if (!note || !options->notify_command || !options->notify_checkpoints)
        return;
    json_t *document =
        json_pack("{s:s, s:I, s:s}", "event", "checkpoint", "line", (json_int_t)seq, "note", note);
    char *text = document ? json_to_text(document, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    json_decref(document);
    if (text)
        command_run(books_commands(b), options->notify_command, text, strlen(text),
                    "notify command", NULL, NULL, NULL);
    else
        log_error("Out of memory: nobody is told of the audit's checkpoint");
}

/* An alarm that comes and goes is told once in alarm_after, and its end once for each time. What
 * was not told for that reason is told when it still stands then. A time that lies ahead was
 * noted before the clock was set back: it delays nothing. An end is noted also while nobody is to
 * be told, so that the next time is told. */
static int tell(struct books *b, struct alarm_telling *t, uint64_t *ret_later_usec, struct error *e)
{
    const struct alarm *a = &t->alarm;
    uint64_t told = 0, now = clock_steady_usec(), after = books_options(b)->sync->alarm_after_usec;
    bool standing = false;
    bool tells = books_options(b)->sync->notify_command;
    if (!tells && t->stands)
        return 0;
    int r = alarm_told(books_state(b), a->cause, &told, &standing, e);
    if (r < 0 || standing == t->stands)
        return r;
    if (t->stands && told && told <= now && now < told + after) {
        *ret_later_usec = told + after;
        return 0;
    }
    t->is_noted = true;
    t->told_usec = t->stands ? now : told;
    if (tells)
        run_notify(b, t->stands ? "alarm" : "alarm-over", a);
    return 0;
}

static int put_on_record(struct books *b, const struct alarm_telling *t, struct error *e)
{
    struct audit_row row = {.event = t->stands ? "alarm" : "alarm-over",
                            .code = t->alarm.code,
                            .sentence = t->alarm.sentence};
    return books_audit(b, &row, e);
}

static int note_told(struct books *b, const struct alarm_telling *t, struct error *e)
{
    return t->is_noted ? alarm_note_told(books_state(b), t->alarm.cause, t->told_usec, t->stands, e)
                       : 0;
}

/* It is told at once, whether or not it can be stored: what the commit does not take is remembered
 * until another engine stores it. */
static void remember(struct books *b, const struct alarm_telling *t)
{
    if (alarm_remember(books_state(b), t) < 0)
        log_error("Out of memory: the alarm %s may be told once more", t->alarm.cause);
}

static void notify(struct books *b, bool stands, const struct alarm *a)
{
    struct error e = {0};
    uint64_t later_usec = 0;
    struct alarm_telling t = {.alarm = *a, .stands = stands};
    log_notice("%s %s: %s", stands ? "Alarm" : "Over", a->cause, a->sentence);
    int r = tell(b, &t, &later_usec, &e);
    remember(b, &t);
    if (r == 0)
        r = put_on_record(b, &t, &e);
    if (r == 0)
        r = note_told(b, &t, &e);
    if (r < 0)
        books_failed(b, &e);
    books_alarms_at(b, later_usec);
}

static int store_one(struct books *b, const struct alarm_telling *t, struct error *e)
{
    const struct alarm *a = &t->alarm;
    CLEANUP(alarm_done) struct alarm cleared = {0};
    bool is_new = false;
    int r = 0;
    if (!t->is_late && t->stands)
        r = alarm_raise(books_state(b), a->cause, a->code, a->sentence, a->since_usec, &is_new, e);
    if (!t->is_late && t->stands && r == 0)
        r = alarm_notified(books_state(b), a->cause, clock_steady_usec(), e);
    if (!t->stands)
        r = alarm_clear(books_state(b), a->cause, &cleared, e);
    if (r >= 0 && !t->is_late)
        r = put_on_record(b, t, e);
    return r < 0 ? r : note_told(b, t, e);
}

int alarm_store_told(struct books *b, struct error *e)
{
    size_t n;
    const struct alarm_telling *told = alarm_remembered(books_state(b), &n);
    int r = 0;
    for (size_t i = 0; i < n && r == 0; i++)
        r = store_one(b, &told[i], e);
    return r;
}

/* alarm_check() looks again when this one is old enough. */
static void look_soon(struct books *b)
{
    books_alarms_at(b, clock_steady_usec() + books_options(b)->sync->alarm_after_usec);
}

void alarm_set(struct books *b, const char *cause, const char *code, const char *sentence)
{
    struct error e = {0};
    bool is_new = false;
    if (books_options(b)->plan_only || books_have_failed(b))
        return;
    uint64_t now = clock_steady_usec();
    int r = alarm_raise(books_state(b), cause, code, sentence, now, &is_new, &e);
    if (r == 0 && is_new && is_immediate(code)) {
        struct alarm a = {.cause = (char *)cause,
                          .code = (char *)code,
                          .sentence = (char *)sentence,
                          .since_usec = now};
        notify(b, true, &a);
        r = alarm_notified(books_state(b), cause, now, &e);
    }
    if (r < 0)
        books_failed(b, &e);
    else if (is_new)
        look_soon(b);
}

void alarm_over(struct books *b, const char *cause)
{
    struct error e = {0};
    struct alarm a = {0};
    if (books_options(b)->plan_only || books_have_failed(b))
        return;
    int r = alarm_clear(books_state(b), cause, &a, &e);
    if (r == 0 && a.notified_usec)
        notify(b, false, &a);
    alarm_done(&a);
    if (r < 0)
        books_failed(b, &e);
}

struct others {
    const char *prefix;
    const struct string_list *standing;
    struct string_list over;
};

static int collect_over(const struct alarm *a, void *userdata)
{
    struct others *o = userdata;
    if (strncmp(a->cause, o->prefix, strlen(o->prefix)) != 0 ||
        string_list_contains(o->standing, a->cause))
        return 0;
    return string_list_add(&o->over, a->cause);
}

int alarm_over_but(struct books *b, const char *prefix, const struct string_list *standing,
                   struct error *e)
{
    struct others others = {.prefix = prefix, .standing = standing};
    int r = alarm_each(books_state(b), collect_over, &others, e);
    for (size_t i = 0; i < others.over.n_items && r == 0; i++)
        alarm_over(b, others.over.items[i]);
    string_list_done(&others.over);
    return r;
}

struct hold_look {
    struct books *b;
    bool adoption_open;
    struct string_list causes; /* that are held now, or due for notification */
    struct string_list told;   /* that have an alarm */
    uint64_t next_usec;        /* when something becomes old enough; 0: nothing will */
    size_t n;                  /* that were looked at */
};

static void old_enough_at(struct hold_look *l, uint64_t usec)
{
    if (!l->next_usec || usec < l->next_usec)
        l->next_usec = usec;
}

static int look_at_hold(const char *cause, const char *reason, const char *sentence,
                        enum operation_state state, uint64_t since_usec, uint64_t next_usec,
                        size_t n_people, void *userdata)
{
    (void)next_usec;
    struct hold_look *l = userdata;
    l->n += n_people;
    uint64_t now = clock_steady_usec(),
             due = since_usec + books_options(l->b)->sync->alarm_after_usec;
    /* Other parked operations have alarms of their own, which do not wait, and so has an attribute
     * that vanished. */
    bool counts = (state == OPERATION_HELD && !text_equal(reason, REASON_ATTRIBUTE_VANISHED)) ||
                  (state == OPERATION_PARKED &&
                   (text_equal(reason, REASON_RELINK) || text_equal(reason, REASON_USER_GONE) ||
                    (text_equal(reason, REASON_ADOPTION) && !l->adoption_open)));
    if (!counts || !cause)
        return 0;
    char text[900], name[600];
    snprintf(name, sizeof(name), "hold:%s", cause);
    if (string_list_add_once(&l->causes, name) < 0)
        return -ENOMEM;
    /* Told when it was held; or by whoever found the cause itself, as that the tenant is away.
     */
    if (!strncmp(cause, "revoked:", 8) || string_list_contains(&l->told, cause))
        return 0;
    if (now < due) {
        old_enough_at(l, due);
        return 0;
    }
    snprintf(text, sizeof(text), "%zu held: %s", n_people, sentence ? sentence : reason);
    alarm_set(l->b, name, reason, text);
    return 0;
}

static int collect_told(const struct alarm *a, void *userdata)
{
    struct hold_look *l = userdata;
    return string_list_add(&l->told, a->cause);
}

static int collect_due(const struct alarm *a, void *userdata)
{
    struct hold_look *l = userdata;
    uint64_t due = a->since_usec + books_options(l->b)->sync->alarm_after_usec;
    bool is_hold = !strncmp(a->cause, "hold:", 5);
    if (a->notified_usec)
        return 0;
    /* For a hold, alarm_after has passed when the alarm is made. */
    if (!is_hold && due > clock_steady_usec()) {
        old_enough_at(l, due);
        return 0;
    }
    return string_list_add_once(&l->causes, a->cause);
}

struct notify_one {
    const char *cause;
    struct books *b;
};

static int notify_named(const struct alarm *a, void *userdata)
{
    struct notify_one *o = userdata;
    if (text_equal(a->cause, o->cause))
        notify(o->b, true, a);
    return 0;
}

static int notify_due(struct books *b, struct hold_look *due, struct error *e)
{
    int r = alarm_each(books_state(b), collect_due, due, e);
    for (size_t i = 0; i < due->causes.n_items && r == 0; i++) {
        struct notify_one one = {.cause = due->causes.items[i], .b = b};
        r = alarm_each(books_state(b), notify_named, &one, e);
        if (r == 0)
            r = alarm_notified(books_state(b), one.cause, clock_steady_usec(), e);
    }
    return r;
}

struct telling {
    struct books *b;
    struct error *e;
};

static int tell_late(const struct alarm *a, void *userdata)
{
    struct telling *t = userdata;
    uint64_t later_usec = 0;
    struct alarm_telling late = {.alarm = *a, .stands = true, .is_late = true};
    int r = a->notified_usec ? tell(t->b, &late, &later_usec, t->e) : 0;
    if (late.is_noted)
        remember(t->b, &late);
    if (r == 0)
        r = note_told(t->b, &late, t->e);
    books_alarms_at(t->b, later_usec);
    return r;
}

const char *alarm_paused_since(uint64_t paused_usec, char buffer[static CLOCK_TEXT_SIZE])
{
    if (paused_usec > 1)
        return clock_format(buffer, clock_wall_of(paused_usec));
    snprintf(buffer, CLOCK_TEXT_SIZE, "an unknown time");
    return buffer;
}

/* Somebody paused and forgot, and people wait. */
static int look_at_pause(struct books *b, const struct alarm_facts *facts, struct error *e)
{
    char since[CLOCK_TEXT_SIZE], sentence[256];
    size_t n_due = 0;
    uint64_t due = 0, next = 0, now = clock_steady_usec();
    int r = facts->paused ? queue_count_due(books_state(b), now, &n_due, &due, e) : 0;
    if (r == 0 && facts->paused && !n_due)
        r = queue_next_time(books_state(b), now, &next, e);
    if (r < 0)
        return r;
    books_alarms_at(b, next);
    if (!n_due) {
        alarm_over(b, REASON_PAUSED);
        return 0;
    }
    uint64_t waited = now > due ? now - due : 0,
             paused = now > facts->paused_usec ? now - facts->paused_usec : 0;
    waited = waited < paused ? waited : paused;
    if (waited < books_options(b)->sync->alarm_after_usec) {
        books_alarms_at(b, now + books_options(b)->sync->alarm_after_usec - waited);
        return 0;
    }
    snprintf(sentence, sizeof(sentence),
             "writing to the tenant is paused since %s and %zu operation%s: `rosterctl "
             "resume`",
             alarm_paused_since(facts->paused_usec, since), n_due,
             n_due == 1 ? " waits" : "s wait");
    alarm_set(b, REASON_PAUSED, REASON_PAUSED, sentence);
    return 0;
}

/* Steps that a person would see on a watch; smaller ones are waited for in silence. */
#define STEP_TOLD_USEC (60 * (int64_t)USEC_PER_SEC)

static void look_at_clock(struct books *b)
{
    int64_t step = steady_doubt_usec(books_steady(b)), wide = step < 0 ? -step : step;
    char sentence[300];
    if (wide < STEP_TOLD_USEC) {
        alarm_over(b, REASON_CLOCK);
        return;
    }
    snprintf(
        sentence, sizeof(sentence),
        "the clock of this machine was set %s by %lld min: ends of accounts follow it when as much "
        "time has passed, or the clock is synchronised",
        step < 0 ? "back" : "forward", (long long)(wide / STEP_TOLD_USEC));
    alarm_set(b, REASON_CLOCK, REASON_CLOCK, sentence);
}

/* A look at all that waits takes some microseconds for each, and every outcome asks for one: so
 * that thousands that wait do not make each hire slow, a long one has a rest after it. */
static uint64_t rest_usec(size_t n_waiting)
{
    uint64_t rest = (uint64_t)n_waiting * 333;
    return n_waiting < 100 ? 0 : rest < 5 * USEC_PER_SEC ? rest : 5 * USEC_PER_SEC;
}

void alarm_check(struct books *b, const struct alarm_facts *facts)
{
    struct error e = {0};
    struct hold_look held = {.b = b, .adoption_open = facts->adoption_open}, due = {.b = b};
    books_take(b, WORK_ALARMS);
    books_forget_alarms_due(b);
    if (books_audit_error(b))
        alarm_set(b, REASON_AUDIT_FAILED, REASON_AUDIT_FAILED, books_audit_error(b));
    else
        alarm_over(b, REASON_AUDIT_FAILED);
    look_at_clock(b);
    int r = alarm_each(books_state(b), collect_told, &held, &e);
    if (r == 0)
        r = queue_holds(books_state(b), false, look_at_hold, &held, &e);
    if (r == 0 && facts->settled)
        r = alarm_over_but(b, "hold:", &held.causes, &e);
    if (r == 0)
        r = look_at_pause(b, facts, &e);
    if (r == 0)
        r = notify_due(b, &due, &e);
    struct telling telling = {.b = b, .e = &e};
    if (r == 0)
        r = alarm_each(books_state(b), tell_late, &telling, &e);
    books_alarms_rest_until(b, clock_steady_usec() + rest_usec(held.n));
    books_alarms_at(b, held.next_usec);
    books_alarms_at(b, due.next_usec);
    books_note(b, WORK_COMMIT);
    string_list_done(&held.causes);
    string_list_done(&held.told);
    string_list_done(&due.causes);
    if (r < 0)
        books_failed(b, &e);
}
