/* The tenant's habits, each by a setting of the simulator (habits.h). */
#include "config.h"

#include "habits.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "company.h"
#include "directory.h"
#include "plan.h"
#include "rules.h"
#include "simulated.h"
#include "tenant.h"
#include "world.h"

extern struct simulator tenant;

static const struct habit {
    const char *name, *setting, *value;
} table[HABITS] = {
    [HABIT_GIVES] = {"gives skills of teams", "team-skills",
                     "Customer Service:French:40; Sales:Chat:30; Back Office:Chat:60"},
    [HABIT_DROPS] = {"drops skills of teams", "team-drops", "yes"},
    [HABIT_ACQUIRES] = {"gives them to movers", "team-acquires", "yes"},
    [HABIT_PHONES] = {"phones as digits", "phone-digits", "yes"},
    [HABIT_MAIL] = {"mail in lower case", "mail-lower", "yes"},
    [HABIT_MAKES] = {"log-ins make users", "jit", "Back Office:Agent"},
    [HABIT_ROLE] = {"a default role", "default-role", "Guest"},
    [HABIT_MERGES] = {"merges skills", "merge-skills", "yes"},
    [HABIT_ZERO] = {"zero takes a skill", "zero-removes", "yes"},
    [HABIT_VALUES] = {"roles as values", "roles-as-values", "yes"},
    [HABIT_STRICT] = {"is strict", "strict-scim", "yes"},
    [HABIT_DATES] = {"old dates", "old-dates", "yes"},
    [HABIT_SOFTPHONE] = {"softphones", "softphone", "yes"},
    [HABIT_LIFETIME] = {"lifetime as a number", "expires-in", "number"},
    [HABIT_ERRORS] = {"errors as JSON", "errors", "json"},
    [HABIT_PRESET] = {"preset", "preset", NULL},
};

static bool has[HABITS];

const char *habit_name(enum habit_kind k)
{
    return table[k].name;
}

static enum habit_kind kind_of(const struct happening *h)
{
    unsigned k = 0;
    while (k < HABITS && strcmp(table[k].name, h->to) != 0)
        k++;
    return (enum habit_kind)k;
}

void habits_begin(const struct plan *p)
{
    memset(has, 0, sizeof(has));
    for (size_t i = 0; i < p->n; i++) {
        enum habit_kind k = p->all[i].what == WHAT_HABIT ? kind_of(&p->all[i]) : HABITS;
        if (k == HABITS)
            continue;
        has[k] = true;
        if (table[k].value &&
            settings_set(&tenant.settings, table[k].setting, table[k].value) < 0)
            abort();
    }
}

void habits_end(void)
{
    itself_done(&tenant);
}

bool habits_any(void)
{
    for (unsigned k = 0; k < HABITS; k++)
        if (has[k])
            return true;
    return false;
}

bool habits_lower_mail(void)
{
    return has[HABIT_MAIL];
}

bool habits_make_users(void)
{
    return has[HABIT_MAKES];
}

/* ---- presets ---- */

static const char *const teams[] = {"Customer Service", "Sales", "Back Office"};

static void ends(void *userdata, uint64_t argument)
{
    (void)userdata, (void)argument;
    itself_turn(&tenant);
    for (size_t i = 0; i < company.n_people; i++) {
        struct preset *p = &company.people[i]->preset;
        if (p->fact && p->until_usec <= world.steady_usec && !p->is_doubtful)
            *p = (struct preset){0};
    }
}

/* Whoever has one already, or is in the middle of something, keeps nobody else from it: of them
 * nothing is said. */
static void affect(struct person *p, enum due fact, int level, uint64_t until_usec)
{
    struct dues is;
    if (!tenant_dues(p->login, &is) || !is.of[fact])
        return;
    p->preset = (struct preset){.fact = fact,
                                .level = level,
                                .before = is.of[fact],
                                .until_usec = until_usec,
                                .is_doubtful = p->preset.fact ||
                                               world.steady_usec - p->changed_usec < HOUR};
}

void habits_happen(const struct happening *h)
{
    static const enum due facts[] = {DUE_ENGLISH, DUE_SPANISH, DUE_BILLING};
    char text[80];
    enum due fact = facts[h->number / 3 % 3];
    const char *team = teams[h->number % 3];
    int level = 1 + (int)(h->number / 9 % 99);
    uint64_t until = world.steady_usec + h->seconds * SECOND;
    if (kind_of(h) != HABIT_PRESET || !h->at_usec)
        return;
    for (size_t i = 0; i < company.n_people; i++) {
        const struct user *u = store_user(&tenant.store, company.people[i]->login);
        if (u && u->team && strcmp(u->team->text, team) == 0)
            affect(company.people[i], fact, level, until);
    }
    snprintf(text, sizeof(text), "%s:%s:%d:%llu", team, due_names[fact], level,
             (unsigned long long)h->seconds);
    if (settings_set(&tenant.settings, "preset", text) < 0)
        abort();
    itself_settings_changed(&tenant);
    world_at(until + MINUTE, ends, NULL, 0);
    seen(POINT_PRESET);
}

void habits_touched(struct person *p)
{
    p->preset.is_doubtful = true;
}

bool habits_hold(const struct person *p)
{
    return p->preset.fact;
}

bool habits_unread(const struct person *p, enum due fact)
{
    return p->preset.fact == fact &&
           world.steady_usec < p->preset.until_usec + rules.verify_usec + 2 * HOUR;
}

/* ---- what is due all the same ---- */

/* A level that a team's skill comes with. */
static bool comes_with_team(enum due fact, int level)
{
    return has[HABIT_GIVES] && ((fact == DUE_FRENCH && level == 40) ||
                                (fact == DUE_CHAT && (level == 30 || level == 60)));
}

bool habits_give(enum due fact)
{
    return has[HABIT_GIVES] && (fact == DUE_FRENCH || fact == DUE_CHAT);
}

void habits_apply(const struct person *p, const struct dues *is, struct dues *due)
{
    const struct preset *s = &p->preset;
    for (enum due fact = DUE_ENGLISH; fact < DUES; fact++)
        if (!due->of[fact] && comes_with_team(fact, is->of[fact])) {
            due->of[fact] = is->of[fact];
            seen(POINT_TEAM_SKILL);
        }
    if (s->fact && (s->is_doubtful || is->of[s->fact] == s->level))
        due->of[s->fact] = is->of[s->fact];
}

/* ---- what no intent says ---- */

void habits_form(bool phones, char *text, size_t size)
{
    size_t n = 0;
    for (const char *c = text; *c && n + 1 < size; c++)
        if (!phones)
            text[n++] = (char)(has[HABIT_MAIL] ? tolower((unsigned char)*c) : *c);
        else if (!has[HABIT_PHONES] || isdigit((unsigned char)*c))
            text[n++] = *c;
    text[n] = '\0';
}

static bool same(bool phones, const char *a, const char *b)
{
    char x[100], y[100];
    snprintf(x, sizeof(x), "%s", a);
    snprintf(y, sizeof(y), "%s", b);
    habits_form(phones, x, sizeof(x));
    habits_form(phones, y, sizeof(y));
    if (strcmp(x, y) == 0)
        seen(POINT_OWN_FORM);
    return strcmp(x, y) == 0;
}

bool habits_explain(const char *name, const char *before, const char *after, const char *told)
{
    bool mail = strcmp(name, "email") == 0, phone = strstr(name, "_phone");
    if (has[HABIT_ROLE] && strcmp(name, "role:Guest") == 0)
        return true;
    if (has[HABIT_MERGES] && strncmp(name, "skill:", 6) == 0 && (!after || !strcmp(after, "0")))
        return !told;
    if (has[HABIT_GIVES] && (!strcmp(name, "skill:French") || !strcmp(name, "skill:Chat")))
        return !told || !after || comes_with_team(DUE_FRENCH, atoi(after)) ||
               comes_with_team(DUE_CHAT, atoi(after));
    const char *wanted = told ? told : before; /* the form alone may change in passing */
    return after && wanted && (mail || phone) && same(phone, after, wanted);
}
