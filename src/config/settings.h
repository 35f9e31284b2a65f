/*
 * The configuration: one table in keys.c declares every key (section, name, type, default,
 * required, secret, reloadable, help), and everything reads it: the parser, `rosterd --check`,
 * reload, `rosterctl config show`, the sample file, the manual page's test. Defaults are
 * strings and pass through the same parser.
 *
 * All errors of all files are collected and reported at once: file, line, column, the bad
 * value, what is expected, "did you mean". Nothing exits.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/problem.h"
#include "books/options.h"
#include "directory/options.h"
#include "mapping/options.h"
#include "tenant/options.h"

struct error;

/* The text in effect of one key, in the order of the table; file NULL: the default. */
struct settings_value {
    char *text; /* NULL: not set */
    char *file;
    unsigned line;
};

/* By size or by time; both 0: never. */
struct config_rotation {
    uint64_t bytes, usec;
};
enum audit_values {
    AUDIT_VALUES_FULL = 0,
    AUDIT_VALUES_NAMES = 1, /* without mails and phone numbers */
};

struct settings {
    struct directory_options directory;
    struct tenant_options tenant;
    struct mapping_options mapping;
    struct sync_options sync;
    char *state_file, *audit_file, *control_socket;
    struct config_rotation audit_rotate;
    uint64_t audit_keep_usec; /* 0: for ever */
    unsigned audit_values;    /* enum audit_values */
    bool audit_require_reason, four_eyes;
    char *audit_key_file; /* NULL: beside the state file */
    char *metrics_file;   /* NULL: none */
    uint64_t metrics_interval_usec;
    char *control_group;   /* group that owns the socket; NULL: none */
    char *control_readers; /* group that may look; NULL: none */
    int log_level;
    char *config_file;             /* as given to settings_load() */
    struct settings_value *values; /* one for each key of the table but those of rules */
    char *facts;       /* the effective values of all keys, secrets by path only, as one text */
    char *fingerprint; /* the SHA-256 of facts */
    char *decisions;   /* that of those by which people are judged, without the mapping */
};
struct settings *settings_free(struct settings *s);

struct problem_list {
    struct problem *items; /* with their texts */
    size_t n_items, capacity;
    size_t n_errors;
};
void problem_list_done(struct problem_list *l);
int problem_add(struct problem_list *l, enum problem_level level, const char *file, unsigned line,
                unsigned column, const char *format, ...) __attribute__((format(printf, 6, 7)));
/* "rosterd.conf:12:9: error: unknown key 'taem' …", one a line, sorted by file and line.
 * Malloc'd. */
char *problem_list_to_text(const struct problem_list *l);
char *problem_list_to_json(const struct problem_list *l);

/* Reads FILE and FILE's directory's conf.d/ *.conf in name order (for /etc/rosterd/NAME.conf:
 * NAME.conf.d/), checks all of it, the mapping too (with the built-in schema, so the ruleset's
 * problems are in the list). *ret is written when there is no error; problems are filled either
 * way. -EINVAL when there are errors; -ENOENT, -EACCES … with a sentence when FILE itself
 * cannot be read. */
int settings_load(struct settings **ret, const char *file, struct problem_list *problems,
                  struct error *e);
/* The same from texts in memory (rosterctl plan --config): n files with names and contents, in
 * order. */
struct settings_text {
    const char *name;
    const char *content;
    size_t size;
};
/* FILE and its drop-ins, unread: what rosterctl sends. Names and contents are owned. */
struct settings_texts {
    struct settings_text *items;
    size_t n_items, capacity;
};
int settings_texts_read(struct settings_texts *ret, const char *file, struct problem_list *problems,
                        struct error *e);
void settings_texts_done(struct settings_texts *t);
/* One key's text in effect, also of a file with errors, or its default when FILE cannot be read
 * (a member of the control group need not read it). Malloc'd; NULL: not set or out of memory.
 */
char *settings_peek(const char *file, const char *section, const char *name);
int settings_load_texts(struct settings **ret, const struct settings_text *texts, size_t n_texts,
                        struct problem_list *problems, struct error *e);

/* For a reload: *ret is what is in force once these texts are applied beside `in_force`, so
 * keys that take a restart are as there. *ret_needs_restart: the sentence of settings_compare()
 * about those that differ, malloc'd, or NULL. */
int settings_load_beside(struct settings **ret, const struct settings *in_force,
                         const struct settings_text *texts, size_t n_texts,
                         char **ret_needs_restart, struct problem_list *problems, struct error *e);

/* Keys that differ and that a reload cannot apply (needs a restart): names appended, one
 * sentence. */
int settings_compare(const struct settings *old, const struct settings *new,
                     char **ret_not_reloadable);

/* What was found about a key later, at its place; section NULL: about the whole. -ENOMEM. */
int settings_complain(const struct settings *s, struct problem_list *problems,
                      enum problem_level level, const char *section, const char *name,
                      const char *sentence);
/* Of a key that names a file: is its folder that of the default, which the unit makes; does
 * somebody else own it, neither root nor whoever asks? */
bool settings_is_usual_folder(const struct settings *s, const char *section, const char *name);
bool settings_folder_is_foreign(const struct settings *s, const char *section, const char *name);

/* A role's name that promises power over other people's accounts. */
bool settings_sounds_privileged(const char *role);

/* Effective values of all keys, with where each comes from; secrets shown as "(set)". Malloc'd
 * JSON. */
char *settings_to_json(const struct settings *s);
/* {"[tenant] url": "…", "[rule \"Agents\"] team": "…"}: what is set. Malloc'd. */
char *settings_to_facts(const struct settings *s);

static inline void settings_freep(struct settings **s)
{
    if (*s)
        settings_free(*s);
}
