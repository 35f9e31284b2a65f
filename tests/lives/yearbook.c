/*
 * Some evenings are written down as the tenant shows them; when a life is over, the audit is asked
 * about each of them.
 */
#include "config.h"

#include "yearbook.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "audit/audit.h"
#include "base/error.h"
#include "company.h"
#include "habits.h"
#include "hands.h"
#include "oracle.h"
#include "shape.h"
#include "tenant.h"
#include "world.h"

#define EVENINGS    2
#define PEOPLE_MOST 64

static struct {
    char at[24]; /* by the wall clock */
    struct {
        const struct person *person;
        char login[40];
        struct dues has;
    } people[PEOPLE_MOST]; /* who had a user */
    size_t n;
} evenings[EVENINGS];
static unsigned n_noted;

void yearbook_begin(void)
{
    n_noted = 0;
    memset(evenings, 0, sizeof(evenings));
}

void yearbook_note(void)
{
    unsigned which = n_noted++ % EVENINGS;
    time_t now = (time_t)(world.wall_usec / SECOND);
    struct tm tm;
    gmtime_r(&now, &tm);
    strftime(evenings[which].at, sizeof(evenings[which].at), "%Y-%m-%dT%H:%M:%S", &tm);
    evenings[which].n = 0;
    for (size_t i = 0; i < company.n_people && evenings[which].n < PEOPLE_MOST; i++) {
        const struct person *p = company.people[i];
        struct dues has;
        bool settled = world.steady_usec - p->changed_usec > 2 * HOUR &&
                       world.steady_usec - p->written_usec > MINUTE;
        /* What somebody else did there, the audit has when rosterd has looked. */
        if (!settled || p->forgotten || p->disabled_before || hands_any(p) || habits_hold(p) ||
            p->apart_until_usec || *p->old_login || strcmp(p->login, API_USER) == 0 ||
            !tenant_dues(p->login, &has))
            continue;
        size_t n = evenings[which].n++;
        evenings[which].people[n].person = p;
        evenings[which].people[n].has = has;
        snprintf(evenings[which].people[n].login, 40, "%s", p->login);
    }
}

static const struct audit_holder *find(const struct audit_who *w, const char *login)
{
    for (size_t i = 0; i < w->n_people; i++) {
        const struct audit_holder *h = w->people[i];
        if (strcasecmp(h->login, login) == 0 && h->holds && !h->gone)
            return h;
    }
    return NULL;
}

static void check(unsigned which, enum due fact, const struct audit_who *w)
{
    for (size_t i = 0; i < evenings[which].n; i++) {
        const char *login = evenings[which].people[i].login;
        const struct audit_holder *told = find(w, login);
        int had = evenings[which].people[i].has.of[fact];
        if (evenings[which].people[i].person->erased)
            continue;
        world.n_checks++;
        if (!told != !had)
            broken(12, "%s had %s%s on %s, and the audit says %s", login, had ? "" : "not ",
                   due_names[fact], evenings[which].at, told ? "so" : "not");
        else if (told && told->value && atoi(told->value) != had)
            broken(12, "%s had %s %d on %s, and the audit says %s", login, due_names[fact], had,
                   evenings[which].at, told->value);
    }
}

/* By no rule that each company has. */
static bool is_drawn_alone(enum due fact)
{
    return fact == DUE_COACH || fact == DUE_AUDITOR || fact == DUE_FRENCH || fact == DUE_CHAT;
}

void yearbook_check(const char *const *files, size_t n_files)
{
    if (world.was_turned_back) /* of two evenings by one clock nobody knows which is meant */
        return;
    for (unsigned which = 0; which < EVENINGS; which++) {
        for (enum due fact = DUE_AGENT; fact < DUES && evenings[which].n; fact++) {
            if ((!shape_is() && is_drawn_alone(fact)) || habits_give(fact))
                continue;
            struct error e = {0};
            struct audit_who w = {.field = fact < DUE_ENGLISH ? "role" : "skill",
                                  .name = due_names[fact],
                                  .at = evenings[which].at};
            seen(POINT_YEARBOOK);
            if (audit_who(&w, files, n_files, &e) < 0)
                broken(12, "nobody can say who had %s: %s", due_names[fact], e.message);
            else
                check(which, fact, &w);
            audit_who_done(&w);
        }
    }
}
