#include "config.h"

#include "directory/computed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "directory/environment.h"
#include "directory/session.h"

/* Who has no value of something that nobody computes would be asked for each time. */
#define NEWCOMERS_ASKED 8

void computed_done(struct computed *c)
{
    string_list_done(&c->names);
    string_list_done(&c->passed);
}

/* Of many who come at once nobody knows yet what the first ones will show. */
static int pass(struct computed *c, const struct string_list *wanted, const struct entry *person)
{
    for (size_t i = 0; i < wanted->n_items; i++)
        if (!entry_attribute(person, wanted->items[i]) &&
            string_list_add_once(&c->passed, wanted->items[i]) < 0)
            return -ENOMEM;
    return 0;
}

static bool lacks_any(const struct string_list *wanted, const struct entry *person)
{
    for (size_t i = 0; i < wanted->n_items; i++)
        if (!entry_attribute(person, wanted->items[i]))
            return true;
    return false;
}

/* all: whatever it lacks, else what was seen to be computed. */
static int add_lacking(const struct computed *c, const struct string_list *wanted,
                       const struct entry *person, bool all, struct string_list *ret)
{
    for (size_t i = 0; i < wanted->n_items; i++) {
        const char *name = wanted->items[i];
        if ((all || string_list_contains(&c->names, name)) && !entry_attribute(person, name) &&
            string_list_add(ret, name) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int doubt_person(struct computed *c, struct feed_environment *env,
                        const struct entry *person, struct string_list *ret, struct error *e)
{
    const struct string_list *wanted = &env->decoder.wanted;
    CLEANUP(freep) char *known = NULL;
    bool asks = c->n_newcomers < NEWCOMERS_ASKED && lacks_any(wanted, person);
    int r = asks ? env->sink->known_dn(env->userdata, person->id, &known, e) : 0;
    if (r < 0)
        return r;
    if (add_lacking(c, wanted, person, asks && !known, ret) < 0 ||
        (c->n_newcomers >= NEWCOMERS_ASKED && pass(c, wanted, person) < 0))
        return error_out_of_memory(e);
    c->n_newcomers += asks && !known;
    return 0;
}

int computed_doubt(struct computed *c, struct feed_environment *env, const struct entry *entry,
                   struct string_list *ret, bool *ret_may_pass, struct error *e)
{
    CLEANUP(freep) char *lacking = NULL;
    int r = env->sink->lacking(env->userdata, entry, &lacking, e);
    if (r < 0)
        return r;
    *ret_may_pass = !lacking;
    if (lacking)
        return string_list_add(ret, lacking) < 0 ? error_out_of_memory(e) : 0;
    return entry->kind == ENTRY_PERSON ? doubt_person(c, env, entry, ret, e) : r;
}

static int learn(struct computed *c, struct feed_environment *env, const char *name, const char *dn,
                 struct error *e)
{
    if (string_list_contains(&c->names, name))
        return 0;
    if (string_list_add(&c->names, name) < 0)
        return error_out_of_memory(e);
    log_notice("%s computes %s of %s and leaves it out of what it sends for a change, so it is "
               "asked for it; where that alone changes, it is found %s",
               session_uri(env->session), name, dn,
               strcmp(name, "member") == 0
                   ? "every poll_interval for groups with a memberURL, else by full compares only"
                   : "by full compares only ([directory] full_interval)");
    if (string_list_contains(&c->passed, name))
        feed_doubts(env, "many came before it was known what the server computes");
    return 0;
}

int computed_learn(struct computed *c, struct feed_environment *env,
                   const struct string_list *doubted, const struct entry *shown, const char *dn,
                   struct error *e)
{
    CLEANUP(freep) char *still = NULL;
    int r = doubted->n_items ? env->sink->lacking(env->userdata, shown, &still, e) : 0;
    if (r == SINK_ALL_SHOWN)
        r = 0;
    for (size_t i = 0; i < doubted->n_items && r == 0; i++) {
        const char *name = doubted->items[i];
        bool is = shown->kind == ENTRY_GROUP || entry_attribute(shown, name);
        if (is && !text_equal(still, name))
            r = learn(c, env, name, dn, e);
    }
    return r;
}
