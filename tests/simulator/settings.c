/* One table of the settings in which tenants differ; nothing else lists them. */
#include "config.h"

#include "settings.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "simulator.h"

enum setting_kind {
    SETTING_FLAG,
    SETTING_NUMBER,
    SETTING_WORD,
    SETTING_TEXT
};

static const char *const expires_words[] = {"string", "number", "absent", NULL};
static const char *const error_words[] = {"text", "json", "html", NULL};
static_assert(sizeof(enum expires_in) == sizeof(int) &&
                  sizeof(enum error_format) == sizeof(int),
              "words are stored as int");

#define SLOT(member) offsetof(struct settings, member)

static const struct setting {
    const char *name;
    enum setting_kind kind;
    size_t offset;
    long low, high;
    const char *const *words;
    const char *help;
} table[] = {
    {"expires-in", SETTING_WORD, SLOT(expires_in), 0, 0, expires_words,
     "string, number or absent: how the token's lifetime is told"},
    {"token-lifetime", SETTING_NUMBER, SLOT(token_lifetime), 0, 1000000, NULL,
     "seconds (3600)"},
    {"scim", SETTING_NUMBER, SLOT(scim_refusal), 0, 599, NULL,
     "0: there; 403, 404: refused with it"},
    {"merge-skills", SETTING_FLAG, SLOT(merge_skills), 0, 0, NULL,
     "PUT keeps the skills that it does not name"},
    {"zero-removes", SETTING_FLAG, SLOT(zero_removes), 0, 0, NULL,
     "PUT removes a skill that it names with level 0"},
    {"roles-as-values", SETTING_FLAG, SLOT(roles_as_values), 0, 0, NULL,
     "SCIM answers roles as {\"value\": ...}, not as strings"},
    {"strict-scim", SETTING_FLAG, SLOT(strict_scim), 0, 0, NULL,
     "SCIM refuses filtered paths without a match, and roles in another form than it shows"},
    {"old-dates", SETTING_FLAG, SLOT(old_dates), 0, 0, NULL,
     "SCIM dates as 06-03-2020T07:46:33, not as ISO 8601"},
    {"require-email", SETTING_FLAG, SLOT(require_email), 0, 0, NULL,
     "a create without email is refused"},
    {"forbid-rename", SETTING_FLAG, SLOT(forbid_rename), 0, 0, NULL,
     "SCIM refuses a new userName"},
    {"lack-privilege", SETTING_FLAG, SLOT(lack_privilege), 0, 0, NULL,
     "every call but the token's answers 403"},
    {"password-minimum", SETTING_NUMBER, SLOT(password_minimum), 0, 1000, NULL,
     "shortest password (0)"},
    {"password-classes", SETTING_NUMBER, SLOT(password_classes), 0, 4, NULL,
     "classes a password must mix: lower, upper, digits, others (0)"},
    {"rate", SETTING_NUMBER, SLOT(rate), 0, 10000000, NULL,
     "requests a second, then 429 (0: no limit)"},
    {"retry-after", SETTING_NUMBER, SLOT(retry_after), 0, 1000000, NULL,
     "seconds in the Retry-After of that 429 (0: no such header)"},
    {"errors", SETTING_WORD, SLOT(error_format), 0, 0, error_words,
     "text, json or html: error bodies"},
    {"phone-digits", SETTING_FLAG, SLOT(phone_digits), 0, 0, NULL,
     "phones are kept as \"+\" and their digits"},
    {"team-skills", SETTING_TEXT, SLOT(team_skills), 0, 0, NULL,
     "TEAM:SKILL:LEVEL; ...: a new user of the team gets the skill"},
    {"team-drops", SETTING_FLAG, SLOT(team_drops), 0, 0, NULL,
     "a change of team takes away the old team's skills"},
    {"team-acquires", SETTING_FLAG, SLOT(team_acquires), 0, 0, NULL,
     "a change of team gives the new team's skills, at its levels"},
    {"team-skills-now", SETTING_FLAG, SLOT(team_skills_now), 0, 0, NULL,
     "a change of settings gives the skills of team-skills to present members too"},
    {"preset", SETTING_TEXT, SLOT(preset), 0, 0, NULL,
     "TEAM:SKILL:LEVEL:SECONDS; ...: levels of those who have the skill, for so long"},
    {"jit", SETTING_TEXT, SLOT(jit), 0, 0, NULL,
     "TEAM:ROLE: a first log-in makes each user there just before its create"},
    {"default-role", SETTING_TEXT, SLOT(default_role), 0, 0, NULL,
     "role that SCIM gives to whoever would have none"},
    {"softphone", SETTING_FLAG, SLOT(softphone), 0, 0, NULL,
     "SCIM gives a default phone to whoever has none"},
    {"mail-lower", SETTING_FLAG, SLOT(mail_lower), 0, 0, NULL, "mail is kept in lower case"},
    {"login-is-mail", SETTING_FLAG, SLOT(login_is_mail), 0, 0, NULL,
     "a login must be the mail"},
    {"login-characters", SETTING_TEXT, SLOT(login_characters), 0, 0, NULL,
     "a login may have no others than these"},
    {"no-skills", SETTING_FLAG, SLOT(no_skills), 0, 0, NULL,
     "requests that name skills answer 403: the account lacks \"Manage Skills\""},
    {"visible-teams", SETTING_TEXT, SLOT(visible_teams), 0, 0, NULL,
     "TEAM,TEAM: the account sees these alone, and who is in them"},
    {"account-is-user", SETTING_FLAG, SLOT(account_is_user), 0, 0, NULL,
     "the account's tokens are void while the user of that login is gone or disabled"},
    {"seats", SETTING_NUMBER, SLOT(seats), 0, 10000000, NULL,
     "more enabled users than that are refused (0: no limit)"},
    {"seats-status", SETTING_NUMBER, SLOT(seats_status), 400, 499, NULL,
     "status of that refusal (400)"},
    {"default-team", SETTING_TEXT, SLOT(default_team), 0, 0, NULL,
     "team of users made over SCIM (the first team)"},
};

void settings_init(struct settings *s)
{
    *s = (struct settings){.token_lifetime = 3600, .seats_status = 400};
}

void settings_done(struct settings *s)
{
    for (size_t i = 0; i < ELEMENTS(table); i++) {
        char **text = (void *)((char *)s + table[i].offset);
        if (table[i].kind != SETTING_TEXT)
            continue;
        free(*text);
        *text = NULL;
    }
}

static int set_word(const struct setting *t, int *slot, const char *value)
{
    for (int i = 0; t->words[i]; i++) {
        if (strcmp(t->words[i], value) != 0)
            continue;
        *slot = i;
        return 0;
    }
    return -1;
}

static int set_flag(bool *slot, const char *value)
{
    bool on = !strcmp(value, "true") || !strcmp(value, "yes");
    if (!on && strcmp(value, "false") != 0 && strcmp(value, "no") != 0)
        return -1;
    *slot = on;
    return 0;
}

int settings_set(struct settings *s, const char *name, const char *value)
{
    for (size_t i = 0; i < ELEMENTS(table); i++) {
        const struct setting *t = &table[i];
        if (strcmp(t->name, name) != 0)
            continue;
        void *slot = (char *)s + t->offset;
        char **text = slot;
        switch (t->kind) {
        case SETTING_FLAG: return set_flag(slot, value);
        case SETTING_NUMBER: return text_number(value, t->low, t->high, slot) ? 0 : -1;
        case SETTING_WORD: return set_word(t, slot, value);
        case SETTING_TEXT:
            free(*text);
            *text = *value ? text_copy(value) : NULL;
            return 0;
        }
    }
    return -1;
}

json_t *settings_write(const struct settings *s)
{
    json_t *out = json_object();
    for (size_t i = 0; i < ELEMENTS(table); i++) {
        const struct setting *t = &table[i];
        const void *slot = (const char *)s + t->offset;
        json_t *value = NULL;
        const char *const *text = slot;
        switch (t->kind) {
        case SETTING_FLAG: value = json_boolean(*(const bool *)slot); break;
        case SETTING_NUMBER: value = json_integer(*(const long *)slot); break;
        case SETTING_WORD: value = json_string(t->words[*(const int *)slot]); break;
        case SETTING_TEXT: value = *text ? json_string(*text) : json_null(); break;
        }
        json_object_set_new(out, t->name, value);
    }
    return out;
}

void settings_help(void)
{
    for (size_t i = 0; i < ELEMENTS(table); i++)
        printf("  --%-18s %s\n", table[i].name, table[i].help);
}
