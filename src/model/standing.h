/*
 * Where a person stands: what the rules say of the entry, how far the link is, and how the ledger
 * counts it. Mapping, planner and state share these. All of them are stored: never renumber.
 */
#pragma once

enum verdict_kind {
    VERDICT_UNKNOWN = 0, /* not decided yet */
    VERDICT_USER = 1,    /* a wanted user */
    /* In the directory, but no user: out of scope, or no rule gives a team. */
    VERDICT_SKIP = 2,
    /* Would be a user, but a value cannot be used: never taken for absent. */
    VERDICT_INVALID = 3,
    /* No longer in the directory, as proven by a whole read or said by the server. */
    VERDICT_GONE = 4,
};

enum link_status {
    LINK_UNLINKED = 0, /* no link has it */
    LINK_ACTIVE = 1,
    LINK_DISABLED = 2, /* at the tenant, whoever did it */
    /* Deleted by us; kept until the entry is forgotten, so a return is recognised. */
    LINK_DELETED = 3,
};
#define LINK_N_STATUS 4

enum person_bucket {                     /* the ledger: seen = the sum of all the others */
                     BUCKET_PENDING = 0, /* an operation of this run is not over */
                     BUCKET_CREATED = 1,
                     BUCKET_ADOPTED = 2,
                     BUCKET_UPDATED = 3, /* also renamed, disabled, enabled, deleted: see leaving */
                     BUCKET_UNCHANGED = 4,
                     BUCKET_LEAVING = 5, /* in grace, disabled or deleted */
                     BUCKET_SKIPPED = 6,
                     BUCKET_HELD = 7,   /* held or parked */
                     BUCKET_FAILED = 8, /* our own failure: the state could not be written … */
};
#define BUCKET_N 9
const char *person_bucket_name(enum person_bucket b);
