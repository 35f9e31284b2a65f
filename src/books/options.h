/* How rosterd treats people over time; `config` fills it, the engine copies what it keeps. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/operation.h"

/* A budget: the larger of percent of linked users and floor, but never more than count (0: no
 * count). */
enum budget_kind { /* stored: never renumber */
                   BUDGET_CREATE = 1,
                   BUDGET_UPDATE = 2, /* profile, skills, roles that are not privileged */
                   BUDGET_TEAM = 3,
                   BUDGET_PRIVILEGED = 4, /* gives a role listed in privileged_roles */
                   BUDGET_DISABLE = 5,
                   BUDGET_DELETE = 6,
                   BUDGET_RENAME = 7,
                   BUDGET_REVOKE = 8, /* a disable by [lifecycle] revoke_when */
                   BUDGET_REMAKE = 9, /* a create for somebody whose user vanished at the tenant */
                   BUDGET_DORMANT = 10, /* a disable of somebody who did not log in for long */
};
#define BUDGET_N_KINDS 11
const char *budget_kind_name(enum budget_kind b); /* "create", "update", "team", "privileged", … */

struct budget {
    bool unlimited;
    double percent;
    size_t count; /* 0: none */
    size_t floor;
};
/* The number of operations that a budget allows with so many linked users. SIZE_MAX: no limit.
 */
size_t budget_limit(const struct budget *b, size_t n_linked);

enum sync_mode {
    SYNC_ACTIVE = 0,
    SYNC_OBSERVE = 1 /* plan and write nothing until a person says so */
};
enum on_rename { ON_RENAME_RENAME = 0, ON_RENAME_HOLD = 1 };
enum on_drift { DRIFT_REPORT = 0, DRIFT_REPAIR = 1 };
enum dormant { DORMANT_REPORT = 0, DORMANT_DISABLE = 1 };
enum initial_password { INITIAL_PASSWORD_NONE = 0, INITIAL_PASSWORD_GENERATE = 1 };

struct sync_options {
    /* [sync] */
    enum sync_mode mode;
    /* [lifecycle] */
    uint64_t leave_grace_usec;  /* 0: at once */
    uint64_t delete_after_usec; /* after the disable and the leaving; 0: never */
    enum on_rename on_rename;
    uint64_t logged_in_wait_usec;  /* the longest that a shift postpones a disable */
    uint64_t verify_interval_usec; /* 0: no sweep */
    enum on_drift on_drift;
    uint64_t create_ahead_usec;  /* before the start; made disabled */
    bool create_disabled;        /* whom disabled_when names gets a user, too */
    uint64_t dormant_after_usec; /* 0: nobody is dormant */
    enum dormant dormant;
    /* [guard] */
    struct budget budgets[BUDGET_N_KINDS];
    size_t max_users;            /* enabled ones, and those that are being made; 0: no limit */
    uint64_t budget_window_usec; /* what was done within it counts */
    uint64_t approval_valid_usec;
    char **privileged_roles;
    size_t n_privileged_roles;
    char **protected_logins; /* never disabled, deleted, renamed or demoted … */
    size_t n_protected_logins;
    const char *api_login; /* … nor is the user that rosterd acts as; borrowed; NULL: not known */
    double attribute_vanish_percent;
    /* [tenant] */
    enum initial_password initial_password;
    bool change_password;
    size_t password_length;
    char *password_classes;
    char **password_command; /* argv; NULL: none. The password goes to its standard input */
    /* [notify] */
    char **notify_command; /* argv; NULL: none */
    uint64_t alarm_after_usec;
    bool notify_checkpoints;
    /* retries */
    uint64_t retry_min_usec, retry_max_usec;
    uint64_t hold_retry_usec; /* the slow timer of holds that wait for a thing at the tenant */
};

/* As the tenant compares names of roles: without case. */
bool options_role_is_privileged(const struct sync_options *options, const char *role);
