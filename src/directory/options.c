/* The options: a copy, since the directory keeps its own, and what a feed is called. */
#include "config.h"

#include "directory/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "directory/feed.h"

static char *copy_text(const char *text, int *r)
{
    char *copy = text ? strdup(text) : NULL;
    if (text && !copy)
        *r = -ENOMEM;
    return copy;
}

static char **copy_texts(char *const *from, size_t *n, int *r)
{
    char **to = calloc(*n + 1, sizeof(*to));
    if (!to) {
        *n = 0;
        *r = -ENOMEM;
    }
    for (size_t i = 0; i < *n; i++)
        to[i] = copy_text(from[i], r);
    return to;
}

static void free_texts(char **texts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(texts[i]);
    free(texts);
}

int directory_options_copy(struct directory_options *to, const struct directory_options *from)
{
    int r = 0;
    *to = *from;
    to->uris = copy_texts(from->uris, &to->n_uris, &r);
    to->referral_hosts = copy_texts(from->referral_hosts, &to->n_referral_hosts, &r);
    to->srv_hosts = copy_texts(from->srv_hosts, &to->n_srv_hosts, &r);
    to->tls_ca_file = copy_text(from->tls_ca_file, &r);
    to->tls_ca_directory = copy_text(from->tls_ca_directory, &r);
    to->tls_certificate_file = copy_text(from->tls_certificate_file, &r);
    to->tls_key_file = copy_text(from->tls_key_file, &r);
    to->bind_dn = copy_text(from->bind_dn, &r);
    to->bind_password_file = copy_text(from->bind_password_file, &r);
    to->keytab = copy_text(from->keytab, &r);
    to->principal = copy_text(from->principal, &r);
    to->bases = copy_texts(from->bases, &to->n_bases, &r);
    to->group_bases = copy_texts(from->group_bases, &to->n_group_bases, &r);
    to->filter = copy_text(from->filter, &r);
    to->group_filter = copy_text(from->group_filter, &r);
    to->id_attribute = copy_text(from->id_attribute, &r);
    to->login_attribute = copy_text(from->login_attribute, &r);
    if (r < 0)
        directory_options_done(to);
    return r;
}

void directory_options_done(struct directory_options *o)
{
    free_texts(o->uris, o->n_uris);
    free_texts(o->bases, o->n_bases);
    free_texts(o->group_bases, o->n_group_bases);
    free_texts(o->referral_hosts, o->n_referral_hosts);
    free_texts(o->srv_hosts, o->n_srv_hosts);
    free(o->tls_ca_file);
    free(o->tls_ca_directory);
    free(o->tls_certificate_file);
    free(o->tls_key_file);
    free(o->bind_dn);
    free(o->bind_password_file);
    free(o->keytab);
    free(o->principal);
    free(o->filter);
    free(o->group_filter);
    free(o->id_attribute);
    free(o->login_attribute);
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
