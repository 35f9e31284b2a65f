/* Who has which role, team and skill, as the lines of the audit say, against what the engine knows
 * of its users: asked after every read of every test of the engine, for what a user ever had. */
#include "config.h"

#include "engine-bed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "audit/audit.h"
#include "audit/holdings.h"
#include "base/text.h"
#include "model/user.h"
#include "state/link.h"
#include "state/person.h"
#include "state/trail.h"
#include "unit.h"

struct look {
    struct bed *b;
    struct audit_who who;
    const struct holdings *holdings;
    size_t n_seen; /* holders whose links were seen */
};

static int write_line(int64_t seq, const char *line, void *userdata)
{
    (void)seq;
    return fprintf(userdata, "%s\n", line) < 0 ? -EIO : 0;
}

/* In memory; who reads it takes the path. */
static int write_lines(struct bed *b, char path[static 64])
{
    struct error e = {0};
    int fd = memfd_create("audit", MFD_CLOEXEC), second = dup(fd);
    FILE *out = fdopen(second, "w");
    assert_non_null(out);
    bed_ok(b, trail_each(b->state, 0, write_line, out, &e));
    assert_int_equal(fclose(out), 0);
    snprintf(path, 64, "/proc/self/fd/%d", fd);
    return fd;
}

static void see(struct bed *b, const char *what, const char *name)
{
    char text[300];
    snprintf(text, sizeof(text), "%s:%s", what, name);
    assert_int_equal(string_list_add_once(&b->seen, text), 0);
}

static int see_link(const struct link *l, void *userdata)
{
    struct bed *b = userdata;
    struct error e = {0};
    CLEANUP(user_freep) struct user *known = NULL;
    if (!l->known)
        return 0;
    bed_ok(b, user_from_json(&known, l->known, &e));
    if (user_get(known, USER_TEAM))
        see(b, "team", user_get(known, USER_TEAM));
    for (size_t i = 0; i < known->n_roles; i++)
        see(b, "role", known->roles[i].name);
    for (size_t i = 0; i < known->n_skills; i++)
        see(b, "skill", known->skills[i].name);
    return 0;
}

/* Is it had? *ret_level: of a skill. */
static bool has(const struct user *u, const char *what, const char *name, unsigned *ret_level)
{
    const struct user_skill *skill = strcmp(what, "skill") == 0 ? user_skill(u, name) : NULL;
    *ret_level = skill ? skill->level : 0;
    if (strcmp(what, "team") == 0)
        return text_equal(user_get(u, USER_TEAM), name);
    return strcmp(what, "role") == 0 ? user_role(u, name) != NULL : skill != NULL;
}

static const struct audit_holder *holder_of(const struct audit_who *w, const char *id)
{
    for (size_t i = 0; i < w->n_people; i++)
        if (text_equal(w->people[i]->id, id))
            return w->people[i];
    return NULL;
}

/* What the tenant gave by itself no line tells of, nor what nobody wants of rosterd. */
static bool is_told(struct bed *b, const struct link *l, const struct audit_who *w)
{
    CLEANUP(user_freep) struct user *quirks = NULL, *wanted = NULL;
    struct person p = {0};
    struct error e = {0};
    unsigned level;
    bed_ok(b, user_from_json_if_any(&quirks, l->quirks, &e));
    if (person_load(b->state, l->entry_id, &p, &e) == 0)
        bed_ok(b, user_from_json_if_any(&wanted, p.wanted, &e));
    person_done(&p);
    if (strcmp(w->field, "team") == 0)
        return wanted && !(quirks && user_get(quirks, USER_TEAM));
    return wanted && !(quirks && has(quirks, w->field, w->name, &level));
}

/* Tests put links of users there whom no line gave. */
static bool is_untold(const struct look *k, const struct link *l, const struct user *known)
{
    CLEANUP(string_list_done) struct string_list fields = {0};
    struct error e = {0};
    int r = holdings_compare(k->holdings, l->entry_id, known, NULL, NULL, &fields, &e);
    return r == HOLDINGS_NONE;
}

static int check_link(const struct link *l, void *userdata)
{
    struct look *k = userdata;
    CLEANUP(user_freep) struct user *known = NULL;
    struct error e = {0};
    unsigned level;
    const struct audit_holder *h = holder_of(&k->who, l->entry_id);
    k->n_seen += h != NULL;
    if (l->known)
        bed_ok(k->b, user_from_json(&known, l->known, &e));
    bool here = known && l->status != LINK_DELETED && !l->gone;
    bool had = here && has(known, k->who.field, k->who.name, &level);
    if (here && (is_untold(k, l, known) || !is_told(k->b, l, &k->who)))
        return 0;
    if (had != (h != NULL))
        fail_msg("%s: the audit says that %s %s the %s %s (known: %s, status %d, gone %d)", l->entry_id,
                 l->login, h ? "has" : "has not", k->who.field, k->who.name, l->known, l->status, l->gone);
    if (h && level && (!h->value || strtoul(h->value, NULL, 10) != level))
        fail_msg("%s: level %s in the audit, %u is known", l->login, h->value ? h->value : "none", level);
    if (h && !text_equal(h->login, l->login))
        fail_msg("%s: called %s in the audit, %s is known", l->entry_id, h->login, l->login);
    if (h && h->disabled != (l->status == LINK_DISABLED))
        fail_msg("%s is %s by the audit, status %d is known", l->login, h->disabled ? "disabled" : "not disabled",
                 l->status);
    return 0;
}

static void check_one(struct bed *b, const struct holdings *holdings, char *what, const char *path)
{
    char *name = strchr(what, ':');
    struct error e = {0};
    size_t n = 0;
    *name++ = '\0';
    struct look k = {.b = b, .who = {.field = what, .name = name}, .holdings = holdings};
    bed_ok(b, audit_who(&k.who, &path, 1, &e));
    bed_ok(b, link_each(b->state, check_link, &k, &e));
    n = k.who.n_people;
    if (n != k.n_seen)
        fail_msg("%zu have the %s %s by the audit, of whom %zu have no link", n, what, name, n - k.n_seen);
    audit_who_done(&k.who);
}

/* One of them each time: there are many reads. */
void bed_check_who(struct bed *b, const struct holdings *holdings)
{
    struct error e = {0};
    char path[64], what[300];
    bed_ok(b, link_each(b->state, see_link, b, &e));
    if (b->seen.n_items == 0 || b->two_tenants)
        return;
    int fd = write_lines(b, path);
    snprintf(what, sizeof(what), "%s", b->seen.items[b->n_asked++ % b->seen.n_items]);
    check_one(b, holdings, what, path);
    close(fd);
}
