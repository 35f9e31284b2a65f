/*
 * feed-dump in parts: what it keeps, its mirror that answers a feed's questions, and its options.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-event.h>

struct directory_options;
struct feed_sink;
struct schema;
struct string_list;

struct dump {
    sd_event *event;
    struct directory *directory;
    struct schema *schema; /* NULL: none was read */
    const char *file; /* where mirror and cookies are kept; NULL: nowhere */
    json_t *mirror;   /* id -> {dn, key, search, kind, members: {key: text}} */
    json_t *cookies;  /* "0" -> {cookie: hex, identity} */
    json_t *stale;    /* keys of DNs that are no more -> true */
    json_t *seen;     /* ids of the open batch */
    bool quiet;       /* counts instead of entries */
    unsigned search, n_searches;
    size_t n_entries, n_present, n_gone;
    int result;
};

/* feed-dump-mirror.c */
extern const struct feed_sink dump_sink;
void dump_say(json_t *taken); /* one line */
void dump_say_status(struct dump *d);
void dump_load(struct dump *d); /* from its file, if it has one */
void dump_save(struct dump *d);

/* feed-dump-options.c: exits on a usage error. The texts are borrowed from argv. */
void dump_options(int argc, char **argv, struct directory_options *o,
                  struct string_list *attributes, struct dump *d, bool *once);
