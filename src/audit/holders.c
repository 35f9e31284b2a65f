/* Who has it is an object of its own; of all others who matter known.h keeps what they are. */
#include "config.h"

#include "audit/holders.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "model/json.h"

static void holder_free(struct audit_holder *h)
{
    free(h->id);
    free(h->login);
    free(h->dn);
    free(h->value);
    free(h->place);
    free(h->approved_by);
    free(h);
}

void audit_who_done(struct audit_who *w)
{
    for (size_t i = 0; i < w->n_people; i++)
        holder_free(w->people[i]);
    free(w->people);
    audit_doubts_done(&w->doubts);
    w->people = NULL;
    w->n_people = 0;
}

void holders_done(struct login_holders *k)
{
    for (size_t i = 0; i < k->ids.n_slots; i++)
        if (k->ids.slots[i].holder)
            holder_free(k->ids.slots[i].holder);
    known_done(&k->ids);
    known_done(&k->logins);
}

static const char *key_of(const json_t *person)
{
    const char *id = json_text_of(person, "id");

    return id ? id : json_text_of(person, "dn");
}

struct audit_holder *holders_get(struct login_holders *k, const json_t *person, bool make)
{
    const char *key = key_of(person);
    struct known_person *p = key ? known_get(&k->ids, key, strlen(key)) : NULL;

    if (!p && key && make)
        p = known_put(&k->ids, key, strlen(key));
    if (!p || p->holder)
        return p ? p->holder : NULL;
    p->holder = calloc(1, sizeof(*p->holder));
    if (!p->holder)
        return NULL;
    p->holder->disabled = p->disabled;
    p->holder->gone = p->gone;
    return text_replace(&p->holder->id, json_text_of(person, "id")) < 0 ? NULL : p->holder;
}

struct audit_holder *holders_called(const struct login_holders *k, const char *key)
{
    const struct known_person *p = known_get(&k->logins, key, strlen(key));

    return p ? p->holder : NULL;
}

static int forget_login(struct login_holders *k, const struct audit_holder *h)
{
    CLEANUP(freep) char *key = h->login ? text_fold(h->login, strlen(h->login)) : NULL;
    struct known_person *p = key ? known_get(&k->logins, key, strlen(key)) : NULL;

    if (p && p->holder == h)
        p->holder = NULL;
    return h->login && !key ? -ENOMEM : 0;
}

int holders_call(struct login_holders *k, struct audit_holder *h, const char *login)
{
    CLEANUP(freep) char *key = login ? text_fold(login, strlen(login)) : NULL;
    struct known_person *p;

    if (!login || (h->login && strcmp(h->login, login) == 0))
        return 0;
    if (!key || forget_login(k, h) < 0)
        return -ENOMEM;
    p = known_put(&k->logins, key, strlen(key));
    if (!p)
        return -ENOMEM;
    if (p->holder && !p->holder->gone) /* who is gone may be found again, by another login */
        p->holder->holds = false;
    p->holder = h;
    return text_replace(&h->login, login);
}

int holders_settle(struct login_holders *k, const json_t *person)
{
    const char *key = key_of(person);
    struct known_person *p = key ? known_get(&k->ids, key, strlen(key)) : NULL;
    struct audit_holder *h = p ? p->holder : NULL;

    if (!h || h->holds || h->renamed)
        return 0;
    if (forget_login(k, h) < 0)
        return -ENOMEM;
    p->disabled = h->disabled;
    p->gone = h->gone;
    p->holder = NULL;
    holder_free(h);
    return 0;
}

static int by_login(const void *a, const void *b)
{
    const struct audit_holder *x = *(struct audit_holder *const *)a;
    const struct audit_holder *y = *(struct audit_holder *const *)b;
    int r = strcmp(x->login ? x->login : "", y->login ? y->login : "");

    return r ? r : strcmp(x->id ? x->id : "", y->id ? y->id : "");
}

int holders_gather(struct login_holders *k, struct audit_who *w)
{
    size_t n = 0;

    for (size_t i = 0; i < k->ids.n_slots; i++)
        n += k->ids.slots[i].holder != NULL;
    w->people = calloc(n + 1, sizeof(struct audit_holder *));
    if (!w->people)
        return -ENOMEM;
    for (size_t i = 0; i < k->ids.n_slots; i++) {
        struct audit_holder **h = &k->ids.slots[i].holder;

        if (*h && (*h)->holds && !(*h)->gone)
            w->people[w->n_people++] = TAKE(*h);
    }
    if (w->n_people)
        qsort((void *)w->people, w->n_people, sizeof(struct audit_holder *), by_login);
    return 0;
}
