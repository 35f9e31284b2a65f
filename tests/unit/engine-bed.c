/*
 * The bed of the engine's tests. The clocks are frozen; the loop's own timers never fire, since
 * they are armed against the frozen clock, which lies far in the future of the real one. What
 * becomes due is fired by bed_advance(), and only if the engine had armed its timer for it.
 */
#include "config.h"

#include "engine-bed.h"

#include <jansson.h>
#include <signal.h>
#include <unistd.h>

#include "audit/view.h"
#include "base/random.h"
#include "bed-order.h"
#include "model/dn.h"
#include "state/db.h"
#include "state/person.h"
#include "state/queue.h"
#include "state/steady.h"
#include "state/trail.h"
#include "sync/engine-internal.h"
#include "trace.h"
#include "unit.h"

#define START_USEC     1800000000000000ULL /* 2027-01-15 */
#define MONOTONIC_USEC 4000000000000000ULL
#define MOST_EVENTS    2000000

char bed_audit_hash[DIGEST_TEXT_SIZE];

static void set_clock(struct bed *b)
{
    clock_freeze(b->now, b->monotonic);
}

static struct mapping_text text_of(unsigned line, const char *text)
{
    return (struct mapping_text){
        .text = (char *)text, .file = (char *)"test.conf", .line = line};
}

static void default_mapping(struct bed *b)
{
    b->rules[0] = (struct mapping_rule){
        .name = (char *)"Support",
        .file = (char *)"test.conf",
        .line = 10,
        .group = text_of(11, "cn=support,ou=groups,dc=example,dc=com"),
        .team = text_of(12, "Support"),
        .roles = text_of(13, "Agent"),
        .skills = text_of(14, "English:100"),
    };
    b->rules[1] = (struct mapping_rule){
        .name = (char *)"Sales",
        .file = (char *)"test.conf",
        .line = 20,
        .group = text_of(21, "cn=sales,ou=groups,dc=example,dc=com"),
        .team = text_of(22, "Sales"),
        .roles = text_of(23, "Agent, Seller"),
        .skills = text_of(24, "English:50"),
    };
    b->rules[2] = (struct mapping_rule){
        .name = (char *)"Spanish",
        .file = (char *)"test.conf",
        .line = 30,
        .when = text_of(31, "(preferredLanguage=es*)"),
        .skills = text_of(32, "Spanish:100"),
    };
    b->mapping = (struct mapping_options){
        .fields = {[USER_LOGIN] = text_of(40, "${uid}"),
                   [USER_FIRST_NAME] = text_of(41, "${givenName}"),
                   [USER_LAST_NAME] = text_of(42, "${sn}"),
                   [USER_EMAIL] = text_of(43, "${mail}"),
                   [USER_WORK_PHONE] = text_of(44, "${telephoneNumber}")},
        .disabled_when = text_of(45, "(employeeType=Terminated)"),
        .rules = b->rules,
        .n_rules = 3,
    };
}

static void default_sync(struct bed *b)
{
    b->sync = (struct sync_options){
        .logged_in_wait_usec = 8 * HOUR,
        .budget_window_usec = DAY,
        .approval_valid_usec = HOUR,
        .attribute_vanish_percent = 20,
        .alarm_after_usec = 10 * MINUTE,
        .retry_min_usec = USEC_PER_SEC,
        .retry_max_usec = 5 * MINUTE,
        .hold_retry_usec = 15 * MINUTE,
    };
    for (int k = 1; k < BUDGET_N_KINDS; k++)
        b->sync.budgets[k].unlimited = true;
    b->sync.budgets[BUDGET_DISABLE] = (struct budget){.percent = 5, .floor = 5};
    b->sync.budgets[BUDGET_DELETE] = (struct budget){.percent = 5, .floor = 5};
}

static void on_request(enum fake_kind kind, const char *login, const char *id, void *userdata)
{
    struct bed *b = userdata;
    if (b->order)
        order_request(b->order, kind, login, id);
}

/* As the daemon does: else no child can be watched. */
static void block_children(void)
{
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    assert_int_equal(sigprocmask(SIG_BLOCK, &child, NULL), 0);
}

struct bed *bed_new(bool private_state)
{
    block_children();
    trace_line("a bed");
    struct bed *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->now = START_USEC;
    b->monotonic = MONOTONIC_USEC;
    b->private_state = private_state;
    set_clock(b);
    bed_prepare_state();
    random_seed(START_USEC);
    assert_true(sd_event_new(&b->event) >= 0);
    if (!private_state)
        bed_make_folder(b->folder, b->path);
    bed_open_state(b);
    b->tenant = fake_tenant_new(b->event);
    b->tenant->on_request = on_request;
    b->tenant->request_data = b;
    assert_int_equal(string_list_add(&b->tenant->teams, "Support"), 0);
    assert_int_equal(string_list_add(&b->tenant->teams, "Sales"), 0);
    default_mapping(b);
    default_sync(b);
    b->options = (struct engine_options){
        .sync = &b->sync,
        .mapping = &b->mapping,
        .fingerprint = "test",
        .decisions = "test",
        .tenant_ops = &fake_tenant_ops,
        .tenant = b->tenant,
        .max_concurrent = 8,
    };
    bed_group(b, "support", NULL);
    bed_group(b, "sales", NULL);
    return b;
}

struct bed *bed_free(struct bed *b)
{
    struct trail_head head = {0};
    struct error e = {0};
    engine_free(b->engine);
    (void)trail_head(b->state, &head, &e); /* none where a test broke the state */
    memcpy(bed_audit_hash, head.hash, sizeof(bed_audit_hash));
    fake_tenant_free(b->tenant);
    bed_close_state(b);
    for (size_t i = 0; i < b->n_directory; i++)
        entry_free(b->directory[i]);
    free(b->directory);
    string_list_done(&b->seen);
    sd_event_unref(b->event);
    if (b->folder[0])
        bed_remove_folder(b->folder);
    free(b);
    clock_freeze(0, 0);
    random_seed(0);
    return NULL;
}

static void on_idle(void *userdata)
{
    struct bed *b = userdata;
    b->n_idle++;
}

static int try_start(struct bed *b, struct error *e)
{
    int r = engine_new(&b->engine, b->event, b->state, NULL, &b->options, e);
    if (r < 0)
        return r;
    engine_on_idle(b->engine, on_idle, b);
    return engine_start(b->engine, e);
}

void bed_start(struct bed *b)
{
    struct error e = {0};
    int r = try_start(b, &e);
    while (r < 0 && b->dies && b->dies(b->dies_data)) {
        if (state_in_transaction(b->state))
            state_rollback(b->state);
        b->engine = engine_free(b->engine);
        r = try_start(b, &e);
    }
    bed_ok(b, r);
}

/* -- the loop and the clocks -- */

/* When the engine's timer is armed for, on the monotonic clock; 0: it is not. */
static uint64_t armed_for(struct bed *b)
{
    uint64_t at = 0;
    int enabled = SD_EVENT_OFF;
    sd_event_source *timer = b->engine->timer;
    if (!timer || sd_event_source_get_enabled(timer, &enabled) < 0 || enabled == SD_EVENT_OFF)
        return 0;
    assert_true(sd_event_source_get_time(timer, &at) >= 0);
    return at;
}

static void pass(struct bed *b, uint64_t until)
{
    if (until > b->monotonic) {
        b->now += until - b->monotonic;
        b->monotonic = until;
        set_clock(b);
    }
    assert_true(sd_event_source_set_time(b->engine->timer, 1) >= 0);
}

void bed_run(struct bed *b)
{
    b->n_events = 0;
    for (;;) {
        bed_crash_if_due(b);
        int r = sd_event_run(b->event, 0);
        assert_true(r >= 0);
        if (b->order)
            order_look(b->order);
        /* Outcomes wait a few milliseconds for others: that much time passes here. */
        uint64_t at = r == 0 && b->engine && books_outcome_since_usec(b->engine->books)
                          ? armed_for(b)
                          : 0;
        if (at)
            pass(b, at);
        else if (r == 0)
            return;
        if (++b->n_events > MOST_EVENTS)
            fail_msg("the loop does not come to rest");
    }
}

/* When the engine has something to do, which it wakes for at `at` or after it; 0: it has not. */
static uint64_t when_due(const struct bed *b, uint64_t at)
{
    uint64_t steady = clock_steady_usec(), due = b->engine->due_usec;
    if (!due)
        return 0;
    return due > steady + (at - b->monotonic) ? b->monotonic + (due - steady) : at;
}

void bed_advance(struct bed *b, uint64_t usec)
{
    uint64_t end = b->monotonic + usec;
    bed_run(b);
    for (size_t i = 0;; i++) {
        uint64_t at = armed_for(b);
        /* The engine wakes every minute of a long wait to look whether the wall clock was set,
         * which one look shows. */
        if (at && i > 0 && !steady_is_open(books_steady(b->engine->books)))
            at = when_due(b, at);
        if (!at || at > end)
            break;
        if (i > 200000)
            fail_msg("the timer is armed again and again");
        pass(b, at);
        bed_run(b);
    }
    b->now += end - b->monotonic;
    b->monotonic = end;
    set_clock(b);
    bed_run(b);
}

void bed_set_clock(struct bed *b, uint64_t now_usec)
{
    b->now = now_usec;
    set_clock(b);
}

void bed_sync(struct bed *b)
{
    bed_read_all(b);
    bed_run(b);
    bed_check_ledgers(b);
}

void bed_wait(struct bed *b, bool (*over)(void *userdata), void *userdata)
{
    for (int i = 0; i < 1000; i++) {
        if (over(userdata))
            return;
        assert_true(sd_event_run(b->event, 20 * USEC_PER_MSEC) >= 0);
    }
    fail_msg("waited for 20 seconds in vain");
}

void bed_crash(struct bed *b)
{
    if (state_in_transaction(b->state))
        state_rollback(b->state);
    b->engine = engine_free(b->engine);
    if (!b->private_state && !b->stays_open) {
        bed_close_state(b);
        bed_open_state(b);
    }
    bed_start(b);
}

bool bed_crash_if_due(struct bed *b)
{
    if (!b->dies || !b->dies(b->dies_data))
        return false;
    bed_crash(b);
    bed_read_all(b); /* as every start reads */
    return true;
}

void bed_restart(struct bed *b)
{
    b->engine = engine_free(b->engine);
    if (!b->private_state && !b->stays_open) {
        bed_close_state(b);
        bed_open_state(b);
    }
    bed_start(b);
}

size_t bed_approve(struct bed *b)
{
    struct error e = {0};
    char hash[65];
    size_t n_parked = 0, n = 0;
    bed_plan_hash(b, hash, &n_parked);
    int r = bed_approve_hash(b, hash, &n, &e);
    if (r == ENGINE_NOTHING)
        return 0;
    bed_ok(b, r);
    assert_int_equal(n, n_parked);
    bed_run(b);
    return n;
}

/* -- what can be looked at -- */

struct each_audit {
    struct audit_view *view;
    void (*fn)(const json_t *row, void *userdata);
    void *userdata;
};

static int one_line(int64_t seq, const char *line, void *userdata)
{
    (void)seq;
    struct each_audit *each = userdata;
    json_t *row = audit_view_read(each->view, line, strlen(line));
    assert_non_null(row);
    each->fn(row, each->userdata);
    json_decref(row);
    return 0;
}

void bed_each_audit(struct bed *b, void (*fn)(const json_t *row, void *userdata),
                    void *userdata)
{
    struct error e = {0};
    struct each_audit each = {audit_view_new(), fn, userdata};
    assert_non_null(each.view);
    bed_ok(b, trail_each(b->state, 0, one_line, &each, &e));
    audit_view_free(each.view);
}

struct audit_look {
    const char *event, *code, *login;
    size_t n;
};

static bool is_text(const json_t *row, const char *key, const char *text)
{
    const char *value = json_string_value(json_object_get(row, key));
    return !text || (value && !strcmp(value, text));
}

static void look_at_row(const json_t *row, void *userdata)
{
    struct audit_look *l = userdata;
    if (is_text(row, "event", l->event) && is_text(row, "code", l->code) &&
        is_text(json_object_get(row, "person"), "login", l->login))
        l->n++;
}

size_t bed_audit(struct bed *b, const char *event, const char *code, const char *login)
{
    struct audit_look l = {.event = event, .code = code, .login = login};
    bed_each_audit(b, look_at_row, &l);
    return l.n;
}

static json_int_t sum_of(const json_t *value)
{
    const char *key;
    json_t *part;
    json_int_t sum = json_integer_value(value);
    json_object_foreach((json_t *)(uintptr_t)value, key, part) sum += json_integer_value(part);
    return sum;
}

static void check_ledger(const json_t *row, void *userdata)
{
    (void)userdata;
    if (!is_text(row, "event", "run-end"))
        return;
    const char *key;
    json_t *value, *totals = json_object_get(row, "details");
    json_int_t seen = json_integer_value(json_object_get(totals, "seen")), sum = 0;
    CLEANUP(freep) char *text = json_dumps(totals, JSON_COMPACT | JSON_SORT_KEYS);
    assert_non_null(totals);
    json_object_foreach(totals, key, value)
    {
        static const char *const names[] = {"created", "adopted", "updated", "unchanged",
                                            "leaving", "skipped", "held",    "failed"};
        bool known = !strcmp(key, "seen");
        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
            known = known || !strcmp(key, names[i]);
        if (!known)
            fail_msg("the ledger has \"%s\": %s", key, text);
        if (strcmp(key, "seen") != 0)
            sum += sum_of(value);
    }
    if (seen != sum)
        fail_msg("the ledger does not add up: %s", text);
}

/* The ledger a second way: everybody, and every operation for each, row by row. */
static size_t bucket_by_hand(sqlite3 *db, const char *id, int standing, int done)
{
    sqlite3_stmt *q = NULL;
    size_t n_under_way = 0, n_ready = 0, n_unclear = 0, n_waiting = 0;
    uint64_t now = clock_now_usec();
    static const char sql[] = "SELECT entry_id, state, not_before_usec, revokes, "
                              "reason IS 'outcome-unclear' FROM operations";
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &q, NULL), SQLITE_OK);
    while (sqlite3_step(q) == SQLITE_ROW) {
        if (strcmp((const char *)sqlite3_column_text(q, 0), id) != 0)
            continue;
        int state = sqlite3_column_int(q, 1);
        bool ready = state == OPERATION_READY && (uint64_t)sqlite3_column_int64(q, 2) <= now;
        n_under_way += state == OPERATION_STARTED || (ready && sqlite3_column_int(q, 3));
        n_ready += ready;
        n_unclear += state == OPERATION_HELD && sqlite3_column_int(q, 4);
        n_waiting += state == OPERATION_HELD || state == OPERATION_PARKED;
    }
    sqlite3_finalize(q);
    bool due = n_under_way || (n_ready && !n_unclear);
    if (standing == BUCKET_LEAVING || due || n_waiting)
        return standing == BUCKET_LEAVING ? BUCKET_LEAVING : due ? BUCKET_PENDING : BUCKET_HELD;
    return (size_t)(standing == BUCKET_UNCHANGED && done ? done : standing);
}

static void count_bucket(enum person_bucket bucket, const char *code, size_t n, void *userdata)
{
    size_t *counts = userdata;
    (void)code;
    counts[bucket] += n;
}

/* The query of the program gives what the whole tables say, for every run that people have. */
static void check_ledger_by_hand(struct bed *b)
{
    struct error e = {0};
    sqlite3_stmt *q = NULL;
    size_t by_hand[64][BUCKET_N] = {0}, asked[BUCKET_N];
    static const char people[] = "SELECT entry_id, bucket, done, done_run, run FROM people";
    assert_int_equal(sqlite3_prepare_v2(b->state->db, people, -1, &q, NULL), SQLITE_OK);
    while (sqlite3_step(q) == SQLITE_ROW) {
        int64_t run = sqlite3_column_int64(q, 4);
        int done = sqlite3_column_int64(q, 3) == run ? sqlite3_column_int(q, 2) : 0;
        size_t bucket = bucket_by_hand(b->state->db, (const char *)sqlite3_column_text(q, 0),
                                       sqlite3_column_int(q, 1), done);
        assert_true(bucket < BUCKET_N);
        if (run < 64)
            by_hand[run][bucket]++;
    }
    sqlite3_finalize(q);
    for (int status = 1; status < LINK_N_STATUS; status++) {
        char sql[64];
        int64_t n = 0;
        snprintf(sql, sizeof sql, "SELECT count(*) FROM link WHERE status = %d", status);
        bed_ok(b, db_number(b->state->db, b->path, sql, &n, &e));
        assert_int_equal(link_count(b->state, (enum link_status)status), n);
    }
    for (size_t run = 0; run < 64; run++) {
        memset(asked, 0, sizeof asked);
        for (int64_t after = 0, more = 1; more; more = after)
            bed_ok(b, person_ledger(b->state, run, b->now, 7, &after, count_bucket, asked, &e));
        assert_memory_equal(asked, by_hand[run], sizeof asked);
    }
}

void bed_check_ledgers(struct bed *b)
{
    check_ledger_by_hand(b);
    bed_each_audit(b, check_ledger, NULL);
    bed_check_known(b);
}

size_t bed_ledger(struct bed *b, const char *bucket, const char *code)
{
    struct error e = {0};
    uint64_t run = 0, started = 0, ended = 0;
    CLEANUP(freep) char *text = NULL;
    CLEANUP(freep) char *trigger = NULL;
    int r = run_last(b->state, &run, &started, &ended, &trigger, &text, &e);
    if (r != 0)
        return 0;
    json_t *totals = json_loads(text, 0, NULL);
    const json_t *value = json_object_get(totals, bucket);
    size_t n =
        (size_t)(code ? json_integer_value(json_object_get(value, code)) : sum_of(value));
    json_decref(totals);
    return n;
}

struct queue_look {
    const char *reason;
    size_t n;
};

static int count_operation(const struct operation *o, void *userdata)
{
    struct queue_look *l = userdata;
    if (!l->reason || text_equal(o->reason, l->reason))
        l->n++;
    return 0;
}

size_t bed_queue(struct bed *b, int state, const char *reason)
{
    struct error e = {0};
    struct queue_look l = {.reason = reason};
    bed_ok(b, queue_each(b->state, (enum operation_state)state, count_operation, &l, &e));
    return l.n;
}
