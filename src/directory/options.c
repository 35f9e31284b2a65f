/* The options: a copy, since the directory keeps its own, and what feeds and states are called. */
#include "config.h"

#include "directory/options.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "directory/feed.h"

static_assert(DIRECTORY_FEED_AUTO == 0 && DIRECTORY_FEED_SYNCREPL == 1 &&
                  DIRECTORY_FEED_DIRSYNC == 2 && DIRECTORY_FEED_POLL == 3,
              "what was refused is stored with them");

static char *copy_text(const char *text, int *r)
{
    char *copy = text ? strdup(text) : NULL;
    if (text && !copy)
        *r = -ENOMEM;
    return copy;
}

static char **copy_list(char *const *from, size_t *n, int *r)
{
    char **to = calloc(*n + 1, sizeof(*to));
    if (!to) {
        *n = 0;
        *r = -ENOMEM;
        return NULL;
    }
    for (size_t i = 0; i < *n; i++)
        to[i] = copy_text(from[i], r);
    return to;
}

/* What of the options is a text, and what a list of them. */
#define TEXT(name) offsetof(struct directory_options, name)
#define LIST(name)                                                                                 \
    {                                                                                              \
        TEXT(name), TEXT(n_##name)                                                                 \
    }
static const size_t texts[] = {
    TEXT(tls_ca_file),  TEXT(tls_ca_directory), TEXT(tls_certificate_file),
    TEXT(tls_key_file), TEXT(bind_dn),          TEXT(bind_password_file),
    TEXT(keytab),       TEXT(principal),        TEXT(filter),
    TEXT(group_filter), TEXT(id_attribute),     TEXT(login_attribute),
};
static const struct {
    size_t items, n;
} lists[] = {
    LIST(uris), LIST(bases), LIST(group_bases), LIST(referral_hosts), LIST(srv_hosts),
};

static void *at(struct directory_options *o, size_t offset)
{
    return (char *)o + offset;
}

int directory_options_copy(struct directory_options *to, const struct directory_options *from)
{
    int r = 0;
    *to = *from;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        char **text = at(to, texts[i]);
        *text = copy_text(*text, &r);
    }
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        char ***items = at(to, lists[i].items);
        *items = copy_list(*items, at(to, lists[i].n), &r);
    }
    if (r < 0)
        directory_options_done(to);
    return r;
}

void directory_options_done(struct directory_options *o)
{
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        free(*(char **)at(o, texts[i]));
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        char **items = *(char ***)at(o, lists[i].items);
        for (size_t k = 0; k < *(size_t *)at(o, lists[i].n); k++)
            free(items[k]);
        free(items);
    }
    *o = (struct directory_options){0};
}

const char *directory_feed_name(enum directory_feed_kind k)
{
    switch (k) {
    case DIRECTORY_FEED_AUTO: return "auto";
    case DIRECTORY_FEED_SYNCREPL: return "syncrepl";
    case DIRECTORY_FEED_DIRSYNC: return "dirsync";
    case DIRECTORY_FEED_POLL: return "poll";
    }
    return "unknown";
}

const char *directory_state_name(enum directory_state s)
{
    switch (s) {
    case DIRECTORY_STOPPED: return "stopped";
    case DIRECTORY_CONNECTING: return "connecting";
    case DIRECTORY_READING: return "reading";
    case DIRECTORY_FOLLOWING: return "following";
    case DIRECTORY_AWAY: return "away";
    case DIRECTORY_REFUSED: return "refused";
    }
    return "unknown";
}
