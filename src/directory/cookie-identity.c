/*
 * Builds and compares the identity of a cookie. It is JSON, so that a person can read in the
 * state file what a cookie was good for.
 */
#include "config.h"

#include "directory/cookie-identity.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/memory.h"
#include "directory/environment.h"
#include "directory/rootdse.h"
#include "model/json.h"

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static json_t *sorted_names(char *const *names, size_t n)
{
    const char **sorted = calloc(n + 1, sizeof(*sorted));
    json_t *list = json_array();
    for (size_t i = 0; sorted && i < n; i++)
        sorted[i] = names[i];
    if (sorted)
        qsort(sorted, n, sizeof(*sorted), compare_text);
    for (size_t i = 0; sorted && list && i < n; i++)
        json_array_append_new(list, json_string(sorted[i]));
    free(sorted);
    return list;
}

static json_t *asked_attributes(char *const *attributes)
{
    size_t n = 0;
    while (attributes && attributes[n])
        n++;
    return sorted_names(attributes, n);
}

/* What decides what is made of an entry belongs to it as well, since nobody who was read before is
 * read again by a cookie: what is kept of what is asked for, which attribute is the login of a
 * memberUid, and all else (the classes of people and groups, the schema, this version). */
char *cookie_identity(const struct feed_environment *env, unsigned search,
                      enum directory_feed_kind kind, const char *server_uri, uint64_t usn)
{
    const struct feed_search *s = &env->searches[search];
    const struct rootdse *d = env->server;
    const struct decoder *decoder = &env->decoder;
    const char *bind = env->options->bind_dn ? env->options->bind_dn : env->options->principal;
    char form[DIGEST_TEXT_SIZE];
    if (digest_parts(form, &(struct digest_part){decoder->form, sizeof(decoder->form)}, 1) < 0)
        return NULL;
    json_auto_t *j = json_pack(
        "{s:s, s:s, s:s*, s:s*, s:s*, s:s, s:i, s:s, s:o, s:o, s:s*, s:i, s:s, s:s*, s:s}", "feed",
        directory_feed_name(kind), "product", d->product_text, "suffix", d->suffix_ids[search],
        "invocation", d->invocation_id, "uri", server_uri, "base", s->base, "scope", s->scope,
        "filter", s->filter, "attributes", asked_attributes(env->attributes), "kept",
        sorted_names(decoder->wanted.items, decoder->wanted.n_items), "bind", bind, "bind_method",
        (int)env->options->bind, "id", decoder->id_attribute, "login_attribute",
        decoder->login_attribute, "way of reading", form);
    if (j && usn > 0)
        json_object_set_new(j, "usn", json_integer((json_int_t)usn));
    return j ? json_to_text(j, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
}

static bool usn_is_plausible(json_t *stored, json_t *current)
{
    json_t *before = json_object_get(stored, "usn"), *now = json_object_get(current, "usn");
    return !before || (now && json_integer_value(before) <= json_integer_value(now));
}

bool cookie_identity_matches(const char *stored, const char *current, char *why, size_t n)
{
    json_auto_t *a = stored ? json_loads(stored, 0, NULL) : NULL;
    json_auto_t *b = current ? json_loads(current, 0, NULL) : NULL;
    if (!json_is_object(a) || !json_is_object(b)) {
        snprintf(why, n, "nothing is known of where it came from");
        return false;
    }
    if (!usn_is_plausible(a, b)) {
        snprintf(why, n, "the server has gone back in time (its highestCommittedUSN is lower)");
        return false;
    }
    json_object_del(a, "usn");
    json_object_del(b, "usn");
    const char *key;
    json_t *value;
    json_object_foreach (a, key, value) {
        if (!json_equal(value, json_object_get(b, key))) {
            snprintf(why, n, "its %s differs", key);
            return false;
        }
    }
    if (json_object_size(a) != json_object_size(b)) {
        snprintf(why, n, "it was made with other settings");
        return false;
    }
    return true;
}
