/* What the mapping is configured with; `config` fills it, the ruleset copies what it keeps.
 * Texts are raw values as written in the file. */
#pragma once
#include <stddef.h>

#include "model/user.h"

/* A configured value and where it stands. */
struct mapping_text {
    char *text; /* NULL: not set */
    char *file;
    unsigned line;
};

struct mapping_rule {
    char *name; /* of [rule "NAME"] */
    char *file;
    unsigned line; /* of the section head */
    struct mapping_text group, when, team, roles, skills, skills_from;
};

enum mapping_empty { /* what an attribute that is missing or empty does to an optional field */
                     MAPPING_EMPTY_KEEP = 0, /* the tenant's value stays (default) */
                     MAPPING_EMPTY_CLEAR = 1,
};

struct mapping_options {
    struct mapping_text scope_when;            /* [scope] when */
    struct mapping_text fields[USER_N_FIELDS]; /* templates of [user]; team unused */
    struct mapping_text disabled_when;         /* [user] disabled_when */
    struct mapping_text revoke_when;           /* [lifecycle] revoke_when */
    struct mapping_text account_expires;       /* [user] expires_at: attribute compared with now */
    enum mapping_empty empty;                  /* [user] empty_values = keep | clear */
    struct mapping_text starts_at;             /* [user] starts_at: likewise */
    struct mapping_rule *rules;                /* file order */
    size_t n_rules;
    struct mapping_rule *conflicts; /* [conflict "NAME"], of which only roles is set */
    size_t n_conflicts;
};
