/* Asks for bases that are not there until they are. */
#include "config.h"

#include "directory/bases.h"

#include <ldap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/random.h"
#include "base/timer.h"
#include "directory/environment.h"
#include "directory/libldap.h"
#include "directory/search.h"

struct bases {
    struct feed_environment *env;
    sd_event_source *timer;
    struct search *search;
    unsigned at; /* the one that is asked for */
    bool found, any_found;
    unsigned n_attempts;
    uint64_t next_usec;
    char doubt[FEED_DOUBT_SIZE]; /* "": all can be seen */
};

char *bases_sentence(const struct feed_search *s, char ret[static FEED_DOUBT_SIZE])
{
    if (libldap_is_no_answer(s->base_code))
        snprintf(ret, FEED_DOUBT_SIZE,
                 "the server does not answer whether the base %.200s is there: %s (LDAP code %d)",
                 s->base, ldap_err2string(s->base_code), s->base_code);
    else
        snprintf(ret, FEED_DOUBT_SIZE, "the base %.200s itself cannot be seen by this account",
                 s->base);
    return ret;
}

/* A read that began while it was hidden proves nothing: another one, which may. */
bool bases_note(struct feed_environment *env, unsigned search, bool found, int code,
                char ret_why[static FEED_DOUBT_SIZE])
{
    struct feed_search *s = &env->searches[search];
    bool was_visible = s->base_visible;
    s->base_visible |= found;
    s->base_missing = !found;
    s->base_code = code;
    if (found) {
        if (!was_visible)
            feed_doubts(env, "a base can be seen now");
        return true;
    }
    snprintf(ret_why, FEED_DOUBT_SIZE,
             "the base %.200s was not there any more when its read ended (%s): a server behind "
             "this one may be away",
             s->base, ldap_err2string(code));
    if (was_visible || libldap_is_no_answer(code))
        feed_unanswered(env, ret_why);
    feed_base_hidden(env);
    return false;
}

static bool any_missing(const struct bases *b)
{
    for (unsigned i = 0; i < b->env->n_searches; i++)
        if (b->env->searches[i].base_missing)
            return true;
    return false;
}

static void arm(struct bases *b)
{
    uint64_t wait = backoff_wait(FEED_ASK_AGAIN_MIN_USEC, FEED_ASK_AGAIN_MAX_USEC, ++b->n_attempts,
                                 random_number());
    b->next_usec = clock_steady_usec() + wait;
    for (unsigned i = b->env->n_searches; i-- > 0;)
        if (b->env->searches[i].base_missing)
            bases_sentence(&b->env->searches[i], b->doubt);
    timer_arm(b->timer, wait);
}

static int ask(struct bases *b, struct error *e);

static void end_round(struct bases *b)
{
    if (b->any_found)
        feed_doubts(b->env, "a base can be seen now");
    b->doubt[0] = '\0';
    if (any_missing(b)) {
        arm(b);
        return;
    }
    b->n_attempts = 0;
}

static int on_entry(LDAP *ld, LDAPMessage *m, void *userdata, struct error *e)
{
    (void)ld, (void)m, (void)e;
    struct bases *b = userdata;
    b->found = true;
    return 0;
}

static void on_done(struct search *s, const struct search_outcome *outcome, void *userdata)
{
    (void)s;
    struct bases *b = userdata;
    struct feed_search *search = &b->env->searches[b->at];
    struct error e = {0};
    search->base_code = outcome->code;
    search->base_missing = !b->found;
    if (b->found)
        search->base_visible = b->any_found = true;
    b->search = search_free(b->search);
    b->at++;
    int r = ask(b, &e);
    if (r < 0)
        feed_failed(b->env, r, &e);
}

static void on_failed(struct search *s, int r, const struct error *e, void *userdata)
{
    (void)s;
    const struct bases *b = userdata;
    feed_failed(b->env, r, e);
}

/* The next one that is missing, or the end. */
static int ask(struct bases *b, struct error *e)
{
    static const char *const nothing[] = {"1.1", NULL};
    static const struct search_events events = {
        .entry = on_entry, .done = on_done, .failed = on_failed};
    struct feed_environment *env = b->env;
    while (b->at < env->n_searches && !env->searches[b->at].base_missing)
        b->at++;
    if (b->at == env->n_searches) {
        end_round(b);
        return 0;
    }
    struct search_request q = {
        .base = env->searches[b->at].base,
        .scope = LDAP_SCOPE_BASE,
        .filter = "(objectClass=*)",
        .attributes = nothing,
        .referrals = DIRECTORY_REFERRALS_IGNORE,
        .timeout_usec = env->options->search_timeout_usec,
    };
    b->found = false;
    return search_start(&b->search, env->session, &q, &events, b, e);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)source, (void)usec;
    struct bases *b = userdata;
    struct error e = {0};
    if (b->search)
        return 0;
    b->at = 0;
    b->any_found = false;
    int r = ask(b, &e);
    if (r < 0)
        feed_failed(b->env, r, &e);
    return 0;
}

void bases_ask_again(struct bases *b)
{
    if (any_missing(b) && !b->search && !timer_is_armed(b->timer))
        arm(b);
}

const char *bases_doubt(const struct bases *b, uint64_t *ret_next_usec)
{
    *ret_next_usec = b->next_usec;
    return b->doubt[0] ? b->doubt : NULL;
}

int bases_new(struct bases **ret, struct feed_environment *env, struct error *e)
{
    struct bases *b = calloc(1, sizeof(*b));
    if (!b)
        return error_out_of_memory(e);
    b->env = env;
    int r = timer_add(env->event, &b->timer, on_timer, b);
    if (r < 0) {
        bases_free(b);
        return error_set(e, r, "cannot make a timer: %s", strerror(-r));
    }
    bases_ask_again(b);
    *ret = b;
    return 0;
}

struct bases *bases_free(struct bases *b)
{
    if (!b)
        return NULL;
    search_free(b->search);
    b->timer = sd_event_source_disable_unref(b->timer);
    free(b);
    return NULL;
}
