/* What feeds and batches tell goes to whoever started them. */
#include "config.h"

#include "directory/environment.h"

#include <stdlib.h>

#include "base/memory.h"
#include "model/dn.h"

void feed_failed(struct feed_environment *env, int r, const struct error *e)
{
    env->news->failed(r, e, env->owner);
}

void feed_unsupported(struct feed_environment *env, const struct error *e, bool cut)
{
    env->cut = cut;
    env->news->unsupported(e, env->owner);
}

void feed_reads_all(struct feed_environment *env)
{
    if (env->reads_all)
        env->reads_all(env->feeding);
}

void feed_caught_up(struct feed_environment *env, bool full)
{
    env->news->caught_up(full, env->owner);
}

void feed_committed(struct feed_environment *env, const struct feed_commit *commit)
{
    env->news->committed(commit, env->owner);
}

void feed_doubts(struct feed_environment *env, const char *why)
{
    env->news->doubts(why, env->owner);
}

void feed_base_hidden(struct feed_environment *env)
{
    if (env->base_hidden)
        env->base_hidden(env->feeding);
}

void feed_unanswered(struct feed_environment *env, const char *why)
{
    env->news->unanswered(why, env->owner);
}

bool feed_has_below(const struct feed_environment *env, unsigned search, const char *dn)
{
    CLEANUP(freep) char *key = NULL;
    return dn_key(env->decoder.schema, dn, &key, NULL) == 0 &&
           dn_key_is_below(key, env->searches[search].base_key);
}
