/*
 * Operations as plain values: names of kinds, states and reasons, comparison for approvals, and
 * the changes as JSON for the queue and the audit. Whether an operation may run is the guard's
 * question, how it runs the executor's.
 */
#include "config.h"

#include "model/operation.h"

#include <assert.h>
#include <errno.h>
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
    [OPERATION_CREATE] = "create", [OPERATION_ADOPT] = "adopt",
    [OPERATION_UPDATE] = "update", [OPERATION_PROFILE] = "profile",
    [OPERATION_RENAME] = "rename", [OPERATION_DISABLE] = "disable",
    [OPERATION_ENABLE] = "enable", [OPERATION_DELETE] = "delete",
};

static const char *const state_names[] = {
    [OPERATION_READY] = "ready",
    [OPERATION_PARKED] = "parked",
    [OPERATION_HELD] = "held",
    [OPERATION_STARTED] = "started",
};

/* clang-format off */
static const struct {
    const char *code, *text;
} reasons[] = {
    {REASON_TEAM_MISSING,       "the tenant has no team of this name, or none that the account may see"},
    {REASON_ROLE_MISSING,       "the tenant has no role of this name"},
    {REASON_SKILL_MISSING,      "the tenant has no skill of this name"},
    {REASON_REFERENCE_MISSING,  "the tenant does not know a team, role or skill that the user needs"},
    {REASON_REFUSED,            "the tenant refuses this user"},
    {REASON_CONFLICT,           "the login belongs to another user of the tenant"},
    {REASON_NOT_AUTHORISED,     "the tenant does not accept rosterd's credentials or privileges"},
    {REASON_NO_SECRET,          "the tenant's client secret cannot be read"},
    {REASON_TENANT_AWAY,        "the tenant cannot be reached or answers with errors"},
    {REASON_THROTTLED,          "the tenant asked to wait"},
    {REASON_UNCLEAR,            "it is not known yet whether the last request was carried out"},
    {REASON_NO_SCIM,            "this change needs SCIM, which the tenant does not offer or which is not configured"},
    {REASON_NOT_APPLIED,        "the tenant accepted the change but does not show it"},
    {REASON_ON_SHIFT,           "the user is logged in at the tenant"},
    {REASON_READ_NOT_PROVEN,    "the directory was not provably read as a whole, so that absence proves nothing"},
    {REASON_GROUP_MISSING,      "a group that a rule names is not to be seen"},
    {REASON_ATTRIBUTE_VANISHED, "an attribute vanished from many entries at once"},
    {REASON_ENTRY_INVALID,      "the entry no longer gives a valid user"},
    {REASON_LOGIN_SHARED,       "two entries give the same login"},
    {REASON_SAME_MAIL,          "another user of the tenant has the same mail address"},
    {REASON_RENAME_POLICY,      "the login changed and the configuration does not allow to rename"},
    {REASON_USER_GONE,          "the linked user no longer exists at the tenant"},
    {REASON_BUDGET,             "more operations of this kind are due than its budget allows"},
    {REASON_PRIVILEGED,         "a privileged role needs a person's approval"},
    {REASON_ADOPTION,           "taking over existing users needs a person's approval"},
    {REASON_ROLES_FIRST,        "roles that are no longer theirs are taken away before the user is enabled"},
    {REASON_RELINK,             "the entry has a new identity; linking it to the old user needs approval"},
    {REASON_OTHER_TENANT,       "the state file belongs to another tenant"},
    {REASON_STATE_RESTORED,     "the state file is older than the last run"},
    {REASON_PASSWORD,           "the user has a password that nobody was told"},
    {REASON_PAUSED,             "rosterd is paused"},
    {REASON_LOCKOUT,            "somebody would be locked out of the tenant: its API user, a protected login or the last one with a privileged role"},
    {REASON_AUDIT_FAILED,       "the audit file cannot be written"},
    {REASON_STATE_FAILED,       "the state file cannot be written"},
    {REASON_REVOKED,            "the access was revoked: [lifecycle] revoke_when holds"},
};
/* clang-format on */

const char *operation_kind_name(enum operation_kind k)
{
    return (size_t)k < ARRAY_SIZE(kind_names) && kind_names[k] ? kind_names[k] : "unknown";
}

int operation_kind_from_name(const char *name)
{
    for (int i = OPERATION_CREATE; i < OPERATION_N_KINDS; i++)
        if (strcmp(kind_names[i], name) == 0)
            return i;
    return -1;
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

static void changes_free(struct change *changes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(changes[i].field);
        free(changes[i].from);
        free(changes[i].to);
        source_done(&changes[i].source);
    }
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

int operation_add_change(struct operation *o, const char *field, const char *from,
                         const char *to, const struct source *source)
{
    if (memory_grow(&o->changes, &o->changes_capacity, o->n_changes + 1, sizeof(*o->changes)) <
        0)
        return -ENOMEM;
    struct change *c = &o->changes[o->n_changes];
    *c = (struct change){0};
    if (!(c->field = strdup(field)) || (from && !(c->from = strdup(from))) ||
        (to && !(c->to = strdup(to))) || source_copy(&c->source, source) < 0) {
        free(c->field);
        free(c->from);
        free(c->to);
        return -ENOMEM;
    }
    o->n_changes++;
    return 0;
}

void operation_drop_changes(struct operation *o)
{
    changes_free(o->changes, o->n_changes);
    o->changes = NULL;
    o->n_changes = o->changes_capacity = 0;
}

bool operation_equal(const struct operation *a, const struct operation *b)
{
    if (a->kind != b->kind || a->revokes != b->revokes ||
        !text_equal(a->entry_id, b->entry_id) || !text_equal(a->login, b->login) ||
        a->n_changes != b->n_changes)
        return false;
    for (size_t i = 0; i < a->n_changes; i++) {
        const struct change *x = &a->changes[i], *y = &b->changes[i];
        if (!text_equal(x->field, y->field) || !text_equal(x->from, y->from) ||
            !text_equal(x->to, y->to))
            return false;
    }
    return true;
}

char *operation_changes_to_json(const struct operation *o)
{
    CLEANUP(json_decref_cleanup) json_t *array = json_array();

    if (!array)
        return NULL;
    for (size_t i = 0; i < o->n_changes; i++) {
        const struct change *c = &o->changes[i];
        json_t *object = json_object();
        if (json_array_append_new(array, object) < 0 ||
            json_add_text(object, "field", c->field) < 0 ||
            json_add_text(object, "from", c->from) < 0 ||
            json_add_text(object, "to", c->to) < 0 || json_add_source(object, &c->source) < 0)
            return NULL;
    }
    return json_to_text(array);
}

static int change_from_json(struct operation *o, const json_t *object)
{
    CLEANUP(source_done) struct source source = {0};
    const char *field, *from, *to;

    if (!json_is_object(object) || json_get_text(object, "field", &field) < 0 || !field ||
        json_get_text(object, "from", &from) < 0 || json_get_text(object, "to", &to) < 0)
        return -EINVAL;
    int r = json_get_source(object, &source);
    return r < 0 ? r : operation_add_change(o, field, from, to, &source);
}

/* Replaces the changes; on failure they stay as they were. */
int operation_changes_from_json(struct operation *o, const char *json)
{
    CLEANUP(json_decref_cleanup) json_t *array = NULL;
    struct operation read = {0};
    int r = -EINVAL;

    array = json_from_text(json, &r);
    if (!array)
        return r;
    if (!json_is_array(array))
        return -EINVAL;
    for (size_t i = 0; i < json_array_size(array); i++) {
        r = change_from_json(&read, json_array_get(array, i));
        if (r < 0) {
            changes_free(read.changes, read.n_changes);
            return r;
        }
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
