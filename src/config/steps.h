/* Inside of config: what its steps share. load.c calls take.c, then check.c. */
#pragma once
#include "base/text-map.h"
#include "config/file.h"
#include "config/settings.h"

struct config_key;

struct config_context {
    struct problem_list *problems;
    struct config_document **documents;
    size_t n_documents;
    const char *main_file;
    struct text_map rules, conflicts; /* where each label is in its list */
    const struct settings *in_force;  /* keys that take a restart stay as they are here; NULL */
    int result;                       /* -ENOMEM */
};

/* The item that begins at a line; NULL: none. */
const struct config_item *config_locate(const struct config_context *c, const char *file,
                                        unsigned line);
/* repeated.c: adds what an item says to the lines of a key that may be repeated. */
int config_add_line(struct settings_value *v, const char *file, const struct config_item *i);
/* The item in which this offset of such a text stands; *offset becomes the one in the item. */
const struct config_item *config_locate_line(const struct config_context *c, const char *file,
                                             const struct config_key *key, size_t *offset);
/* Reports about a key of the table, at the place of its value or, if it is not set, the file.
 */
void config_complain(struct config_context *c, const struct settings *s, enum problem_level level,
                     const char *section, const char *name, const char *format, ...)
    __attribute__((format(printf, 6, 7)));

#define ERROR(section, name, ...) config_complain(c, s, PROBLEM_ERROR, section, name, __VA_ARGS__)
#define WARNING(section, name, ...)                                                                \
    config_complain(c, s, PROBLEM_WARNING, section, name, __VA_ARGS__)

void config_check_files(struct config_context *c, struct settings *s); /* that keys name */
/* What no key can know alone, files that keys name, and the mapping. Completes what follows
 * from other keys (bind = auto, the tenant's scope). */
void config_check(struct config_context *c, struct settings *s);
const struct settings_value *config_value_of(const struct settings *s, const char *section,
                                             const char *name);

/* take.c: what the documents say. Problems go to the context, and -ENOMEM to its result. */
void config_take_section(struct config_context *c, struct settings *st, const char *file,
                         const struct config_section *s);
/* What takes a restart is as in force, whatever the files say now. */
void config_keep_in_force(struct config_context *c, struct settings *s);
/* Fills in defaults and parses every key of the table once. */
void config_parse_all(struct config_context *c, struct settings *s);
/* "/etc/rosterd/emea.conf" is the instance "emea"; rosterd.conf is none. Malloc'd or NULL. */
char *config_instance_of(const char *file);
/* The default of a key; *ret NULL when it has none; malloc'd. */
int config_default_of(const struct config_key *key, const char *instance, char **ret);

int config_make_fingerprint(struct settings *s); /* settings.c; and the facts it is made of */
