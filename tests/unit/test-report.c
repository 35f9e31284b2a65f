/* The daemon's answers over a state of hand-made rows, each against its sample in
 * tests/data/reports. ROSTERD_UPDATE=1 in the environment rewrites what is expected. */
#include "config.h"

#include <systemd/sd-event.h>

#include "base/clock.h"
#include "base/text.h"
#include "daemon/daemon.h"
#include "daemon/report.h"
#include "mapping-sample.h"
#include "mapping/ruleset.h"
#include "model/dn.h"
#include "model/operation.h"
#include "render/output.h"
#include "render/render.h"
#include "state-fixture.h"
#include "state/link.h"
#include "state/listing.h"
#include "state/mirror.h"
#include "state/person.h"
#include "state/queue.h"

#define T0      1795521600000000ULL /* 2026-11-24T12:00:00Z */
#define PEOPLE  ",ou=people,dc=example,dc=com"
#define SUPPORT "cn=cc-support,ou=groups,dc=example,dc=com"

struct bed {
    struct fixture *f;
    sd_event *event;
    struct engine *engine;
};

static const struct sync_options lifecycle = {
    .budgets = {[BUDGET_CREATE] = {.unlimited = true}, [BUDGET_DISABLE] = {.floor = 5}},
};

static void put_person(struct fixture *f, const char *uid, const char *const *pairs)
{
    char dn[100];
    unsigned changes;
    snprintf(dn, sizeof dn, "uid=%s" PEOPLE, uid);
    struct entry *entry = entry_new(uid, dn, ENTRY_PERSON);
    assert_non_null(entry);
    assert_int_equal(entry_add_value(entry, "objectClass", "inetOrgPerson", 13), 0);
    assert_int_equal(entry_add_value(entry, "uid", uid, strlen(uid)), 0);
    for (; pairs[0]; pairs += 2)
        assert_int_equal(entry_add_value(entry, pairs[0], pairs[1], strlen(pairs[1])), 0);
    entry->login_key = text_fold(uid, strlen(uid));
    entry_sort(entry);
    ok(f, mirror_put(f->s, 0, entry, &changes, &f->e));
    entry_free(entry);
}

static void put_group(struct fixture *f, const char *dn, const char *member)
{
    unsigned changes;
    CLEANUP(freep) char *key = NULL;
    struct entry *entry = entry_new("group-1", dn, ENTRY_GROUP);
    ok(f, dn_key(NULL, member, &key, &f->e));
    assert_int_equal(entry_add_member(entry, MEMBER_DN, key, member), 0);
    entry_sort(entry);
    ok(f, mirror_put(f->s, 0, entry, &changes, &f->e));
    entry_free(entry);
}

static void put_operation(struct fixture *f, struct operation *o)
{
    ok(f, queue_store(f->s, o, &f->e));
    operation_free(o);
}

static struct operation *make_operation(enum operation_kind kind, const char *uid)
{
    char dn[100];
    snprintf(dn, sizeof dn, "uid=%s" PEOPLE, uid);
    struct operation *o = operation_new(kind, uid, dn, uid);
    assert_non_null(o);
    o->why = strdup("because of a test");
    return o;
}

static struct operation *waits(struct operation *o, enum operation_state state,
                               const char *reason, const char *cause, const char *sentence)
{
    o->state = state;
    o->reason = strdup(reason);
    o->cause = strdup(cause);
    o->sentence = sentence ? strdup(sentence) : NULL;
    o->since_usec = T0;
    o->not_before_usec = state == OPERATION_HELD ? T0 + 60 * USEC_PER_SEC : 0;
    return o;
}

static void put_decision(struct fixture *f, const char *uid, enum verdict_kind verdict,
                         enum person_bucket bucket, const char *code, const char *sentence)
{
    char dn[100];
    snprintf(dn, sizeof dn, "uid=%s" PEOPLE, uid);
    struct person p = {.entry_id = WRITABLE(uid),
                       .dn = dn,
                       .verdict = verdict,
                       .code = WRITABLE(code),
                       .sentence = WRITABLE(sentence),
                       .standing = bucket,
                       .standing_code = WRITABLE(code)};
    ok(f, person_store(f->s, &p, &f->e));
}

static void put_anna(struct fixture *f)
{
    put_person(f, "anna",
               (const char *const[]){"givenName", "Anna", "sn", "Arends", "mail",
                                     "anna@example.com", "photo", "\x01\x02",
                                     "preferredLanguage", "es-AR", NULL});
    struct link l = {
        .entry_id = WRITABLE("anna"),
        .login = WRITABLE("anna"),
        .login_key = WRITABLE("anna"),
        .known = WRITABLE(
            "{\"login_id\":\"anna\",\"team\":\"Sales\",\"disabled\":false,\"roles\":[],\"skills\":{}}"),
        .granted = WRITABLE("{\"roles\":[],\"skills\":{}}"),
        .status = LINK_ACTIVE,
        .origin = WRITABLE("adopt"),
        .created_usec = T0,
        .confirmed_usec = T0 + 1,
    };
    ok(f, link_store(f->s, &l, &f->e));
    struct operation *o = make_operation(OPERATION_UPDATE, "anna");
    operation_add_change(
        o, "team", "Sales", "Customer Service",
        &(struct source){WRITABLE("Support agents"), WRITABLE("test.conf"), 12});
    operation_add_change(o, "role:Old", "Old", NULL, NULL);
    put_operation(f, o);
    put_decision(f, "anna", VERDICT_USER, BUCKET_PENDING, NULL, NULL);
}

static void put_rows(struct fixture *f)
{
    put_anna(f);
    put_group(f, SUPPORT, "uid=anna" PEOPLE);
    put_person(f, "bert", (const char *const[]){"sn", "Bo\xc3\xb6s", NULL});
    put_decision(f, "bert", VERDICT_SKIP, BUCKET_SKIPPED, SKIP_NO_TEAM, "no rule gives a team");
    for (int i = 0; i < 7; i++) {
        char uid[8];
        snprintf(uid, sizeof uid, "t%d", i);
        put_operation(f, waits(make_operation(OPERATION_CREATE, uid), OPERATION_HELD,
                               REASON_TEAM_MISSING, "team:Night", "there is no team Night"));
    }
    /* Two operations of one person are one person, and one example. */
    put_operation(f, waits(make_operation(OPERATION_UPDATE, "x"), OPERATION_HELD,
                           REASON_PART_NOT_OFFERED, "scim", NULL));
    put_operation(f, waits(make_operation(OPERATION_PROFILE, "x"), OPERATION_HELD,
                           REASON_PART_NOT_OFFERED, "scim", NULL));
    put_operation(f, waits(make_operation(OPERATION_DISABLE, "left"), OPERATION_PARKED,
                           REASON_BUDGET, "budget:disable", "too many"));
}

static void put_adoption(struct fixture *f)
{
    static const char *const listed[][3] = {{"eve", "eve", ""},
                                            {"Fred", "fred", ""},
                                            {"g.old", "g.old", "gina@example.com"},
                                            {"admin", "admin", ""}};
    ok(f, listing_replace_begin(f->s, &f->e));
    for (size_t i = 0; i < ARRAY_SIZE(listed); i++) {
        ok(f, listing_add(f->s, listed[i][0], listed[i][1], &f->e));
        ok(f, listing_set_looked(f->s, listed[i][1], listed[i][2], NULL, &f->e));
    }
    put_operation(f, waits(make_operation(OPERATION_ADOPT, "eve"), OPERATION_PARKED,
                           REASON_ADOPTION, REASON_ADOPTION, NULL));
    put_operation(f, waits(make_operation(OPERATION_ADOPT, "fred"), OPERATION_PARKED,
                           REASON_ADOPTION, REASON_ADOPTION, NULL));
    put_operation(f, waits(make_operation(OPERATION_CREATE, "gina"), OPERATION_HELD,
                           REASON_SAME_MAIL, "mail:Gina@example.com", NULL));
}

static struct bed open_bed(void **state, void (*fill)(struct fixture *f),
                           bool first_contact_is_over)
{
    struct bed b = {.f = *state};
    struct fixture *f = b.f;
    struct engine_options options = {
        .sync = &lifecycle,
        .mapping = &sample_options,
        .fingerprint = "test",
        .plan_only = true,
    };
    clock_freeze(T0, T0);
    begin(f);
    if (first_contact_is_over)
        ok(f, state_meta_set(f->s, "first-contact-done", "1", &f->e));
    fill(f);
    commit(f);
    assert_true(sd_event_new(&b.event) >= 0);
    ok(f, engine_new(&b.engine, b.event, f->s, NULL, &options, &f->e));
    return b;
}

static void close_bed(struct bed *b)
{
    engine_free(b->engine);
    sd_event_unref(b->event);
    clock_freeze(0, 0);
}

static void sample_path(char *path, size_t size, const char *name)
{
    const char *top = getenv("abs_top_srcdir");
    snprintf(path, size, "%s/tests/data/reports/%s", top ? top : ".", name);
}

static char *read_file(const char *path)
{
    FILE *in = fopen(path, "re");
    char *text = calloc(1, 65536);
    if (in && text) {
        size_t n = fread(text, 1, 65535, in);
        text[n] = '\0';
    }
    if (in)
        fclose(in);
    return text;
}

static void compare_text(const char *name, const char *text)
{
    char path[4096];
    sample_path(path, sizeof path, name);
    if (getenv("ROSTERD_UPDATE")) {
        FILE *out = fopen(path, "we");
        assert_non_null(out);
        fputs(text, out);
        fclose(out);
    }
    CLEANUP(freep) char *expected = read_file(path);
    assert_non_null(expected);
    assert_string_equal(text, expected);
}

/* Takes the answer. */
static void compare_json(struct fixture *f, const char *name, json_t *answer)
{
    if (!answer)
        fail_msg("%s: %s", name, f->e.message);
    CLEANUP(freep) char *text = json_dumps(answer, JSON_INDENT(1) | JSON_SORT_KEYS);
    json_decref(answer);
    assert_non_null(text);
    compare_text(name, text);
}

/* As rosterctl and --dry-run show it. Malloc'd. */
static char *plan_text(const json_t *plan, bool colour)
{
    CLEANUP(output_done) struct output o = {.colour = colour, .now_usec = T0 + 30 * USEC_PER_SEC};
    (void)render_plan(&o, plan, RENDER_PLAN_WHOLE);
    return buffer_take(&o.text);
}

static json_t *plan_of(struct bed *b)
{
    CLEANUP(engine_view_freep) struct engine_view *view = NULL;
    ok(b->f, engine_view_new(&view, b->engine, &b->f->e));
    return report_plan(view, b->f->s, &b->f->e);
}

/* What the control socket sends, which is never a tree as a whole. */
static char *text_of(struct bed *b)
{
    CLEANUP(engine_view_freep) struct engine_view *view = NULL;
    ok(b->f, engine_view_new(&view, b->engine, &b->f->e));
    json_auto_t *head = report_plan_head(view, b->f->s, &b->f->e);
    assert_non_null(head);
    char *text = report_plan_text(head, b->f->s, &b->f->e);
    assert_non_null(text);
    return text;
}

static json_t *holds_of(struct bed *b)
{
    CLEANUP(engine_view_freep) struct engine_view *view = NULL;
    ok(b->f, engine_view_new(&view, b->engine, &b->f->e));
    return report_holds(view, b->f->s, &b->f->e);
}

static void test_plan(void **state)
{
    struct bed b = open_bed(state, put_rows, true);
    json_t *plan = plan_of(&b);
    assert_non_null(plan);
    CLEANUP(freep) char *plain = plan_text(plan, false);
    CLEANUP(freep) char *coloured = plan_text(plan, true);
    compare_text("plan.txt", plain);
    compare_text("plan-colour.txt", coloured);
    assert_null(strchr(plain, '\033'));
    CLEANUP(freep) char *text = text_of(&b);
    CLEANUP(freep) char *same = json_dumps(plan, JSON_COMPACT);
    assert_string_equal(text, same);
    compare_json(b.f, "plan.json", plan);
    close_bed(&b);
}

#define MANY 3000
static size_t now_bytes, most_bytes; /* that jansson has */

static void *count_malloc(size_t size)
{
    size_t *block = malloc(size + 16);
    if (!block)
        return NULL;
    *block = size;
    now_bytes += size;
    most_bytes = now_bytes > most_bytes ? now_bytes : most_bytes;
    return (char *)block + 16;
}

static void count_free(void *bytes)
{
    size_t *block = bytes ? (size_t *)(void *)((char *)bytes - 16) : NULL;
    now_bytes -= block ? *block : 0;
    free(block);
}

static void put_many(struct fixture *f)
{
    for (int i = 0; i < MANY; i++) {
        char uid[16];
        snprintf(uid, sizeof(uid), "p%d", i);
        struct operation *o = make_operation(OPERATION_UPDATE, uid);
        for (int k = 0; k < 5; k++)
            operation_add_change(
                o, "team", "Sales", "Customer Service",
                &(struct source){WRITABLE("Support agents"), WRITABLE("test.conf"), 12});
        put_operation(f, o);
    }
}

/* Of thousands of operations one is a tree at a time. */
static void test_plan_of_thousands(void **state)
{
    struct bed b = open_bed(state, put_many, true);
    json_set_alloc_funcs(count_malloc, count_free);
    now_bytes = most_bytes = 0;
    char *text = text_of(&b);
    json_set_alloc_funcs(malloc, free);
    assert_true(strlen(text) > MANY * 500);
    assert_in_range(most_bytes, 1, 64 * 1024);
    json_auto_t *plan = json_loads(text, 0, NULL);
    assert_int_equal(json_array_size(json_object_get(plan, "operations")), MANY);
    free(text);
    json_auto_t *tree = plan_of(&b);
    assert_true(json_equal(plan, tree));
    close_bed(&b);
}

static void test_plan_adoption(void **state)
{
    struct bed b = open_bed(state, put_adoption, false);
    json_t *plan = plan_of(&b);
    assert_non_null(plan);
    CLEANUP(freep) char *plain = plan_text(plan, false);
    compare_text("adoption.txt", plain);
    compare_json(b.f, "adoption.json", plan);
    close_bed(&b);
}

static void put_nothing(struct fixture *f)
{
    (void)f;
}

static void test_empty(void **state)
{
    struct bed b = open_bed(state, put_nothing, true);
    json_t *plan = plan_of(&b);
    assert_non_null(plan);
    CLEANUP(freep) char *plain = plan_text(plan, false);
    assert_string_equal(plain, "Nothing to do\n");
    assert_true(json_is_null(json_object_get(plan, "adoption")));
    assert_int_equal(strlen(json_string_value(json_object_get(plan, "hash"))), 64);
    json_decref(plan);
    json_t *holds = holds_of(&b);
    assert_int_equal(json_array_size(json_object_get(holds, "holds")), 0);
    json_decref(holds);
    close_bed(&b);
}

static void test_hostile_text(void **state)
{
    (void)state;
    json_auto_t *plan = json_pack("{s:[{s:s, s:s, s:{s:s, s:s}, s:[], s:s}]}", "operations",
                                  "kind", "create", "state", "ready", "person", "login",
                                  "a\033[2Jb", "dn", "uid=a\nx", "changes", "why", "w\rhy");
    CLEANUP(freep) char *text = plan_text(plan, false);
    assert_null(strchr(text, '\033'));
    assert_null(strchr(text, '\r'));
    assert_non_null(strstr(text, "\\x1b"));
    /* Bytes that are no UTF-8 become visible instead of failing the answer. */
    json_auto_t *odd = report_text("a\xff");
    assert_string_equal(json_string_value(odd), "a\\xff");
}

static void test_holds(void **state)
{
    struct bed b = open_bed(state, put_rows, true);
    compare_json(b.f, "holds.json", holds_of(&b));
    close_bed(&b);
}

/* Paused, what is due waits for one thing, and what waits for its time is not part of that. */
static void put_paused(struct fixture *f)
{
    ok(f, state_meta_set(f->s, "paused", "1", &f->e));
    put_operation(f, make_operation(OPERATION_CREATE, "a"));
    put_operation(f, make_operation(OPERATION_CREATE, "b"));
    put_operation(f, make_operation(OPERATION_UPDATE, "b"));
    struct operation *later = make_operation(OPERATION_DISABLE, "c");
    later->not_before_usec = T0 + 1;
    put_operation(f, later);
}

static void test_holds_paused(void **state)
{
    struct bed b = open_bed(state, put_paused, true);
    size_t n = 0;
    compare_json(b.f, "holds-paused.json", holds_of(&b));
    ok(b.f, queue_count_waiting(b.f->s, T0, &n, &b.f->e));
    assert_int_equal(n, 1);
    ok(b.f, queue_count_waiting(b.f->s, T0 + 1, &n, &b.f->e));
    assert_int_equal(n, 0);
    close_bed(&b);
}

static void explain(struct bed *b, const char *person, const char *sample)
{
    bool found = false;
    json_t *answer = report_explain(b->engine, b->f->s, person, &found, &b->f->e);
    assert_true(found);
    compare_json(b->f, sample, answer);
}

static void test_explain(void **state)
{
    struct bed b = open_bed(state, put_rows, true);
    explain(&b, "anna", "explain.json");
    explain(&b, "UID=Anna, ou=people, dc=example, dc=com", "explain.json");
    explain(&b, "anna@EXAMPLE.com", "explain.json");
    explain(&b, "bert", "explain-skip.json");
    close_bed(&b);
}

static void test_explain_gone(void **state)
{
    struct bed b = open_bed(state, put_rows, true);
    /* The engine has a transaction open. */
    ok(b.f, mirror_gone(b.f->s, "anna", "deleted by the server", T0, &b.f->e));
    explain(&b, "anna", "explain-gone.json");
    close_bed(&b);
}

static void test_explain_nobody(void **state)
{
    struct bed b = open_bed(state, put_rows, true);
    static const struct {
        const char *person, *says;
    } rows[] = {
        {"who", "nobody is known"},
        {"", "nobody is known"},
        {"uid=zoe" PEOPLE, "nobody is known"},
        {SUPPORT, "is a group, not a person"},
        {"CN=CC-Support,OU=groups,DC=example,DC=com", "is a group, not a person"},
        {"group-1", "is a group, not a person"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        bool found = true;
        struct error e = {0};
        json_t *answer = report_explain(b.engine, b.f->s, rows[i].person, &found, &e);
        assert_row(rows[i].person, answer == NULL);
        assert_row(rows[i].person, !found);
        assert_row(rows[i].person, strstr(e.message, rows[i].says));
    }
    close_bed(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(test_plan),         test(test_plan_adoption), test(test_empty),
        test(test_plan_of_thousands),
        test(test_hostile_text), test(test_holds),         test(test_holds_paused),
        test(test_explain),      test(test_explain_gone),  test(test_explain_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
