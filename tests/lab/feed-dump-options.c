/* The options of feed-dump. */
#include "config.h"

#include "feed-dump.h"

#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "directory/feed.h"

#define BASES_MAX 64

enum dump_option {
    OPTION_URI = 256,
    OPTION_BASE,
    OPTION_FILTER,
    OPTION_GROUP_BASE,
    OPTION_GROUP_FILTER,
    OPTION_ATTRIBUTE,
    OPTION_BIND_DN,
    OPTION_PASSWORD_FILE,
    OPTION_BIND,
    OPTION_KEYTAB,
    OPTION_PRINCIPAL,
    OPTION_CA,
    OPTION_CERTIFICATE,
    OPTION_KEY,
    OPTION_TLS,
    OPTION_FEED,
    OPTION_ID_ATTRIBUTE,
    OPTION_REFERRALS,
    OPTION_NO_PAGING,
    OPTION_PAGE_SIZE,
    OPTION_POLL,
    OPTION_FULL,
    OPTION_RETURN,
    OPTION_KEEPALIVE,
    OPTION_TIMEOUT,
    OPTION_COOKIE_FILE,
    OPTION_ONCE,
    OPTION_QUIET,
    OPTION_DEBUG,
};

static const struct option long_options[] = {
    {"uri", required_argument, NULL, OPTION_URI},
    {"base", required_argument, NULL, OPTION_BASE},
    {"filter", required_argument, NULL, OPTION_FILTER},
    {"group-base", required_argument, NULL, OPTION_GROUP_BASE},
    {"group-filter", required_argument, NULL, OPTION_GROUP_FILTER},
    {"attribute", required_argument, NULL, OPTION_ATTRIBUTE},
    {"bind-dn", required_argument, NULL, OPTION_BIND_DN},
    {"password-file", required_argument, NULL, OPTION_PASSWORD_FILE},
    {"bind", required_argument, NULL, OPTION_BIND},
    {"keytab", required_argument, NULL, OPTION_KEYTAB},
    {"principal", required_argument, NULL, OPTION_PRINCIPAL},
    {"ca", required_argument, NULL, OPTION_CA},
    {"certificate", required_argument, NULL, OPTION_CERTIFICATE},
    {"key", required_argument, NULL, OPTION_KEY},
    {"tls", required_argument, NULL, OPTION_TLS},
    {"feed", required_argument, NULL, OPTION_FEED},
    {"id-attribute", required_argument, NULL, OPTION_ID_ATTRIBUTE},
    {"referrals", required_argument, NULL, OPTION_REFERRALS},
    {"no-paging", no_argument, NULL, OPTION_NO_PAGING},
    {"page-size", required_argument, NULL, OPTION_PAGE_SIZE},
    {"poll", required_argument, NULL, OPTION_POLL},
    {"full", required_argument, NULL, OPTION_FULL},
    {"return", required_argument, NULL, OPTION_RETURN},
    {"keepalive", required_argument, NULL, OPTION_KEEPALIVE},
    {"timeout", required_argument, NULL, OPTION_TIMEOUT},
    {"cookie-file", required_argument, NULL, OPTION_COOKIE_FILE},
    {"once", no_argument, NULL, OPTION_ONCE},
    {"quiet", no_argument, NULL, OPTION_QUIET},
    {"debug", no_argument, NULL, OPTION_DEBUG},
    {},
};

/* The index of the word in a list that NULL ends; exits when there is none. */
static int word(const char *text, const char *const *words)
{
    for (int i = 0; words[i]; i++)
        if (strcmp(words[i], text) == 0)
            return i;
    fprintf(stderr, "feed-dump: unknown word %s\n", text);
    exit(2);
}

static uint64_t duration(const char *text)
{
    uint64_t usec = 0;
    if (text_parse_duration(text, &usec) < 0) {
        fprintf(stderr, "feed-dump: %s is no duration\n", text);
        exit(2);
    }
    return usec;
}

static void add_base(char **bases, size_t *n)
{
    if (*n == BASES_MAX) {
        fprintf(stderr, "feed-dump: at most %d bases\n", BASES_MAX);
        exit(2);
    }
    bases[(*n)++] = optarg;
}

static void parse_text(int option, struct directory_options *o)
{
    switch (option) {
    case OPTION_BASE: add_base(o->bases, &o->n_bases); break;
    case OPTION_FILTER: o->filter = optarg; break;
    case OPTION_GROUP_BASE: add_base(o->group_bases, &o->n_group_bases); break;
    case OPTION_GROUP_FILTER: o->group_filter = optarg; break;
    case OPTION_BIND_DN: o->bind_dn = optarg; break;
    case OPTION_PASSWORD_FILE: o->bind_password_file = optarg; break;
    case OPTION_KEYTAB: o->keytab = optarg; break;
    case OPTION_PRINCIPAL: o->principal = optarg; break;
    case OPTION_CA: o->tls_ca_file = optarg; break;
    case OPTION_CERTIFICATE: o->tls_certificate_file = optarg; break;
    case OPTION_KEY: o->tls_key_file = optarg; break;
    case OPTION_ID_ATTRIBUTE: o->id_attribute = optarg; break;
    default: exit(2);
    }
}

void dump_options(int argc, char **argv, struct directory_options *o,
                  struct string_list *attributes, struct dump *d, bool *once)
{
    static const char *const binds[] = {"anonymous", "simple", "external", "gssapi", NULL};
    static const char *const tls[] = {"auto", "ldaps", "starttls", "no", NULL};
    static const char *const feeds[] = {"auto", "syncrepl", "dirsync", "poll", NULL};
    static const char *const referrals[] = {"notice", "ignore", "follow", NULL};
    static char *uris[8], *bases[BASES_MAX], *group_bases[BASES_MAX];
    o->uris = uris;
    o->bases = bases;
    o->group_bases = group_bases;
    int option;
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        switch (option) {
        case OPTION_URI:
            if (o->n_uris < ARRAY_SIZE(uris))
                uris[o->n_uris++] = optarg;
            break;
        case OPTION_ATTRIBUTE: string_list_add(attributes, optarg); break;
        case OPTION_BIND: o->bind = (enum directory_bind)word(optarg, binds); break;
        case OPTION_TLS: o->tls = (enum directory_tls)word(optarg, tls); break;
        case OPTION_FEED: o->feed = (enum directory_feed_kind)word(optarg, feeds); break;
        case OPTION_REFERRALS:
            o->referrals = (enum directory_referrals)word(optarg, referrals);
            break;
        case OPTION_NO_PAGING: o->paging = false; break;
        case OPTION_PAGE_SIZE: o->page_size = (unsigned)strtoul(optarg, NULL, 10); break;
        case OPTION_POLL: o->poll_interval_usec = duration(optarg); break;
        case OPTION_FULL: o->full_interval_usec = duration(optarg); break;
        case OPTION_RETURN: o->return_interval_usec = duration(optarg); break;
        case OPTION_KEEPALIVE: o->keepalive_usec = duration(optarg); break;
        case OPTION_TIMEOUT:
            o->connect_timeout_usec = o->bind_timeout_usec = o->search_timeout_usec =
                duration(optarg);
            break;
        case OPTION_COOKIE_FILE: d->file = optarg; break;
        case OPTION_ONCE: *once = true; break;
        case OPTION_QUIET: d->quiet = true; break;
        case OPTION_DEBUG: log_set_level(LOG_DEBUG); break;
        default: parse_text(option, o);
        }
    }
    if (o->bind_dn && o->bind == DIRECTORY_BIND_ANONYMOUS)
        o->bind = DIRECTORY_BIND_SIMPLE;
}
