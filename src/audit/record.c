/*
 * Writing an audit row: composed as the very line that the file will hold, chained to the line
 * before, and stored in the caller's transaction. If that is rolled back, row and chain are as
 * before.
 *
 * A line has two parts. In front stand plain facts, which stay for ever; in the last member, p,
 * everything that tells of a person: ids, names, values, sentences, the tenant's words. What an
 * intent said, its outcome does not say again: most outcomes tell of no person at all.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit.h"
#include "audit/checkpoint.h"
#include "audit/compose.h"
#include "audit/line.h"
#include "audit/recall.h"
#include "base/base64.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "model/json.h"
#include "model/operation.h"
#include "state/state.h"
#include "state/trail.h"

#define SALT_SIZE        16
#define FINGERPRINT_TEXT 12 /* as much of it as people are shown */

struct composer {
    const struct audit_row *row;
    struct audit_memory *memory; /* or NULL */
    bool refers;                 /* an outcome that adds to its intent */
    uint64_t intent_run;         /* whose run this is */
    struct buffer at, set;       /* compose_changes(), of its operation */
};

/* Sentences of these are our own words about no person. */
static bool is_impersonal(const char *event)
{
    static const char *const events[] = {"start",         "stop",        "run-begin", "run-end",
                                         "configuration", "erase-begin", "erased",    "erase-end",
                                         "retention",     "reconcile"};

    for (size_t i = 0; i < ARRAY_SIZE(events); i++)
        if (strcmp(event, events[i]) == 0)
            return true;
    return false;
}

static const char *id_of(const struct audit_row *row)
{
    return row->operation ? row->operation->entry_id : row->entry_id;
}

static const char *dn_of(const struct audit_row *row)
{
    return row->operation ? row->operation->dn : row->dn;
}

static const char *login_of(const struct audit_row *row)
{
    return row->operation ? row->operation->login : row->login;
}

static bool is_about_person(const struct audit_row *row)
{
    return id_of(row) || dn_of(row) || login_of(row);
}

static int content_of(struct composer *c, struct chain_hash *ret, struct error *e)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    const struct operation *o = c->row->operation;
    const char *fingerprint = c->row->fingerprint;

    line_add_number(&b, "kind", o->kind);
    line_add_text(&b, "cfg", fingerprint);
    line_add_text(&b, "id", o->entry_id);
    line_add_text(&b, "dn", o->dn);
    line_add_text(&b, "login", o->login);
    line_add_text(&b, "why", o->why);
    if (b.failed)
        return error_out_of_memory(e);
    const struct digest_part parts[] = {
        {c->at.data, c->at.size}, {b.data, b.size}, {c->set.data, c->set.size}};
    if (digest_raw(ret->bytes, parts, ARRAY_SIZE(parts)) < 0)
        return error_set(e, -EIO, "SHA-256 failed");
    return 0;
}

static uint64_t run_of(const struct audit_row *row)
{
    return row->run ? row->run : row->operation ? row->operation->run : 0;
}

static bool is(const struct audit_row *row, const char *event)
{
    return strcmp(row->event, event) == 0;
}

static int look_at_intent(struct composer *c, struct error *e)
{
    const struct operation *o = c->row->operation;
    struct open_intent here;
    uint64_t run = run_of(c->row);
    int r;

    if (c->memory && (is(c->row, "start") || is(c->row, "repair")))
        recall_forget_intents(c->memory);
    if (!c->memory || !o || !o->number || (!is(c->row, "intent") && !is(c->row, "outcome")))
        return 0;
    here = (struct open_intent){.number = o->number, .run = run};
    r = content_of(c, &here.content, e);
    if (r < 0)
        return r;
    if (is(c->row, "intent"))
        recall_intent(c->memory, &here);
    else /* what is left out would be read as the intent's */
        c->refers = recall_is_intent(c->memory, o->number, &here.content, &c->intent_run) &&
                    (run || !c->intent_run);
    return 0;
}

/* Of a user as it was met, too, values are left out that are left out of changes. */
static void hide_contacts(const struct composer *c, json_t *found)
{
    const char *name;
    json_t *value;

    if (!c->memory || !c->memory->hide_contacts)
        return;
    json_object_foreach (found, name, value) {
        if (json_is_string(value) && compose_is_contact(name))
            json_object_set_new(found, name, json_true());
    }
}

/* Parsed and written again, so that what reaches the line is one object on one line. */
static int add_details(struct composer *c, struct buffer *b, struct error *e)
{
    const char *details = c->row->details;

    json_error_t why;
    json_t *object = details ? json_loads(details, JSON_REJECT_DUPLICATES, &why) : NULL;
    CLEANUP(freep) char *text = NULL;

    if (!details)
        return 0;
    if (!json_is_object(object)) {
        json_decref(object);
        return error_set(e, -EINVAL, "the details of an audit row are not a JSON object");
    }
    hide_contacts(c, json_object_get(object, "found"));
    text = json_to_text(object, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(object);
    if (!text)
        return error_out_of_memory(e);
    buffer_add_text(b, ",\"d\":");
    buffer_add_text(b, text);
    return 0;
}

/* Of a new user the login stands among the values. */
static const char *login_to_say(const struct audit_row *row)
{
    const char *login = login_of(row);
    const struct operation *o = row->operation;

    for (size_t i = 0; login && o && o->kind == OPERATION_CREATE && i < o->n_changes; i++)
        if (strcmp(o->changes[i].field, "login_id") == 0 && o->changes[i].to &&
            strcmp(o->changes[i].to, login) == 0)
            return NULL;
    return login;
}

#define WHY_USUAL 300

/* What the place of a new user's team says already is not said again. */
static const char *why_of(const struct operation *o)
{
    char usual[WHY_USUAL], place[WHY_USUAL];

    if (!o || !o->why || o->kind != OPERATION_CREATE)
        return o ? o->why : NULL;
    for (size_t i = 0; i < o->n_changes; i++) {
        const struct change *c = &o->changes[i];
        int n;

        if (strcmp(c->field, "team") != 0 || !c->to || !c->source.rule || !c->source.file ||
            !c->source.line)
            continue;
        n = snprintf(usual, sizeof(usual), "%s gives team %s",
                     source_text(&c->source, place, sizeof(place)), c->to);
        if (n > 0 && n < WHY_USUAL && strcmp(o->why, usual) == 0)
            return NULL;
    }
    return o->why;
}

/* {"s":…}; nothing when there is nothing to say of anybody. */
static int compose_personal(struct composer *c, struct buffer *b, struct error *e)
{
    const struct audit_row *row = c->row;
    unsigned char salt[SALT_SIZE];
    char text[BASE64_SIZE(SALT_SIZE) + 1];
    bool about = is_about_person(row);
    const char *sentence = is_impersonal(row->event) ? NULL : row->sentence;

    if (!about && !sentence && !row->answer_text)
        return 0;
    if (c->refers && !sentence && !row->answer_text && !row->details)
        return 0; /* whose it is, the intent says */
    if (random_bytes(salt, sizeof(salt)) < 0)
        return error_set(e, -EIO, "the kernel returned no random bytes");
    base64_encode(text, salt, sizeof(salt), true);
    buffer_format(b, "{\"s\":\"%s\"", text);
    line_add_text(b, "id", id_of(row));
    if (!c->refers) {
        line_add_text(b, "dn", dn_of(row));
        line_add_text(b, "login", login_to_say(row));
        buffer_add(b, c->set.data, c->set.size);
        line_add_text(b, "why", why_of(row->operation));
    }
    line_add_text(b, "say", sentence);
    line_add_text(b, "text", row->answer_text);
    if (about && add_details(c, b, e) < 0)
        return -EINVAL;
    buffer_add_text(b, "}");
    return b->failed ? error_out_of_memory(e) : 0;
}

static bool is_plainly_done(const struct audit_row *row)
{
    return row->status && row->answer && strcmp(row->answer, "done") == 0 && row->code &&
           strcmp(row->code, "done") == 0;
}

/* What is as nearly always is left out. */
static void add_answer(struct buffer *b, const struct audit_row *row, bool refers)
{
    if (row->status)
        line_add_number(b, "st", row->status);
    if (!is_plainly_done(row))
        line_add_text(b, "ans", row->answer);
    if (row->attempts > 1 && !refers)
        line_add_number(b, "try", row->attempts);
    if (row->lag_usec)
        line_add_number(b, "lag", (int64_t)((row->lag_usec + USEC_PER_MSEC - 1) / USEC_PER_MSEC));
    /* Written as text, since a JSON real would not keep three digits exactly. */
    if (row->duration_usec)
        buffer_format(b, ",\"ms\":%llu.%03u",
                      (unsigned long long)(row->duration_usec / USEC_PER_MSEC),
                      (unsigned)(row->duration_usec % USEC_PER_MSEC));
}

static const char *person_of(const struct audit_actor *a)
{
    return a->login[0] ? a->login : a->known ? a->name : "";
}

void audit_actor_identity(const struct audit_actor *a, char ret[static AUDIT_IDENTITY_SIZE])
{
    if (a->name[0])
        snprintf(ret, AUDIT_IDENTITY_SIZE, "%s\n%s", person_of(a), a->name);
    else
        snprintf(ret, AUDIT_IDENTITY_SIZE, "%s\n%u", person_of(a), a->uid);
}

bool audit_identity_is_known(const char *identity)
{
    return strchr(identity, '\n') && identity[0] != '\n';
}

static bool is_text(const char *text, const char *other, size_t size)
{
    return size && strlen(text) == size && memcmp(text, other, size) == 0;
}

enum audit_likeness audit_actor_compare(const struct audit_actor *a, const char *identity)
{
    char mine[AUDIT_IDENTITY_SIZE];
    audit_actor_identity(a, mine);
    const char *person = person_of(a), *account = strchr(mine, '\n') + 1;
    const char *end = strchr(identity, '\n'), *their_account = end ? end + 1 : identity;
    size_t their_size = end ? (size_t)(end - identity) : 0;
    bool one_unknown = !person[0] || !their_size;

    if (is_text(person, identity, their_size) ||
        (one_unknown && strcmp(account, their_account) == 0) ||
        (!their_size && strcmp(person, their_account) == 0))
        return AUDIT_SAME;
    if (their_size && (!person[0] || strcmp(person, their_account) == 0 ||
                       is_text(account, identity, their_size)))
        return AUDIT_MAY_BE;
    return AUDIT_OTHER;
}

bool audit_identities_may_be_one(const char *identity, const char *other)
{
    size_t size = strcspn(identity, "\n"), other_size = strcspn(other, "\n");
    bool known = audit_identity_is_known(identity) && audit_identity_is_known(other);
    const char *account = identity + size + 1, *other_account = other + other_size + 1;

    return !known || (size == other_size && memcmp(identity, other, size) == 0) ||
           is_text(account, other, other_size) || is_text(other_account, identity, size);
}

static void add_actor(struct buffer *b, const struct audit_row *row)
{
    const struct audit_actor *a = row->actor;

    if (a) {
        buffer_format(b, ",\"who\":{\"uid\":%u", a->uid);
        line_add_text(b, "name", a->name[0] ? a->name : NULL);
        line_add_text(b, "login", a->login[0] ? a->login : NULL);
        line_add_text(b, "session", a->session[0] ? a->session : NULL);
        buffer_add_text(b, "}");
    }
    line_add_text(b, "plan", row->plan);
    line_add_text(b, "groups", row->groups);
    line_add_text(b, "reason", row->reason);
}

static int compose_facts(struct composer *c, struct buffer *b, struct error *e)
{
    const struct audit_row *row = c->row;
    const struct operation *o = row->operation;
    uint64_t run = run_of(row);
    char fingerprint[FINGERPRINT_TEXT + 1];

    if (run && !(c->refers && run == c->intent_run))
        line_add_number(b, "run", (int64_t)run);
    if (row->fingerprint && !c->refers) {
        snprintf(fingerprint, sizeof(fingerprint), "%s", row->fingerprint);
        line_add_text(b, "cfg", fingerprint);
    }
    line_add_text(b, "ev", row->event);
    if (o && o->number)
        line_add_number(b, "no", o->number);
    if (o && !c->refers) {
        line_add_text(b, "op", operation_kind_name(o->kind));
        buffer_add(b, c->at.data, c->at.size);
    }
    line_add_text(b, "code", row->code);
    add_answer(b, row, c->refers);
    add_actor(b, row);
    if (is_impersonal(row->event))
        line_add_text(b, "say", row->sentence);
    return is_about_person(row) ? 0 : add_details(c, b, e);
}

static void composer_done(struct composer *c)
{
    buffer_done(&c->at);
    buffer_done(&c->set);
}

static int compose(struct state *s, const struct audit_row *row, struct error *e)
{
    CLEANUP(buffer_done) struct buffer b = {0}, personal = {0};
    CLEANUP(composer_done)
    struct composer c = {.row = row, .memory = recall_of(s)};
    char now[CLOCK_TEXT_SIZE];
    struct compose_head head;
    int r = compose_head(s, &head, e);

    if (r == 0 && row->operation)
        r = compose_changes(row->operation, c.memory && c.memory->hide_contacts, &c.at, &c.set, e);
    if (r == 0)
        r = look_at_intent(&c, e);
    if (r < 0)
        return r;
    compose_begin(&b, head.seq + 1, clock_format(now, clock_now_usec()));
    r = compose_facts(&c, &b, e);
    if (r == 0)
        r = compose_personal(&c, &personal, e);
    if (r == 0)
        r = compose_end(s, &b, personal.size ? &personal : NULL, &head, e);
    if (r == 0 && c.memory && c.memory->to_journal)
        journal_note(&c.memory->journal, head.seq + 1, row);
    return r;
}

int audit_record(struct state *s, const struct audit_row *row, struct error *e)
{
    int r = state_write(s, e);

    assert(row->event);
    if (r == 0)
        r = compose(s, row, e);
    if (r == 0)
        r = checkpoint_if_due(s, row->event, e);
    return r < 0 ? error_wrap(e, r, "recording '%s' in the audit", row->event) : 0;
}
