/*
 * Alarms: at most one notification for a cause, and one when it is over, also across restarts.
 * A cause is what a person can do something about; many held people with one cause are one
 * alarm.
 */
#include "config.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "sync/internal.h"

/* These do not wait for alarm_after. */
static bool is_immediate(const char *code)
{
    static const char *const codes[] = {REASON_BUDGET, REASON_NOT_AUTHORISED, REASON_NO_SECRET,
                                        REASON_ATTRIBUTE_VANISHED, REASON_ADOPTION,
                                        REASON_STATE_RESTORED, REASON_OTHER_TENANT,
                                        REASON_LOCKOUT, REASON_PAUSED,
                                        REASON_AUDIT_FAILED};
    for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
        if (text_equal(code, codes[i]))
            return true;
    return false;
}

static void run_notify(struct engine *n, const char *event, const struct alarm *a)
{
    char since[CLOCK_TEXT_SIZE];
    json_t *document = json_pack("{s:s, s:s, s:s, s:s, s:s}", "event", event, "cause", a->cause,
                                 "code", a->code, "sentence", a->sentence, "since",
                                 clock_format(since, a->since_usec));
    char *text = document ? json_dumps(document, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    json_decref(document);
    if (text)
        command_run(n, n->options.sync->notify_command, text, strlen(text), "notify command", NULL,
                    NULL);
    else
        log_error("Out of memory: nobody is told of %s", a->cause);
}

void engine_tell(struct engine *n, bool stands, const char *code, const char *sentence,
                 uint64_t since_usec)
{
    struct alarm a = {.cause = (char *)code,
                      .code = (char *)code,
                      .sentence = (char *)sentence,
                      .since_usec = since_usec};
    log_notice("%s %s: %s", stands ? "Alarm" : "Over", code, sentence);
    if (n->options.sync->notify_command)
        run_notify(n, stands ? "alarm" : "alarm-over", &a);
}

/* An alarm that comes and goes is told once in alarm_after, and its end once for each time. What
 * was not told for that reason is told when it still stands then. A time that lies ahead was
 * noted before the clock was set back: it delays nothing. */
static int tell(struct engine *n, const struct alarm *a, bool stands, uint64_t *ret_later_usec,
                struct error *e)
{
    uint64_t told = 0, now = clock_now_usec(), after = n->options.sync->alarm_after_usec;
    bool standing = false;
    if (!n->options.sync->notify_command)
        return 0;
    int r = alarm_told(n->state, a->cause, &told, &standing, e);
    if (r < 0 || standing == stands)
        return r;
    if (stands && told && told <= now && now < told + after) {
        *ret_later_usec = told + after;
        return 0;
    }
    r = alarm_note_told(n->state, a->cause, stands ? now : told, stands, e);
    if (r == 0)
        run_notify(n, stands ? "alarm" : "alarm-over", a);
    return r;
}

static void look_at(struct engine *n, uint64_t usec)
{
    if (usec && (!n->alarm_check_usec || usec < n->alarm_check_usec))
        n->alarm_check_usec = usec;
}

static void notify(struct engine *n, bool stands, const struct alarm *a)
{
    struct error e = {0};
    uint64_t later_usec = 0;
    struct audit_row row = {.event = stands ? "alarm" : "alarm-over",
                            .code = a->code,
                            .sentence = a->sentence};
    int r = engine_audit(n, &row, &e);
    log_notice("%s %s: %s", stands ? "Alarm" : "Over", a->cause, a->sentence);
    if (r == 0)
        r = tell(n, a, stands, &later_usec, &e);
    if (r < 0)
        engine_state_failed(n, &e);
    look_at(n, later_usec);
}

/* alarm_check() looks again when this one is old enough. */
static void look_soon(struct engine *n)
{
    look_at(n, clock_now_usec() + n->options.sync->alarm_after_usec);
}

void alarm_set(struct engine *n, const char *cause, const char *code, const char *sentence)
{
    struct error e = {0};
    bool is_new = false;
    if (n->options.plan_only || n->state_failed)
        return;
    uint64_t now = clock_now_usec();
    int r = engine_write(n, &e);
    if (r == 0)
        r = alarm_raise(n->state, cause, code, sentence, now, &is_new, &e);
    if (r == 0 && is_new && is_immediate(code)) {
        struct alarm a = {.cause = (char *)cause,
                          .code = (char *)code,
                          .sentence = (char *)sentence,
                          .since_usec = now};
        notify(n, true, &a);
        r = alarm_notified(n->state, cause, now, &e);
    }
    if (r < 0)
        engine_state_failed(n, &e);
    else if (is_new)
        look_soon(n);
}

void alarm_over(struct engine *n, const char *cause)
{
    struct error e = {0};
    struct alarm a = {0};
    if (n->options.plan_only || n->state_failed)
        return;
    int r = engine_write(n, &e);
    if (r == 0)
        r = alarm_clear(n->state, cause, &a, &e);
    if (r == 0 && a.notified_usec)
        notify(n, false, &a);
    alarm_done(&a);
    if (r < 0)
        engine_state_failed(n, &e);
}

void alarm_directory(struct engine *n, bool away, const char *sentence)
{
    if (away)
        alarm_set(n, "directory", "directory-away",
                  sentence ? sentence : "the directory cannot be read");
    else
        alarm_over(n, "directory");
}

struct hold_look {
    struct engine *n;
    struct string_list causes; /* that are held now, or due for notification */
    uint64_t next_usec;        /* when something becomes old enough; 0: nothing will */
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
    uint64_t now = clock_now_usec(), due = since_usec + l->n->options.sync->alarm_after_usec;
    /* Other parked operations have alarms of their own, which do not wait. */
    bool counts = state == OPERATION_HELD ||
                  (state == OPERATION_PARKED &&
                   (text_equal(reason, REASON_RELINK) ||
                    (text_equal(reason, REASON_ADOPTION) && !l->n->adoption_open)));
    if (!counts || !cause)
        return 0;
    char text[900], name[600];
    snprintf(name, sizeof name, "hold:%s", cause);
    if (string_list_add(&l->causes, name) < 0)
        return -ENOMEM;
    if (now < due) {
        old_enough_at(l, due);
        return 0;
    }
    snprintf(text, sizeof text, "%zu held: %s", n_people, sentence ? sentence : reason);
    alarm_set(l->n, name, reason, text);
    return 0;
}

static int collect_due(const struct alarm *a, void *userdata)
{
    struct hold_look *l = userdata;
    uint64_t due = a->since_usec + l->n->options.sync->alarm_after_usec;
    bool is_hold = !strncmp(a->cause, "hold:", 5);
    if (a->notified_usec)
        return 0;
    /* For a hold, alarm_after has passed when the alarm is made. */
    if (!is_hold && due > clock_now_usec()) {
        old_enough_at(l, due);
        return 0;
    }
    return string_list_add(&l->causes, a->cause);
}

static int collect_over(const struct alarm *a, void *userdata)
{
    struct string_list **lists = userdata;
    if (strncmp(a->cause, "hold:", 5) != 0 || string_list_contains(lists[0], a->cause))
        return 0;
    return string_list_add(lists[1], a->cause);
}

struct notify_one {
    const char *cause;
    struct engine *n;
};

static int notify_named(const struct alarm *a, void *userdata)
{
    struct notify_one *o = userdata;
    if (text_equal(a->cause, o->cause))
        notify(o->n, true, a);
    return 0;
}

static int notify_due(struct engine *n, struct hold_look *due, struct error *e)
{
    int r = alarm_each(n->state, collect_due, due, e);
    for (size_t i = 0; i < due->causes.n_items && r == 0; i++) {
        struct notify_one one = {.cause = due->causes.items[i], .n = n};
        r = alarm_each(n->state, notify_named, &one, e);
        if (r == 0)
            r = alarm_notified(n->state, one.cause, clock_now_usec(), e);
    }
    return r;
}

struct telling {
    struct engine *n;
    struct error *e;
};

static int tell_late(const struct alarm *a, void *userdata)
{
    struct telling *t = userdata;
    uint64_t later_usec = 0;
    int r = a->notified_usec ? tell(t->n, a, true, &later_usec, t->e) : 0;
    look_at(t->n, later_usec);
    return r;
}

static int end_holds(struct engine *n, struct string_list *held, struct error *e)
{
    struct string_list over = {0};
    struct string_list *lists[2] = {held, &over};
    int r = alarm_each(n->state, collect_over, lists, e);
    for (size_t i = 0; i < over.n_items && r == 0; i++)
        alarm_over(n, over.items[i]);
    string_list_done(&over);
    return r;
}

const char *engine_paused_since(const struct engine *n, char buffer[static CLOCK_TEXT_SIZE])
{
    if (n->paused_usec > 1)
        return clock_format(buffer, n->paused_usec);
    snprintf(buffer, CLOCK_TEXT_SIZE, "an unknown time");
    return buffer;
}

/* Somebody paused and forgot, and people wait. */
static int look_at_pause(struct engine *n, struct error *e)
{
    char since[CLOCK_TEXT_SIZE], sentence[256];
    size_t n_due = 0;
    uint64_t due = 0, now = clock_now_usec(), steady = steady_now_usec(&n->steady);
    int r = n->paused ? queue_count_due(n->state, now, &n_due, &due, e) : 0;
    if (r < 0)
        return r;
    if (!n_due) {
        alarm_over(n, REASON_PAUSED);
        return 0;
    }
    uint64_t waited = steady > due ? steady - due : 0,
             paused = now > n->paused_usec ? now - n->paused_usec : 0;
    waited = waited < paused ? waited : paused;
    if (waited < n->options.sync->alarm_after_usec) {
        look_at(n, now + n->options.sync->alarm_after_usec - waited);
        return 0;
    }
    snprintf(sentence, sizeof sentence,
             "writing to the tenant is paused since %s and %zu operations wait: `rosterctl "
             "resume`",
             engine_paused_since(n, since), n_due);
    alarm_set(n, REASON_PAUSED, REASON_PAUSED, sentence);
    return 0;
}

void alarm_check(struct engine *n, bool settled)
{
    struct error e = {0};
    struct hold_look held = {.n = n}, due = {.n = n};
    n->alarms_stale = false;
    n->alarm_check_usec = 0;
    int r = engine_write(n, &e);
    if (r == 0)
        r = queue_holds(n->state, look_at_hold, &held, &e);
    if (r == 0 && settled)
        r = end_holds(n, &held.causes, &e);
    if (r == 0)
        r = look_at_pause(n, &e);
    if (r == 0)
        r = notify_due(n, &due, &e);
    struct telling telling = {.n = n, .e = &e};
    if (r == 0)
        r = alarm_each(n->state, tell_late, &telling, &e);
    look_at(n, held.next_usec);
    look_at(n, due.next_usec);
    n->commit_wanted = true;
    string_list_done(&held.causes);
    string_list_done(&due.causes);
    if (r < 0)
        engine_state_failed(n, &e);
}
