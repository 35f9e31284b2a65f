/* The one table of keys, and the parsers of its types. Everything that knows of keys asks here.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mapping_rule;
struct settings;
struct config_key;
struct error;

/* A value in effect and where it stands: file NULL and line 0 for a default. */
struct config_value {
    const char *text;
    const char *file;
    unsigned line;
};

/* Writes slot (of the key's own type), which config_release() frees. -EINVAL with a sentence of
 * what is expected and the offset of the bad part, or -ENOMEM. */
typedef int config_parse_fn(const struct config_key *key, const struct config_value *value,
                            void *slot, size_t *ret_offset, struct error *e);

enum config_flags {
    KEY_REQUIRED = 1 << 0,
    KEY_SECRET = 1 << 1,    /* names a file that holds a secret: must be private */
    KEY_RELOAD = 1 << 2,    /* a reload applies it; else it takes a restart */
    KEY_CLEARABLE = 1 << 3, /* has a default, and an empty value means none */
    KEY_FILE = 1 << 4,      /* names a file or directory that must exist */
    KEY_INSTANCE = 1 << 5,  /* NAME.conf has a default of its own: /NAME/ before the last part */
    KEY_IN_SAMPLE = 1 << 6, /* the sample file shows the example as a setting */
    KEY_REPEATED = 1 << 7,  /* may stand several times: a line of its text for each */
    KEY_ONE_WORD = 1 << 8,  /* the secret in the file is one that people type */
};

struct config_choice {
    const char *name;
    unsigned value;
};

struct config_key {
    const char *section, *name;
    config_parse_fn *parse;
    const char *otherwise; /* the default; passes through the same parser; NULL: not set */
    size_t slot;       /* in struct settings; in struct mapping_rule for a section with a name */
    size_t count_slot; /* of a list: where its size_t is */
    unsigned flags;
    uint64_t min, max;                   /* of numbers and durations */
    const struct config_choice *choices; /* ends with a NULL name */
    const char *example;
    const char *help; /* whole sentences, for the sample */
};

extern const struct config_key config_keys[];
extern const size_t config_n_keys;

/* Sections in the order of the sample, each with a sentence. */
struct config_section_help {
    const char *name; /* "rule" stands for [rule "NAME"], "conflict" likewise */
    const char *help;
};
extern const struct config_section_help config_sections[];
extern const size_t config_n_sections;

const struct config_key *config_key_find(const char *section, const char *name);
bool config_is_key(const char *word); /* of any section */
bool config_is_section(const char *name);
bool config_is_named(const char *section); /* it stands there as [rule "NAME"] */
/* The sections of that kind, in file order. */
struct mapping_rule *config_named(const struct settings *s, const char *section, size_t *ret_n);
struct mapping_text *config_rule_slot(struct mapping_rule *r, const struct config_key *key);
/* For "did you mean"; NULL when nothing is near. */
const char *config_key_nearest(const char *section, const char *name);
const char *config_section_nearest(const char *name);
/* The section that has a key of this name; NULL: none. */
const char *config_key_elsewhere(const char *name);

/* parse.c: the types. */
/* Frees what the key's parser wrote; a slot that is still zero is fine. */
void config_release(const struct config_key *key, void *slot);
config_parse_fn config_parse_text;
config_parse_fn config_parse_path; /* absolute, or a credential's name without a slash */
config_parse_fn config_parse_absolute_path;
config_parse_fn config_parse_bind_name; /* a DN, or a name that Active Directory takes */
config_parse_fn config_parse_dn_list;   /* one a line */
config_parse_fn config_parse_filter;
config_parse_fn config_parse_attribute;
config_parse_fn config_parse_list;
config_parse_fn config_parse_uri_list;
config_parse_fn config_parse_url;
config_parse_fn config_parse_command;
config_parse_fn config_parse_rotation, config_parse_duration;
config_parse_fn config_parse_unsigned;
config_parse_fn config_parse_size;
config_parse_fn config_parse_bytes; /* uint64_t; 64M, 1G */
config_parse_fn config_parse_rate;
config_parse_fn config_parse_percent;
config_parse_fn config_parse_budget;
config_parse_fn config_parse_choice;
config_parse_fn config_parse_yes_no;
config_parse_fn config_parse_no_yes; /* the slot says the contrary: yes -> false */
config_parse_fn config_parse_level;
config_parse_fn config_parse_mapping; /* struct mapping_text */
