/*
 * Operations as plain values: names of kinds, states and reasons, comparison for approvals, and
 * the changes as JSON for the queue and the audit. Whether an operation may run is the guard's
 * question, how it runs the executor's.
 */
#include "config.h"

#include "model/operation.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "model/json.h"

/* Numbers that are in state files. */
static_assert(OPERATION_CREATE == 1 && OPERATION_ADOPT == 2 && OPERATION_UPDATE == 3 &&
                  OPERATION_PROFILE == 4 && OPERATION_RENAME == 5 && OPERATION_DISABLE == 6 &&
                  OPERATION_ENABLE == 7 && OPERATION_DELETE == 8,
              "operation kinds are stored");
static_assert(OPERATION_READY == 1 && OPERATION_PARKED == 2 && OPERATION_HELD == 3 &&
                  OPERATION_STARTED == 4,
              "operation states are stored");

static const char *const kind_names[OPERATION_N_KINDS] = {
    [OPERATION_CREATE] = "create",   [OPERATION_ADOPT] = "adopt",   [OPERATION_UPDATE] = "update",
    [OPERATION_PROFILE] = "profile", [OPERATION_RENAME] = "rename", [OPERATION_DISABLE] = "disable",
    [OPERATION_ENABLE] = "enable",   [OPERATION_DELETE] = "delete",
};

static const char *const state_names[] = {
    [OPERATION_READY] = "ready",
    [OPERATION_PARKED] = "parked",
    [OPERATION_HELD] = "held",
    [OPERATION_STARTED] = "started",
};

/* clang-format off */
/* Every code with its meaning and what a person does about it; docs/codes.md is made from it by
 * tools/codes. Codes in quotes are defined above the model: those of src/mapping/ruleset.h and of
 * alarms. */
static const struct {
    const char *code, *text, *remedy;
} reasons[] = {
    /* The contact center. */
    {REASON_TEAM_MISSING, "the tenant has no team of this name, or none that the account may see",
     "Create the team there, or correct the rule. The people who wait go on by themselves."},
    {REASON_ROLE_MISSING, "the tenant has no role of this name",
     "Create the role there, or correct the rule. The people who wait go on by themselves."},
    {REASON_SKILL_MISSING, "the tenant has no skill of this name",
     "Create the skill there, or correct the rule. The people who wait go on by themselves."},
    {REASON_REFERENCE_MISSING, "the tenant does not know a team, role or skill that the user needs",
     "Compare the names that the sentence lists with the tenant's console: one of them is missing or spelt differently."},
    {REASON_REFUSED, "the tenant refuses this user",
     "Read the tenant's words in rosterctl holds and correct the person's entry. A changed entry is tried at once, everything else every [retry] hold."},
    {REASON_TOO_LARGE, "the tenant shows more of this user than any user has",
     "Look at that user at the tenant: thousands of roles or skills, or values of a megabyte, come from a program that went wrong there. Take them away; it is read again every [retry] hold, and with rosterctl retry. Whoever leaves is disabled all the same."},
    {REASON_CONFLICT, "the login belongs to another user of the tenant",
     "Rename or delete that user at the tenant, or change the login in the directory; then rosterctl retry."},
    {REASON_SAME_MAIL, "another user of the tenant has the same mail address",
     "If it is the same person, give that user the new login at the tenant; if not, correct one of the two addresses."},
    {REASON_NOT_AUTHORISED, "the tenant does not accept rosterd's credentials or privileges",
     "Look at [tenant] client_id, client_secret_file and scope, and at the privileges of the API user. rosterctl check tries all of them."},
    {REASON_NO_SECRET, "the tenant's client secret cannot be read",
     "Put the file in place: owner rosterd, mode 0600. It is read again for each token; no restart is needed."},
    {REASON_TENANT_AWAY, "the tenant cannot be reached or answers with errors",
     "Nothing, if it is soon over: what waits goes on by itself. Otherwise look at the tenant's status page, the proxy and the firewall."},
    {REASON_THROTTLED, "the tenant asked to wait",
     "Nothing; rosterd adapts its pace. If it lasts, lower [tenant] max_rate."},
    {REASON_UNCLEAR, "it is not known yet whether the last request was carried out",
     "Nothing; rosterd reads the user at the tenant and settles it before anything else is done to that user."},
    {REASON_PART_NOT_OFFERED, "this change needs a part of the tenant's interface that is not offered there",
     "Have the part that the sentence names enabled for the tenant, or take the field or role out of the configuration."},
    {REASON_NOT_APPLIED, "the tenant accepted the change but does not show it",
     "Look at the user at the tenant: a rule of its own may set the value back. Then rosterctl retry, or stop managing the value."},
    {REASON_ON_SHIFT, "the user is logged in at the tenant",
     "Nothing; it is done at log-out, or after [lifecycle] logged_in_wait."},
    {REASON_ROLE_CONFLICT, "the user has a role that nobody may have together with this one ([conflict])",
     "Take the person out of one of the two rules, or take the other role away at the tenant; then rosterctl retry."},
    {REASON_SEATS, "as many users are enabled as [guard] max_users allows",
     "Disable or remove somebody, or buy seats and raise max_users."},
    {REASON_DORMANT, "the user did not log in for [lifecycle] dormant_after",
     "Ask whether the person still needs it. Whoever logs in, or is enabled at the tenant, is no longer dormant."},
    {REASON_USER_GONE, "the linked user no longer exists at the tenant",
     "Somebody deleted it there, or moved it to a team that the account may not see. Restore it there, or take the person out of the rules."},
    {REASON_PASSWORD, "the user has a password that nobody was told",
     "Find out why [tenant] password_command fails; another password is set and handed on every [retry] hold."},
    /* The directory. */
    {REASON_READ_NOT_PROVEN, "the directory was not provably read as a whole, so absence proves nothing",
     "Look at what rosterctl status says of the read: a size or time limit, a referral, hidden entries. Then rosterctl sync."},
    {REASON_GROUP_MISSING, "a group that a rule names cannot be seen",
     "Was it renamed, deleted, or is it outside group_base, or hidden from the account? Correct the rule or the directory."},
    {REASON_ATTRIBUTE_VANISHED, "an attribute vanished from many entries at once",
     "An access rule of the directory has probably changed: let the account read the attribute again. If the values are really gone, look at rosterctl plan and approve."},
    {REASON_ENTRY_INVALID, "the entry no longer gives a valid user",
     "Correct the value that the sentence names. The user stays as it is until then."},
    {REASON_LOGIN_SHARED, "two entries give the same login",
     "Change the login of one of them in the directory; both go on then."},
    {REASON_NAME_SHARED, "the directory shows two entries that cannot be told apart by their names",
     "Rename one of them, so that their names differ by more than the server compares; both go on then."},
    {REASON_RENAME_POLICY, "the login changed and the configuration does not allow renaming",
     "Put the login back in the directory, or set [lifecycle] on_rename = rename and reload."},
    {REASON_RELINK, "the entry has a new identity; linking it to the old user needs approval",
     "Usually the directory was loaded anew. Look at rosterctl plan; if it is the same person, approve."},
    /* A person's decision. */
    {REASON_BUDGET, "more operations of this kind are due than its budget allows",
     "Look at rosterctl plan. If it is right, rosterctl approve HASH; if not, correct directory or rules and it vanishes."},
    {REASON_ADOPTION, "taking over existing users needs a person's approval",
     "Look at rosterctl plan: it shows whom it would take over and what would follow. Then rosterctl approve HASH."},
    {REASON_PAUSED, "rosterd is paused",
     "rosterctl resume, when there is no reason left to wait."},
    {REASON_CLOCK, "the clock of this machine was moved a long way, and dates do not follow it yet",
     "Look at the clock (timedatectl). If it is right, nothing: dates follow when as much time has passed, after a day at the latest, or five minutes after it is synchronised."},
    {REASON_OBSERVING, "rosterd observes and writes nothing",
     "Look at rosterctl plan. If it is right, rosterctl start, or approve the whole plan."},
    {REASON_LOCKOUT, "somebody would be locked out of the tenant: its API user, a protected login or the last one with a privileged role",
     "Give somebody else the role first, or take the login out of [guard] protected_logins. No approval releases it."},
    {REASON_REVOKED, "the access was revoked: [lifecycle] revoke_when holds",
     "Nothing, if it is meant; otherwise correct the attribute in the directory."},
    {REASON_ROLES_FIRST, "roles that are no longer theirs are taken away before the user is enabled",
     "Nothing, unless taking the roles away is itself held or waits for approval: then settle that."},
    /* rosterd itself. */
    {REASON_STATE_FAILED, "the state file cannot be written",
     "Make room, or stop the program that holds the file; nothing is sent meanwhile. rosterd goes on by itself when it can write."},
    {REASON_STATE_CHECKING, "the state file is being checked after a sudden end, and nobody is removed before that is through",
     "Nothing; it takes a second for 100,000 people. If the file is damaged, rosterd stops and says what to do."},
    {REASON_AUDIT_FAILED, "the audit file cannot be written",
     "Make room, or put right what the sentence names; nothing is sent meanwhile. rosterd goes on by itself when it can write."},
    {REASON_OTHER_TENANT, "the state file belongs to another tenant",
     "If the new [tenant] url, scope or token is meant, look at rosterctl plan and approve; if not, put the old one back."},
    {REASON_STATE_RESTORED, "the state file is older than the last run",
     "It was restored from a backup. Removals and changes wait until somebody has looked at rosterctl plan and approved."},
    {REASON_DIRECTORY_AWAY, "the directory cannot be read",
     "Nobody is changed meanwhile. rosterctl check says why: a certificate, a password, a firewall are the usual reasons."},
    {"drift", "the tenant holds other values than rosterd wrote",
     "See who changes them there. [lifecycle] drift = repair puts them back; a template or rule that is taken away stops managing them."},
    {"unrecorded", "the user holds what no line of the audit gave",
     "Compare rosterctl audit show --person with the tenant. Lines may be missing (rosterctl audit verify), or the state was put in place from elsewhere."},
    /* Nobody's user: why a person is skipped. */
    {"out-of-scope", "[scope] when does not hold for the entry",
     "Nothing, if it is meant; rosterctl explain PERSON shows the filter and the values."},
    {"no-team", "no rule gives a team",
     "Add the person to a group that a rule names, or add a rule that gives a team."},
    {"not-started", "the time of [user] starts_at is still to come",
     "Nothing; the user is made at that time, or [lifecycle] create_ahead before it."},
    {"disabled", "[user] disabled_when or expires_at holds and there is no user that could be disabled",
     "Nothing; a user is made when the entry is active, or at once, disabled, with [lifecycle] create_disabled = yes."},
    /* Entries that cannot be used: the user stays as it is. */
    {"value-missing", "a mandatory value is missing or empty",
     "Fill the attribute that the sentence names, or give the template another source with ${name:-other}."},
    {"value-not-text", "a value is not text or holds control characters",
     "Correct the value in the directory."},
    {"value-too-large", "a value is longer than the tenant takes",
     "Shorten the value, or cut it in the template: ${name:0:40}."},
    {"value-malformed", "a value does not have the form that its field needs",
     "Correct the value that the sentence names, such as a skill's level or an end date."},
    {"no-ascii-form", "a value cannot be written in ASCII",
     "Name another attribute in the template, such as ${cn;lang-en:-${uid}}."},
    {"entry-unreadable", "the entry's name, or that of an attribute, is not a valid one",
     "Correct the entry at the server that the sentence names; whoever matches revoke_when is disabled all the same."},
    {"filter-undecided", "a filter is neither true nor false for the entry",
     "The server's schema lacks an attribute or gives it no such comparison. rosterctl check names the filter; correct it."},
};
/* clang-format on */

const char *operation_kind_name(enum operation_kind k)
{
    return (size_t)k < ARRAY_SIZE(kind_names) && kind_names[k] ? kind_names[k] : "unknown";
}

const char *operation_state_name(enum operation_state s)
{
    return (size_t)s < ARRAY_SIZE(state_names) && state_names[s] ? state_names[s] : "unknown";
}

const char *reason_code_text(const char *code)
{
    for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
        if (strcmp(reasons[i].code, code) == 0)
            return reasons[i].text;
    return code;
}

const char *reason_code_remedy(const char *code)
{
    for (size_t i = 0; code && i < ARRAY_SIZE(reasons); i++)
        if (strcmp(reasons[i].code, code) == 0)
            return reasons[i].remedy;
    return NULL;
}

enum change_kind change_kind_of(const char *field, const char **ret_name)
{
    static const char *const heads[] = {[CHANGE_ROLE] = "role:", [CHANGE_SKILL] = "skill:"};
    enum change_kind kind = strcmp(field, "disabled") == 0 ? CHANGE_DISABLED : CHANGE_FIELD;
    const char *name = field;

    for (unsigned k = CHANGE_ROLE; k <= CHANGE_SKILL; k++)
        if (strncmp(field, heads[k], strlen(heads[k])) == 0) {
            kind = k;
            name = field + strlen(heads[k]);
        }
    if (ret_name)
        *ret_name = name;
    return kind;
}

static void change_done(struct change *c)
{
    free(c->field);
    free(c->from);
    free(c->to);
    source_done(&c->source);
}

static void changes_free(struct change *changes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        change_done(&changes[i]);
    free(changes);
}

struct operation *operation_free(struct operation *o)
{
    if (!o)
        return NULL;
    changes_free(o->changes, o->n_changes);
    free(o->entry_id);
    free(o->dn);
    free(o->login);
    free(o->why);
    free(o->reason);
    free(o->sentence);
    free(o->cause);
    free(o->approved_for);
    free(o->wanted);
    free(o);
    return NULL;
}

struct operation *operation_new(enum operation_kind kind, const char *entry_id, const char *dn,
                                const char *login)
{
    CLEANUP(operation_freep) struct operation *o = calloc(1, sizeof(*o));

    if (!o)
        return NULL;
    o->kind = kind;
    o->state = OPERATION_READY;
    if ((entry_id && !(o->entry_id = strdup(entry_id))) || (dn && !(o->dn = strdup(dn))) ||
        (login && !(o->login = strdup(login))))
        return NULL;
    return TAKE(o);
}

int operation_add_change(struct operation *o, const char *field, const char *from, const char *to,
                         const struct source *source)
{
    if (memory_grow(&o->changes, &o->changes_capacity, o->n_changes + 1, sizeof(*o->changes)) < 0)
        return -ENOMEM;
    struct change *c = &o->changes[o->n_changes];
    *c = (struct change){0};
    if (!(c->field = strdup(field)) || (from && !(c->from = strdup(from))) ||
        (to && !(c->to = strdup(to))) || source_copy(&c->source, source) < 0) {
        change_done(c);
        return -ENOMEM;
    }
    c->kind = change_kind_of(c->field, &c->name);
    o->n_changes++;
    return 0;
}

void operation_drop_changes(struct operation *o)
{
    changes_free(o->changes, o->n_changes);
    o->changes = NULL;
    o->n_changes = o->changes_capacity = 0;
}

void operation_drop_change(struct operation *o, size_t i)
{
    change_done(&o->changes[i]);
    o->n_changes--;
    memmove(&o->changes[i], &o->changes[i + 1], (o->n_changes - i) * sizeof(*o->changes));
}

int operation_say(struct operation *o, const char *reason, const char *cause, const char *sentence)
{
    int r = text_replace(&o->reason, reason);
    if (r == 0)
        r = text_replace(&o->cause, cause);
    return r < 0 ? r : text_replace(&o->sentence, sentence);
}

bool operation_is_unclear(const struct operation *o)
{
    return text_equal(o->reason, REASON_UNCLEAR);
}

bool operation_equal(const struct operation *a, const struct operation *b)
{
    if (a->kind != b->kind || a->revokes != b->revokes || !text_equal(a->entry_id, b->entry_id) ||
        !text_equal(a->login, b->login) || a->n_changes != b->n_changes)
        return false;
    for (size_t i = 0; i < a->n_changes; i++) {
        const struct change *x = &a->changes[i], *y = &b->changes[i];
        if (!text_equal(x->field, y->field) || !text_equal(x->from, y->from) ||
            !text_equal(x->to, y->to))
            return false;
    }
    return true;
}

/* [[FILE, [RULE, [LINE, FIELD, FROM, TO]...]...]...]: most changes of a person come from one file,
 * and several from one rule, which is half of what would be written otherwise. */
static bool same_file(const struct change *a, const struct change *b)
{
    return text_equal(a->source.file, b->source.file);
}

static bool same_rule(const struct change *a, const struct change *b)
{
    return same_file(a, b) && text_equal(a->source.rule, b->source.rule);
}

static void begin_group(struct buffer *b, const char *name)
{
    json_write_comma(b);
    buffer_add(b, "[", 1);
    json_write_text(b, name);
}

char *operation_changes_to_json(const struct operation *o)
{
    CLEANUP(buffer_done) struct buffer b = {0};

    buffer_add(&b, "[", 1);
    for (size_t i = 0; i < o->n_changes; i++) {
        const struct change *c = &o->changes[i], *next = i + 1 < o->n_changes ? c + 1 : NULL;
        if (i == 0 || !same_file(c - 1, c))
            begin_group(&b, c->source.file);
        if (i == 0 || !same_rule(c - 1, c))
            begin_group(&b, c->source.rule);
        buffer_add_text(&b, ",[");
        json_write_integer(&b, c->source.line);
        for (size_t k = 0; k < 3; k++) {
            buffer_add(&b, ",", 1);
            json_write_text(&b, k == 0 ? c->field : k == 1 ? c->from : c->to);
        }
        buffer_add_text(&b, !next || !same_file(c, next) ? "]]]"
                            : !same_rule(c, next)        ? "]]"
                                                         : "]");
    }
    buffer_add(&b, "]", 1);
    return buffer_take(&b);
}

static void add_read(struct json_reader *r, struct operation *o, struct change *taken)
{
    if (taken->field)
        taken->kind = change_kind_of(taken->field, &taken->name);
    else
        json_read_fail(r, -EINVAL);
    if (r->failed == 0 &&
        memory_grow(&o->changes, &o->changes_capacity, o->n_changes + 1, sizeof(*o->changes)) < 0)
        json_read_fail(r, -ENOMEM);
    if (r->failed == 0)
        o->changes[o->n_changes++] = *taken;
    else
        change_done(taken);
}

static char *read_item(struct json_reader *r)
{
    if (!json_read_item(r))
        json_read_fail(r, -EINVAL);
    return json_read_text(r, NULL);
}

static void read_change(struct json_reader *r, const char *file, const char *rule,
                        struct operation *o)
{
    struct change c = {0};
    int64_t line = -1;

    json_read_open(r, '[');
    if (json_read_item(r))
        line = json_read_integer(r);
    if (line < 0 || line > UINT_MAX)
        json_read_fail(r, -EINVAL);
    c.field = read_item(r);
    c.from = read_item(r);
    c.to = read_item(r);
    if (json_read_item(r))
        json_read_fail(r, -EINVAL);
    if (r->failed == 0 && source_set(&c.source, rule, file, (unsigned)line) < 0)
        json_read_fail(r, -ENOMEM);
    add_read(r, o, &c);
}

static void read_group(struct json_reader *r, struct operation *o)
{
    json_read_open(r, '[');
    CLEANUP(freep) char *file = read_item(r);
    while (json_read_item(r)) {
        json_read_open(r, '[');
        CLEANUP(freep) char *rule = read_item(r);
        while (json_read_item(r))
            read_change(r, file, rule, o);
    }
}

static void read_member(struct json_reader *r, const char *key, struct change *c)
{
    char **text = strcmp(key, "field") == 0  ? &c->field
                  : strcmp(key, "from") == 0 ? &c->from
                  : strcmp(key, "to") == 0   ? &c->to
                                             : NULL;
    if (!text)
        json_read_source(r, key, &c->source);
    else if (*text)
        json_read_fail(r, -EINVAL);
    else
        *text = json_read_text(r, NULL);
}

/* As state files up to form 26 have it: one object for each change. */
static void read_object(struct json_reader *r, struct operation *o)
{
    struct change c = {0};

    json_read_open(r, '{');
    for (;;) {
        char key[JSON_NAME_SIZE];
        if (!json_read_name(r, key))
            break;
        read_member(r, key, &c);
    }
    add_read(r, o, &c);
}

/* Replaces the changes; on failure they stay as they were. */
int operation_changes_from_json(struct operation *o, const char *json)
{
    struct operation read = {0};
    struct json_reader r;

    json_read_start(&r, json);
    json_read_open(&r, '[');
    while (json_read_item(&r))
        (json_read_peek(&r) == '{' ? read_object : read_group)(&r, &read);
    int failed = json_read_end(&r);
    if (failed < 0) {
        changes_free(read.changes, read.n_changes);
        return failed;
    }
    changes_free(o->changes, o->n_changes);
    o->changes = read.changes;
    o->n_changes = read.n_changes;
    o->changes_capacity = read.changes_capacity;
    return 0;
}

void operation_list_done(struct operation_list *l)
{
    for (size_t i = 0; i < l->n_items; i++)
        operation_free(l->items[i]);
    free(l->items);
    *l = (struct operation_list){0};
}

int operation_list_add(struct operation_list *l, struct operation *taken)
{
    if (memory_grow(&l->items, &l->capacity, l->n_items + 1, sizeof(*l->items)) < 0) {
        operation_free(taken);
        return -ENOMEM;
    }
    l->items[l->n_items++] = taken;
    return 0;
}
