/* What a tenant does by itself. Every act looks at one setting; without it nothing happens. */
#include "config.h"

#include "itself.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "property.h"
#include "simulator.h"

struct preset {
    TAILQ_ENTRY(preset) link;
    struct user_id {
        char text[37];
    } id;
    struct name *skill;
    int level; /* before */
    uint64_t until_ms;
};

static bool lists(const char *list, const char *word)
{
    size_t length = strlen(word);
    for (const char *p = list; p && *p; p += strcspn(p, ","), p += *p == ',')
        if (strcspn(p, ",") == length && !strncmp(p, word, length))
            return true;
    return false;
}

static int level_of(const struct user *u, const struct name *skill)
{
    for (size_t i = 0; i < u->n_skills; i++)
        if (u->skills[i].name == skill)
            return u->skills[i].level;
    return -1;
}

static void begin_preset(struct simulator *s, const char *team, struct name *skill, int level,
                         int seconds)
{
    struct user *u;
    TAILQ_FOREACH(u, &s->store.users, link)
    {
        int before = level_of(u, skill);
        if (!u->team || strcmp(u->team->text, team) != 0 || before < 0)
            continue;
        struct preset *p = memory_new(sizeof(*p));
        *p = (struct preset){.skill = skill,
                             .level = before,
                             .until_ms = time_monotonic_ms() + (uint64_t)seconds * 1000};
        memcpy(p->id.text, u->id, sizeof(p->id.text));
        TAILQ_INSERT_TAIL(&s->presets, p, link);
        user_skill_set(u, skill, level);
    }
}

/* TEAM:SKILL:LEVEL:SECONDS; ... */
static void begin_presets(struct simulator *s)
{
    CLEANUP(text_freep) char *text = text_copy(s->settings.preset);
    char *rest = NULL;
    for (char *p = text ? strtok_r(text, ";", &rest) : NULL; p; p = strtok_r(NULL, ";", &rest)) {
        char team[128], skill[128];
        int level, seconds;
        if (sscanf(p, " %127[^:]:%127[^:]:%d:%d", team, skill, &level, &seconds) != 4)
            continue;
        struct name *name = store_name(&s->store, NAME_SKILL, skill);
        if (name)
            begin_preset(s, team, name, level, seconds);
    }
    free(s->settings.preset);
    s->settings.preset = NULL; /* it is an act */
}

void itself_settings_changed(struct simulator *s)
{
    struct user *u;
    begin_presets(s);
    TAILQ_FOREACH(u, &s->store.users, link)
    if (s->settings.team_skills_now)
        property_team_skills(&s->store, &s->settings, u->team, true, u);
}

static void end_preset(struct simulator *s, struct preset *p)
{
    struct user *u = store_user_by_id(&s->store, p->id.text);
    if (u && level_of(u, p->skill) >= 0)
        user_skill_set(u, p->skill, p->level);
    TAILQ_REMOVE(&s->presets, p, link);
    free(p);
}

void itself_turn(struct simulator *s)
{
    struct preset *p = TAILQ_FIRST(&s->presets), *next;
    for (; p; p = next) {
        next = TAILQ_NEXT(p, link);
        if (p->until_ms <= time_monotonic_ms())
            end_preset(s, p);
    }
}

void itself_done(struct simulator *s)
{
    struct preset *p;
    while ((p = TAILQ_FIRST(&s->presets))) {
        TAILQ_REMOVE(&s->presets, p, link);
        free(p);
    }
}

bool itself_sees(const struct simulator *s, const struct name *team)
{
    return !s->settings.visible_teams || !team || lists(s->settings.visible_teams, team->text);
}

bool itself_account_ended(const struct simulator *s)
{
    const struct user *u = store_user(&s->store, s->oauth.client);
    return s->settings.account_is_user && (!u || u->disabled);
}

/* Seats are taken by whoever is not disabled. */
static size_t seats_taken(const struct simulator *s)
{
    const struct user *u;
    size_t n = 0;
    TAILQ_FOREACH(u, &s->store.users, link)
    n += !u->disabled;
    return n;
}

static bool is_login_allowed(const struct settings *o, const struct user *draft)
{
    const char *login = draft->field[USER_LOGIN];
    return !o->login_characters || strspn(login, o->login_characters) == strlen(login);
}

int itself_allows(const struct simulator *s, const struct request *q, const struct user *before,
                  const struct user *draft, struct refusal *why)
{
    const struct settings *o = &s->settings;
    const char *login = draft->field[USER_LOGIN], *mail = draft->field[USER_EMAIL];
    bool is_new_login = !before || strcmp(before->field[USER_LOGIN], login) != 0;
    bool names_skills = json_object_get(request_json((struct request *)(uintptr_t)q), "skills");
    if (!itself_sees(s, draft->team))
        return refuse(why, 404, "user team not found");
    if (o->no_skills && names_skills)
        return refuse(why, 403, "the privilege \"Manage Skills\" is required");
    if (is_new_login && o->login_is_mail && (!mail || strcasecmp(login, mail) != 0))
        return refuse(why, 400, "loginId must be the e-mail address of the user");
    if (is_new_login && !is_login_allowed(o, draft))
        return refuse(why, 400, "loginId contains characters that are not allowed");
    if (o->seats && !draft->disabled && (!before || before->disabled) &&
        seats_taken(s) >= (size_t)o->seats)
        return refuse(why, (unsigned)o->seats_status, "Maximum number of users exceeded");
    return 0;
}

/* TEAM:ROLE */
bool itself_logged_in_first(struct simulator *s, const struct user *draft)
{
    static const enum user_field kept[] = {USER_LOGIN, USER_FIRST_NAME, USER_LAST_NAME, USER_EMAIL};
    char team[128], role[128];
    if (!s->settings.jit || store_user(&s->store, draft->field[USER_LOGIN]) ||
        sscanf(s->settings.jit, "%127[^:]:%127[^:]", team, role) != 2)
        return false;
    CLEANUP(user_freep) struct user *u = user_new();
    for (size_t i = 0; i < ELEMENTS(kept); i++)
        user_set(u, kept[i], draft->field[kept[i]]);
    u->team = store_name(&s->store, NAME_TEAM, team);
    struct name *name = store_name(&s->store, NAME_ROLE, role);
    if (name)
        user_role_add(u, name);
    u->logged_in = true;
    u->last_login_ms = time_wall_ms();
    if (!u->team || store_insert(&s->store, u) != 0)
        return false;
    u = NULL; /* the store has it */
    return true;
}

void itself_add_scim(const struct simulator *s, bool is_new, struct user *draft)
{
    struct name *role = s->settings.default_role
                            ? store_name(&s->store, NAME_ROLE, s->settings.default_role)
                            : NULL;
    if (role && !draft->n_roles)
        user_role_add(draft, role);
    if (s->settings.softphone && !draft->field[USER_DEFAULT_PHONE])
        user_set(draft, USER_DEFAULT_PHONE, "softphone");
    if (is_new && !draft->password_length)
        draft->password_length = 16;
}
