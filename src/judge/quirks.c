/*
 * What the tenant does by itself, as it shows after a write: values in another form, skills and
 * roles that come with a team. What is known is what it shows; what it did by itself is kept
 * apart, since it is neither drift nor ours to take away. Pure.
 */
#include "config.h"

#include "judge/quirks.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/text.h"

static bool is_phone(enum user_field f)
{
    return f == USER_WORK_PHONE || f == USER_MOBILE_PHONE;
}

/* Another number is not another form: the digits at the end are the same. */
static bool same_number(const char *a, const char *b)
{
    size_t i = strlen(a), j = strlen(b), n = 0;
    for (;;) {
        while (i && !isdigit((unsigned char)a[i - 1]))
            i--;
        while (j && !isdigit((unsigned char)b[j - 1]))
            j--;
        if (!i || !j || a[i - 1] != b[j - 1])
            break;
        i--, j--, n++;
    }
    return n >= 4 || (!i && !j && n);
}

static bool same_text(const char *a, const char *b)
{
    return text_equal_fold(a, b);
}

/* May `shown` be what the tenant makes of `sent`? */
static bool is_form_of(enum user_field f, const char *sent, const char *shown)
{
    return is_phone(f) ? same_number(sent, shown) : same_text(sent, shown);
}

bool quirks_same(enum user_field f, const char *a, const char *b)
{
    return (f == USER_EMAIL && same_text(a, b)) || (is_phone(f) && same_number(a, b));
}

static bool can_have_form(enum user_field f)
{
    return f != USER_LOGIN && f != USER_TEAM && f != USER_EXTENSION;
}

int quirks_learn_field(enum user_field f, const char *sent, const char *before, const char *shown,
                       struct user *known, struct user *quirks)
{
    bool form = sent && shown && can_have_form(f) && !text_equal(sent, shown) &&
                (is_form_of(f, sent, shown) || !text_equal(before ? before : "", shown));
    int r = user_set(quirks, f, form ? sent : NULL, NULL);
    return r < 0 ? r : user_set(known, f, form ? shown : sent, NULL);
}

static int learn_created_fields(const struct user *wanted, const struct user *after, bool at_once,
                                struct user *known, struct user *quirks)
{
    int r = 0;
    for (int i = 0; i < USER_N_FIELDS && r == 0; i++) {
        enum user_field f = (enum user_field)i;
        const char *sent = user_get(wanted, f), *shown = user_get(after, f);
        bool managed = sent && *sent;
        if (f == USER_LOGIN)
            r = user_set(known, f, sent, NULL);
        else if (!managed || !shown || !can_have_form(f) ||
                 (!at_once && !is_form_of(f, sent, shown)))
            r = user_set(known, f, shown, NULL); /* what is missing is given by a change */
        else
            r = quirks_learn_field(f, sent, NULL, shown, known, quirks);
    }
    return r;
}

int quirks_learn_created(const struct user *wanted, const struct user *after, bool at_once,
                         struct user *known, struct user *quirks)
{
    int r = learn_created_fields(wanted, after, at_once, known, quirks);
    for (size_t i = 0; i < after->n_roles && r == 0; i++) {
        const char *name = after->roles[i].name;
        r = user_add_role(user_role(wanted, name) ? known : quirks, name, NULL);
    }
    for (size_t i = 0; i < after->n_skills && r == 0; i++) {
        const struct user_skill *s = &after->skills[i];
        r = user_add_skill(user_skill(wanted, s->name) ? known : quirks, s->name, s->level, NULL);
    }
    for (size_t i = 0; i < wanted->n_skills && r == 0; i++)
        if (!wanted->skills[i].level) /* no level and no skill are one to some tenants */
            r = user_add_skill(known, wanted->skills[i].name, 0, NULL);
    known->disabled = after->disabled;
    return r;
}

int quirks_learn_late(const struct user *now, struct user *known, struct user *quirks)
{
    int r = 0;
    for (int i = 0; i < USER_N_FIELDS && r == 0; i++) {
        enum user_field f = (enum user_field)i;
        const char *sent = user_get(known, f), *shown = user_get(now, f);
        bool form = sent && *sent && shown && can_have_form(f) && !text_equal(sent, shown) &&
                    is_form_of(f, sent, shown);
        if (form)
            r = user_set(quirks, f, sent, NULL);
        if (form && r == 0)
            r = user_set(known, f, shown, NULL);
    }
    for (size_t i = 0; i < now->n_roles && r == 0; i++)
        if (!user_role(known, now->roles[i].name))
            r = user_add_role(quirks, now->roles[i].name, NULL);
    for (size_t i = 0; i < now->n_skills && r == 0; i++)
        if (!user_skill(known, now->skills[i].name))
            r = user_add_skill(quirks, now->skills[i].name, now->skills[i].level, NULL);
    return r;
}

int quirks_learn_moved(const struct user *quirks, const struct user *known,
                       const struct user *before, const struct user *after, struct user *ret)
{
    int r = user_copy_fields(ret, quirks);
    for (size_t i = 0; i < quirks->n_roles && r == 0; i++)
        r = user_add_role(ret, quirks->roles[i].name, NULL);
    for (size_t i = 0; i < after->n_skills && r == 0; i++) {
        const struct user_skill *s = &after->skills[i];
        bool came = !user_skill(before, s->name) || user_skill(quirks, s->name);
        if (came && !user_skill(known, s->name))
            r = user_add_skill(ret, s->name, s->level, NULL);
    }
    return r;
}

bool quirks_shows(const struct user *quirks, enum user_field f, const char *wanted,
                  const char *known)
{
    const char *sent = quirks ? user_get(quirks, f) : NULL;
    return sent && known && *known && text_equal(sent, wanted);
}

bool quirks_as_wanted(const struct user *wanted, const struct user *known,
                      const struct user *quirks)
{
    if (wanted->disabled != known->disabled)
        return false;
    for (int i = 0; i < USER_N_FIELDS; i++) {
        const char *w = user_get(wanted, (enum user_field)i),
                   *k = user_get(known, (enum user_field)i);
        if (w && !text_equal(w, k ? k : "") && !quirks_shows(quirks, (enum user_field)i, w, k))
            return false;
    }
    for (size_t i = 0; i < wanted->n_roles; i++)
        if (!user_role(known, wanted->roles[i].name))
            return false;
    for (size_t i = 0; i < wanted->n_skills; i++) {
        const struct user_skill *k = user_skill(known, wanted->skills[i].name);
        if (!k || k->level != wanted->skills[i].level)
            return false;
    }
    return true;
}
