/*
 * Compares what is wanted for one person with what is known and says which operations are due.
 * It does not decide whether they may run (guard) nor when they are tried again (executor).
 * What is in doubt is held here, so that nothing in doubt ever reaches the guard as ready.
 */
#include "config.h"

#include "sync/planner.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "sync/quirks.h"
#include "sync/withhold.h"

/* Fields that SCIM PATCH writes. */
static const enum user_field profile_fields[] = {
    USER_FIRST_NAME, USER_LAST_NAME,    USER_EMAIL,
    USER_WORK_PHONE, USER_MOBILE_PHONE, USER_EXTENSION,
};

void planner_result_done(struct planner_result *r)
{
    operation_list_done(&r->operations);
    user_free(r->wanted);
    *r = (struct planner_result){0};
}

bool planner_takes_away(const struct operation *o)
{
    if (o->kind == OPERATION_DISABLE || o->kind == OPERATION_DELETE)
        return true;
    for (size_t i = 0; i < o->n_changes; i++) {
        const struct change *c = &o->changes[i];
        uint64_t from, to;
        if (!c->from)
            continue;
        if (!c->to || text_equal(c->field, "team"))
            return true;
        if (!strncmp(c->field, "skill:", 6) && text_parse_unsigned(c->from, 100, &from) == 0 &&
            text_parse_unsigned(c->to, 100, &to) == 0 && to < from)
            return true;
    }
    return false;
}

static bool same_field(const struct user *a, const struct user *b, enum user_field f)
{
    const char *x = user_get(a, f), *y = user_get(b, f);
    return x && y && *x && text_equal_fold(x, y);
}

bool planner_same_person(const struct user *a, const struct user *b)
{
    return same_field(a, b, USER_EMAIL) ||
           (same_field(a, b, USER_FIRST_NAME) && same_field(a, b, USER_LAST_NAME));
}

/* Puts an operation into its waiting state; texts may be NULL. What is held here has no time:
 * whatever it waits for, the passing of the grace time does not release it. */
static int operation_wait(struct operation *o, enum operation_state state, const char *reason,
                          const char *cause, const char *sentence, uint64_t now_usec)
{
    o->state = state;
    o->since_usec = now_usec;
    if (state == OPERATION_HELD)
        o->not_before_usec = 0;
    free(o->reason);
    free(o->cause);
    free(o->sentence);
    o->reason = reason ? strdup(reason) : NULL;
    o->cause = cause ? strdup(cause) : NULL;
    o->sentence = sentence ? strdup(sentence) : NULL;
    return (reason && !o->reason) || (cause && !o->cause) || (sentence && !o->sentence)
               ? -ENOMEM
               : 0;
}

static int operation_why(struct operation *o, const char *sentence)
{
    free(o->why);
    o->why = strdup(sentence);
    return o->why ? 0 : -ENOMEM;
}

/* Adds an operation of this kind for the person; *ret is borrowed from the list. */
static int add_operation(const struct planner_input *in, struct planner_result *r,
                         enum operation_kind kind, const char *login, const char *why,
                         struct operation **ret)
{
    CLEANUP(operation_freep)
    struct operation *o = operation_new(kind, in->entry_id, in->dn, login);
    if (!o)
        return -ENOMEM;
    o->state = OPERATION_READY;
    if (operation_why(o, why) < 0)
        return -ENOMEM;
    struct operation *borrowed = o;
    int rc = operation_list_add(&r->operations, TAKE(o));
    if (rc == 0)
        *ret = borrowed;
    return rc;
}

/* An operation that stands for a person who waits: what it would do is not known yet. */
static int hold_person(const struct planner_input *in, struct planner_result *r,
                       const char *login, const char *reason, const char *cause_head,
                       const char *cause_tail, const char *sentence)
{
    struct operation *o;
    int rc =
        add_operation(in, r,
                      in->link == PLANNER_ACTIVE || in->link == PLANNER_DISABLED
                          ? OPERATION_UPDATE
                          : OPERATION_CREATE,
                      login, sentence, &o);
    if (rc < 0)
        return rc;
    char cause[512];
    snprintf(cause, sizeof(cause), "%s:%s", cause_head, cause_tail);
    r->bucket = PLANNER_BUCKET_HELD;
    r->code = reason;
    return operation_wait(o, OPERATION_HELD, reason, cause, sentence, in->now_usec);
}

static int add_level_change(struct operation *o, const char *name,
                            const struct user_skill *from, const struct user_skill *to)
{
    char field[512], from_text[16], to_text[16];
    snprintf(field, sizeof(field), "skill:%s", name);
    if (from)
        snprintf(from_text, sizeof(from_text), "%u", from->level);
    if (to)
        snprintf(to_text, sizeof(to_text), "%u", to->level);
    return operation_add_change(o, field, from ? from_text : NULL, to ? to_text : NULL,
                                to ? &to->source : NULL);
}

static int add_role_change(struct operation *o, const char *name, bool gives,
                           const struct source *source)
{
    char field[512];
    snprintf(field, sizeof(field), "role:%s", name);
    return operation_add_change(o, field, gives ? NULL : name, gives ? name : NULL, source);
}

/* Skills and roles that no rule names and that rosterd did not give, or that the tenant gives by
 * itself, stay as a supervisor set
 * them. */
static bool may_take_skill(const struct planner_input *in, const char *name)
{
    if (in->quirks && user_skill(in->quirks, name))
        return false;
    return (in->granted && user_skill(in->granted, name)) ||
           (in->names_skill && in->names_skill(name, in->userdata));
}

static int diff_skills(const struct planner_input *in, struct operation *o)
{
    int rc = 0;
    for (size_t i = 0; i < in->wanted->n_skills && rc == 0; i++) {
        const struct user_skill *w = &in->wanted->skills[i];
        const struct user_skill *k = user_skill(in->known, w->name);
        if (!k || k->level != w->level)
            rc = add_level_change(o, w->name, k, w);
    }
    for (size_t i = 0; i < in->known->n_skills && rc == 0; i++) {
        const struct user_skill *k = &in->known->skills[i];
        if (!user_skill(in->wanted, k->name) && may_take_skill(in, k->name))
            rc = add_level_change(o, k->name, k, NULL);
    }
    return rc;
}

static int diff_roles(const struct planner_input *in, struct operation *o)
{
    int rc = 0;
    for (size_t i = 0; i < in->wanted->n_roles && rc == 0; i++) {
        const struct user_role *w = &in->wanted->roles[i];
        if (!user_role(in->known, w->name))
            rc = add_role_change(o, w->name, true, &w->source);
    }
    for (size_t i = 0; i < in->known->n_roles && rc == 0; i++) {
        const struct user_role *k = &in->known->roles[i];
        if (!user_role(in->wanted, k->name) && may_take_role(in, k->name))
            rc = add_role_change(o, k->name, false, NULL);
    }
    return rc;
}

/* A field that is not managed stays; an empty wanted value clears. */
static int diff_field(const struct planner_input *in, struct operation *o, enum user_field f)
{
    const struct user_value *w = &in->wanted->fields[f];
    const char *k = user_get(in->known, f);
    if (!w->text || text_equal(w->text, k ? k : "") || quirks_shows(in->quirks, f, w->text, k))
        return 0;
    return operation_add_change(o, user_field_name(f), k, *w->text ? w->text : NULL,
                                &w->source);
}

/* Drops the last operation when it turned out to change nothing. */
static void drop_if_empty(struct planner_result *r, const struct operation *o)
{
    if (o->n_changes)
        return;
    operation_free(r->operations.items[--r->operations.n_items]);
}

static const char *team_why(const struct user *wanted, char *buffer, size_t size)
{
    char source[384];
    const char *team = user_get(wanted, USER_TEAM);
    snprintf(buffer, size, "%s gives team %s",
             source_text(&wanted->fields[USER_TEAM].source, source, sizeof(source)),
             team ? team : "none");
    return buffer;
}

/* Somebody deleted it there, and it is to be made anew. */
static int note_remake(const struct planner_input *in, struct operation *o)
{
    o->remakes = true;
    if (operation_why(o, "the user is not at the tenant any more, and drift = repair") < 0)
        return -ENOMEM;
    if (!in->maybe_renamed)
        return 0;
    return operation_wait(
        o, OPERATION_PARKED, REASON_USER_GONE, "users:gone",
        "the user is not at the tenant any more, and whether it was renamed there cannot be told, since "
        "its id was never learnt: look for it among the users there that are new; made anew only when "
        "the plan is approved",
        in->now_usec);
}

static int plan_create(const struct planner_input *in, struct planner_result *r)
{
    char why[512];
    struct operation *o;
    const char *login = user_get(in->wanted, USER_LOGIN);
    int rc = add_operation(in, r, OPERATION_CREATE, login,
                           team_why(in->wanted, why, sizeof(why)), &o);
    if (rc == 0 && in->vanished)
        rc = note_remake(in, o);
    for (int f = 0; f < USER_N_FIELDS && rc == 0; f++) {
        const struct user_value *w = &in->wanted->fields[f];
        if (w->text && *w->text)
            rc = operation_add_change(o, user_field_name((enum user_field)f), NULL, w->text,
                                      &w->source);
    }
    for (size_t i = 0; i < in->wanted->n_roles && rc == 0; i++)
        rc = add_role_change(o, in->wanted->roles[i].name, true, &in->wanted->roles[i].source);
    for (size_t i = 0; i < in->wanted->n_skills && rc == 0; i++)
        rc = add_level_change(o, in->wanted->skills[i].name, NULL, &in->wanted->skills[i]);
    if (rc == 0 && in->wanted->disabled)
        rc = operation_add_change(o, "disabled", NULL, "true", &in->wanted->disabled_source);
    else if (rc == 0 && in->start_usec)
        rc = operation_add_change(o, "disabled", NULL, "true", in->start_source);
    r->bucket = PLANNER_BUCKET_PENDING;
    return rc;
}

const char *planner_privileged_role(const struct user *u, const struct sync_options *options)
{
    for (size_t i = 0; i < u->n_roles; i++)
        if (options_role_is_privileged(options, u->roles[i].name))
            return u->roles[i].name;
    return NULL;
}

bool planner_adoption_needs_approval(const struct user *wanted, const struct user *found,
                                     const struct sync_options *options)
{
    return !same_field(wanted, found, USER_EMAIL) || planner_privileged_role(found, options);
}

int planner_adoption_changes(const struct planner_input *in, const struct user *found,
                             struct operation *o)
{
    /* Found there: nothing of it was given by us. */
    struct planner_input after = *in;
    after.known = found;
    after.granted = after.quirks = NULL;
    int rc = 0;
    if (in->wanted->disabled)
        return found->disabled ? 0
                               : operation_add_change(o, "disabled", "false", "true",
                                                      &in->wanted->disabled_source);
    for (int f = USER_FIRST_NAME; f < USER_N_FIELDS && rc == 0; f++)
        rc = diff_field(&after, o, (enum user_field)f);
    if (rc == 0)
        rc = diff_roles(&after, o);
    return rc < 0 ? rc : diff_skills(&after, o);
}

/* Why an adoption after first contact waits, and what to do. */
static const char *approval_sentence(const struct planner_input *in, char *buffer, size_t size)
{
    const char *login = user_get(in->wanted, USER_LOGIN);
    const char *role = planner_privileged_role(in->found, in->options);
    const char *theirs = user_get(in->found, USER_EMAIL),
               *ours = user_get(in->wanted, USER_EMAIL);
    if (role)
        snprintf(buffer, size,
                 "the tenant has a user %s already, with the privileged role %s: it is taken "
                 "over only when the plan is approved; if it is somebody else, give %s another "
                 "login",
                 login, role, in->dn);
    else
        snprintf(buffer, size,
                 "the tenant has a user %s already, whose name is the same but whose mail (%s) "
                 "is not that of the entry (%s): it is taken over only when the plan is "
                 "approved; if it is somebody else, give %s another login",
                 login, theirs && *theirs ? theirs : "none", ours && *ours ? ours : "none",
                 in->dn);
    return buffer;
}

/* An existing user becomes this person's. The changes are what follows from it. */
static int plan_adopt(const struct planner_input *in, struct planner_result *r,
                      const char *reason, const char *sentence)
{
    struct operation *o;
    int rc =
        add_operation(in, r, OPERATION_ADOPT, user_get(in->wanted, USER_LOGIN), sentence, &o);
    if (rc == 0 && in->found)
        rc = planner_adoption_changes(in, in->found, o);
    if (rc < 0)
        return rc;
    r->bucket = PLANNER_BUCKET_PENDING;
    if (!reason)
        return 0;
    r->bucket = PLANNER_BUCKET_HELD;
    r->code = reason;
    return operation_wait(o, OPERATION_PARKED, reason, reason, sentence, in->now_usec);
}

/* The tenant has the login, and no link claims it. */
static int plan_found(const struct planner_input *in, struct planner_result *r,
                      const char *sentence)
{
    char approval[1024];
    if (in->adoption_open && in->looking) { /* planned when it is known what it leads to */
        r->bucket = PLANNER_BUCKET_PENDING;
        return 0;
    }
    if (in->adoption_open)
        return plan_adopt(in, r, REASON_ADOPTION, sentence);
    /* Somebody else's is found out by the one who looks again before it is taken over. */
    if (in->found && planner_same_person(in->wanted, in->found) &&
        planner_adoption_needs_approval(in->wanted, in->found, in->options))
        return plan_adopt(in, r, REASON_ADOPTION,
                          approval_sentence(in, approval, sizeof(approval)));
    return plan_adopt(in, r, NULL, sentence);
}

/* Nobody is linked: create, adopt, or say who has the login. */
static int plan_newcomer(const struct planner_input *in, struct planner_result *r)
{
    const char *login = user_get(in->wanted, USER_LOGIN);
    const char *sentence = in->claim_sentence ? in->claim_sentence : "";
    bool there = in->claim == PLANNER_LOGIN_AT_TENANT;
    bool early = in->start_usec > in->dates_usec + in->options->create_ahead_usec;
    if (!there && (early || (in->wanted->disabled && !in->options->create_disabled))) {
        r->bucket = PLANNER_BUCKET_SKIPPED;
        r->code = early ? "not-started" : "disabled";
        return 0;
    }
    switch (in->claim) {
    case PLANNER_LOGIN_SHARED:
        return hold_person(in, r, login, REASON_LOGIN_SHARED, "login", login, sentence);
    case PLANNER_LOGIN_LINKED:
    case PLANNER_LOGIN_LEFT_OTHER:
        return hold_person(in, r, login, REASON_CONFLICT, "login", login, sentence);
    case PLANNER_MAIL_AT_TENANT:
        return hold_person(in, r, login, REASON_SAME_MAIL, "mail",
                           user_get(in->wanted, USER_EMAIL), sentence);
    case PLANNER_LIKE_AT_TENANT:
        return hold_person(in, r, login, REASON_USER_GONE, "user", login, sentence);
    case PLANNER_LOGIN_LEFT_SAME: return plan_adopt(in, r, REASON_RELINK, sentence);
    case PLANNER_LOGIN_AT_TENANT: return plan_found(in, r, sentence);
    case PLANNER_LOGIN_FREE: break;
    }
    return plan_create(in, r);
}

static int plan_disable(const struct planner_input *in, struct planner_result *r,
                        const char *why, uint64_t due_usec, struct operation **ret)
{
    struct operation *o = NULL;
    int rc = add_operation(in, r, OPERATION_DISABLE, in->login, why, &o);
    if (rc == 0)
        rc = operation_add_change(o, "disabled", "false", "true",
                                  in->wanted ? &in->wanted->disabled_source : NULL);
    if (rc == 0)
        o->not_before_usec = due_usec;
    if (ret)
        *ret = o;
    return rc;
}

/* Whoever left: disable after the grace time, delete after a longer one. */
static int plan_leaver(const struct planner_input *in, struct planner_result *r)
{
    const struct sync_options *options = in->options;
    char why[768];
    snprintf(why, sizeof(why), "%s: %s",
             in->presence == PLANNER_GONE ? "gone from the directory" : "no longer a user",
             in->sentence ? in->sentence : "no reason known");
    r->bucket = PLANNER_BUCKET_LEAVING;
    r->leaving_usec = in->leaving_usec ? in->leaving_usec : in->now_usec;
    r->started_leaving = !in->leaving_usec;
    struct operation *o = NULL;
    int rc = 0;
    if (in->link == PLANNER_ACTIVE) {
        rc = plan_disable(in, r, why, r->leaving_usec + options->leave_grace_usec, &o);
    } else if (in->link == PLANNER_DISABLED && in->disabled_by_us &&
               options->delete_after_usec) {
        rc = add_operation(in, r, OPERATION_DELETE, in->login, why, &o);
        if (rc == 0)
            o->not_before_usec = in->disabled_usec + options->delete_after_usec;
    } else if (in->link == PLANNER_DELETED && in->presence == PLANNER_GONE) {
        r->bucket = PLANNER_BUCKET_FORGET;
    }
    if (rc == 0 && o && in->successor_sentence)
        rc = operation_wait(o, OPERATION_HELD, REASON_RELINK, REASON_RELINK,
                            in->successor_sentence, in->now_usec);
    return rc;
}

/* Whose access must end now: no grace, no doubt, and nothing else for that person. It needs the
 * link alone; who left otherwise goes on leaving, and is deleted in time. */
static int plan_revoked(const struct planner_input *in, struct planner_result *r)
{
    char source[384], why[512];
    struct operation *o = NULL;
    if (in->presence == PLANNER_SKIPPED) {
        r->bucket = PLANNER_BUCKET_LEAVING;
        r->leaving_usec = in->leaving_usec ? in->leaving_usec : in->now_usec;
        r->started_leaving = !in->leaving_usec;
    }
    if (in->link != PLANNER_ACTIVE)
        return in->presence == PLANNER_SKIPPED ? plan_leaver(in, r) : 0;
    if (in->presence != PLANNER_SKIPPED)
        r->bucket = PLANNER_BUCKET_PENDING;
    snprintf(why, sizeof(why), "revoked: %s",
             source_text(in->revoke_source, source, sizeof(source)));
    int rc = add_operation(in, r, OPERATION_DISABLE, in->login, why, &o);
    if (rc == 0)
        rc = operation_add_change(o, "disabled", "false", "true", in->revoke_source);
    if (rc == 0)
        o->revokes = true;
    return rc;
}

static int plan_rename(const struct planner_input *in, struct planner_result *r)
{
    const char *login = user_get(in->wanted, USER_LOGIN);
    if (!login || text_equal_fold(login, in->login))
        return 0; /* a difference in case alone is the same account */
    struct operation *o;
    char why[768];
    snprintf(why, sizeof(why),
             in->renamed_there ? "somebody renamed the user at the tenant; the directory gives the login %s"
                               : "the directory now gives the login %s",
             login);
    int rc = add_operation(in, r, OPERATION_RENAME, in->login, why, &o);
    if (rc == 0)
        rc = operation_add_change(o, user_field_name(USER_LOGIN), in->login, login,
                                  &in->wanted->fields[USER_LOGIN].source);
    if (rc < 0)
        return rc;
    char cause[512];
    snprintf(cause, sizeof(cause), "login:%s", login);
    if (in->claim != PLANNER_LOGIN_FREE)
        return operation_wait(o, OPERATION_HELD,
                              in->claim == PLANNER_LOGIN_SHARED ? REASON_LOGIN_SHARED
                                                                : REASON_CONFLICT,
                              cause, in->claim_sentence, in->now_usec);
    if (in->renamed_there && in->options->on_drift == DRIFT_REPORT)
        return operation_wait(
            o, OPERATION_HELD, REASON_RENAME_POLICY, "renamed-there",
            "somebody renamed the user at the tenant and [lifecycle] drift = report: rename it "
            "back there, give the entry that login, or set drift = repair",
            in->now_usec);
    if (in->options->on_rename == ON_RENAME_HOLD)
        return operation_wait(
            o, OPERATION_HELD, REASON_RENAME_POLICY, "rename-policy",
            "the login changed in the directory and [lifecycle] on_rename = hold: rename "
            "the user at the tenant, or set on_rename = rename",
            in->now_usec);
    return 0;
}

static int plan_updates(const struct planner_input *in, struct planner_result *r)
{
    struct operation *o;
    int rc = add_operation(in, r, OPERATION_UPDATE, in->login,
                           "the rules give other values than the tenant holds", &o);
    if (rc == 0)
        rc = diff_field(in, o, USER_TEAM);
    if (rc == 0)
        rc = diff_skills(in, o);
    if (rc < 0)
        return rc;
    drop_if_empty(r, o);

    rc = add_operation(in, r, OPERATION_PROFILE, in->login,
                       "the directory gives other values than the tenant holds", &o);
    for (size_t i = 0; i < ARRAY_SIZE(profile_fields) && rc == 0; i++)
        rc = diff_field(in, o, profile_fields[i]);
    if (rc == 0)
        rc = diff_roles(in, o);
    if (rc < 0)
        return rc;
    drop_if_empty(r, o);
    return 0;
}

static int plan_enable(const struct planner_input *in, struct planner_result *r,
                       struct operation **ret)
{
    struct operation *o = NULL;
    int rc = add_operation(in, r, OPERATION_ENABLE, in->login,
                           in->leaving_usec ? "returned to the directory's users"
                                            : "not, or no longer, disabled in the directory",
                           &o);
    *ret = o;
    return rc < 0 ? rc
                  : operation_add_change(o, "disabled", "true", "false",
                                         &in->wanted->disabled_source);
}

/* Whoever is enabled again has lost what is no longer theirs before: an enabled user with last
 * year's roles is a danger, however short. */
static int enable_after_losses(const struct planner_input *in, struct planner_result *r,
                               struct operation *enable)
{
    for (size_t i = 0; i < r->operations.n_items; i++) {
        const struct operation *o = r->operations.items[i];
        for (size_t j = 0; j < o->n_changes; j++)
            if (!strncmp(o->changes[j].field, "role:", 5) && !o->changes[j].to)
                return operation_wait(
                    enable, OPERATION_HELD, REASON_ROLES_FIRST, REASON_ROLES_FIRST,
                    "the user has roles that are no longer theirs: enabled as soon as those are "
                    "taken away",
                    in->now_usec);
    }
    return 0;
}

/* A linked person whom the rules still want. */
static int plan_member(const struct planner_input *in, struct planner_result *r)
{
    r->returned = in->leaving_usec != 0;
    struct operation *enable = NULL;
    int rc = 0;
    if (in->vanished && !in->wanted->disabled)
        return hold_person(in, r, in->login, REASON_USER_GONE, "users", "gone",
                           "the user is not at the tenant any more and [lifecycle] drift = report: "
                           "restore it there, take the person out of the rules, or set drift = repair");
    if (in->wanted->disabled) {
        if (in->link == PLANNER_ACTIVE) {
            char source[384], why[512];
            snprintf(why, sizeof(why), "disabled in the directory: %s",
                     source_text(&in->wanted->disabled_source, source, sizeof(source)));
            rc = plan_disable(in, r, why, in->now_usec, NULL);
        }
    } else {
        /* Disabled by somebody at the tenant: theirs to undo; the sweep reports it as drift. */
        if (in->link == PLANNER_DISABLED && in->disabled_by_us && !in->start_usec)
            rc = plan_enable(in, r, &enable);
        if (rc == 0)
            rc = plan_rename(in, r);
        if (rc == 0)
            rc = plan_updates(in, r);
        if (rc == 0 && enable)
            rc = enable_after_losses(in, r, enable);
    }
    r->bucket = r->operations.n_items ? PLANNER_BUCKET_PENDING : PLANNER_BUCKET_UNCHANGED;
    return rc;
}

static const char *vanished_sentence(const struct planner_input *in, char *buffer, size_t size)
{
    snprintf(buffer, size,
             "the attribute %s vanished from many entries at once, as when an access rule of the "
             "directory changes: check what the bind user may read, or approve the plan",
             in->vanished_attribute);
    return buffer;
}

/* What cannot be trusted waits: losses while a rule's group is missing, everything while an
 * attribute has vanished from too many people at once. */
static int hold_doubtful(const struct planner_input *in, struct planner_result *r)
{
    for (size_t i = 0; i < r->operations.n_items; i++) {
        struct operation *o = r->operations.items[i];
        char cause[512], sentence[768];
        int rc = 0;
        if (o->state != OPERATION_READY)
            continue;
        if (in->group_missing && planner_takes_away(o)) {
            snprintf(cause, sizeof(cause), "group:%s", in->group_missing);
            snprintf(
                sentence, sizeof(sentence),
                "the group %s of a rule is not to be seen, so nobody loses anything for it: "
                "restore the group, or correct the rule",
                in->group_missing);
            rc = operation_wait(o, OPERATION_HELD, REASON_GROUP_MISSING, cause, sentence,
                                in->now_usec);
        } else if (in->vanished_attribute) {
            snprintf(cause, sizeof(cause), "attribute:%s", in->vanished_attribute);
            rc = operation_wait(o, OPERATION_PARKED, REASON_ATTRIBUTE_VANISHED, cause,
                                vanished_sentence(in, sentence, sizeof(sentence)), in->now_usec);
        } else if (in->state_restored) {
            rc = operation_wait(
                o, OPERATION_PARKED, REASON_STATE_RESTORED, REASON_STATE_RESTORED,
                "an older copy of the state file was restored, so what was done since is not "
                "known: look at the plan and approve it",
                in->now_usec);
        }
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int plan_linked(const struct planner_input *in, struct planner_result *r)
{
    char sentence[768];
    switch (in->presence) {
    case PLANNER_WANTED: return plan_member(in, r);
    case PLANNER_INVALID:
        r->leaving_usec = 0;
        if (in->vanished_attribute)
            return hold_person(in, r, in->login, REASON_ATTRIBUTE_VANISHED, "attribute",
                               in->vanished_attribute,
                               vanished_sentence(in, sentence, sizeof(sentence)));
        return hold_person(in, r, in->login, REASON_ENTRY_INVALID, "entry", in->dn,
                           in->sentence ? in->sentence : "");
    case PLANNER_SKIPPED:
    case PLANNER_GONE: return plan_leaver(in, r);
    }
    return 0;
}

/* What the entry itself says goes on: to be disabled needs no name. */
static bool is_in_doubt(const struct planner_input *in)
{
    if (!in->twin || in->presence == PLANNER_GONE)
        return false;
    if (in->presence == PLANNER_WANTED)
        return !(in->wanted->disabled && in->link == PLANNER_ACTIVE);
    return in->link != PLANNER_UNLINKED;
}

/* One cause for both, whichever is looked at. */
static int hold_twin(const struct planner_input *in, struct planner_result *r)
{
    bool first = strcmp(in->dn, in->twin) < 0;
    char sentence[1400];
    snprintf(sentence, sizeof(sentence),
             "the directory holds %s and %s, and rosterd cannot tell the two names apart, so "
             "neither gets what a group gives: rename one of them",
             first ? in->dn : in->twin, first ? in->twin : in->dn);
    r->leaving_usec = 0;
    return hold_person(
        in, r, in->link == PLANNER_UNLINKED ? user_get(in->wanted, USER_LOGIN) : in->login,
        REASON_NAME_SHARED, "name", first ? in->dn : in->twin, sentence);
}

/* Another tenant than the state's: nobody is made there before a person says so. */
static int hold_newcomer(const struct planner_input *in, struct planner_result *r)
{
    int rc = 0;
    for (size_t i = 0; i < r->operations.n_items && rc == 0; i++)
        if (r->operations.items[i]->state == OPERATION_READY)
            rc = operation_wait(r->operations.items[i], OPERATION_PARKED, REASON_OTHER_TENANT,
                                REASON_OTHER_TENANT, in->other_tenant, in->now_usec);
    return rc;
}

static int plan(const struct planner_input *in, struct planner_result *ret, struct error *e);

/* Roles that conflict are planned apart from everything else, which goes on. */
int planner_plan(const struct planner_input *in, struct planner_result *ret, struct error *e)
{
    struct planner_result held = {0};
    struct planner_input rest = *in;
    int rc = withhold_roles(in, &held, e);
    if (rc == 0 && held.wanted)
        rest.wanted = held.wanted;
    if (rc == 0)
        rc = plan(&rest, ret, e);
    if (rc == 0 && held.wanted && ret->bucket != PLANNER_BUCKET_SKIPPED) {
        ret->wanted = TAKE(held.wanted);
        if (!ret->code) {
            ret->bucket = PLANNER_BUCKET_HELD;
            ret->code = REASON_ROLE_CONFLICT;
        }
        for (size_t i = 0; i < held.operations.n_items && rc == 0; i++)
            rc = operation_list_add(&ret->operations, TAKE(held.operations.items[i]));
        if (rc < 0) {
            planner_result_done(ret);
            error_out_of_memory(e);
        }
    }
    planner_result_done(&held);
    return rc;
}

static int plan(const struct planner_input *in, struct planner_result *ret, struct error *e)
{
    struct planner_result r = {.bucket = PLANNER_BUCKET_UNCHANGED};
    int rc = 0;
    bool linked = in->link == PLANNER_ACTIVE || in->link == PLANNER_DISABLED;
    bool left = in->presence == PLANNER_SKIPPED || in->presence == PLANNER_GONE;
    if (linked && in->revoked) {
        rc = plan_revoked(in, &r);
    } else if (!in->revoked && is_in_doubt(in)) {
        rc = hold_twin(in, &r);
    } else if (linked || (in->link == PLANNER_DELETED && left)) {
        rc = plan_linked(in, &r);
    } else if (in->presence == PLANNER_WANTED && in->revoked) {
        r.bucket = PLANNER_BUCKET_SKIPPED;
        r.code = REASON_REVOKED;
    } else if (in->presence == PLANNER_WANTED) {
        rc = plan_newcomer(in, &r);
    } else {
        r.bucket =
            in->presence == PLANNER_GONE ? PLANNER_BUCKET_FORGET : PLANNER_BUCKET_SKIPPED;
        r.code = in->code;
    }
    if (rc == 0 && linked && !in->revoked)
        rc = hold_doubtful(in, &r);
    else if (rc == 0 && !linked && in->other_tenant)
        rc = hold_newcomer(in, &r);
    if (rc < 0) {
        planner_result_done(&r);
        return error_out_of_memory(e);
    }
    *ret = r;
    return 0;
}
