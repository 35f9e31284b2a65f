/*
 * The tenant's API, one asynchronous call at a time, many in flight.
 *
 * A call is an object: tenant_…_start() gives it to the caller, `done` runs exactly once, from
 * the loop, never from inside start; tenant_call_free() earlier cancels it and `done` never
 * runs (a request that was sent may still take effect: the caller settles that by reading).
 * Calls wait inside the client for the pace, for a free connection and for a token, and whoever
 * started one may be asked whether it still leaves when its turn has come (call_ask); a 401
 * refreshes the token once for all calls that wait and repeats the call once. Bearer tokens
 * never follow a redirect. Facts: the vendor's page as kept in docs/tenant-api.md.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/part.h"
#include "model/user.h"

struct error;
struct secret;
struct sd_event;
struct string_list;
struct tenant_call;
struct tenant_client;
struct tenant_options;

/* Every answer falls into one class; tenant/answer.c is the one place that decides. */
enum tenant_answer_class {
    TENANT_DONE = 1,
    TENANT_NOT_FOUND = 2, /* GET, PUT, DELETE: no such user */
    TENANT_REFUSED = 3,   /* 400, 405, 415, 422: the request breaks a rule of the tenant; 403 to
                             a call about one user */
    /* 404 to POST/PUT/PATCH that names a team, role or skill unknown there. */
    TENANT_REFERENCE_MISSING = 4,
    TENANT_CONFLICT = 5, /* 409, or a 400 whose hint says that the login exists */
    /* 401 after the one refresh, a refused token request, 403 to a call that is about nobody in
     * particular; concerns_all tells the first from the others */
    TENANT_NOT_AUTHORISED = 6,
    TENANT_THROTTLED = 7, /* 429, 503 with Retry-After */
    TENANT_UNCLEAR = 8,   /* the request went out and no understandable answer came */
    TENANT_AWAY = 9,      /* the request certainly did not reach the tenant, or 502/503 */
    /* 403/404/405 for a part's endpoint itself: the tenant does not offer that part. */
    TENANT_UNSUPPORTED = 10,
    TENANT_LOST_RACE = 11, /* 412 to a write: nothing was done, since the user was changed after it
                              was read */
};
#define TENANT_N_CLASSES (TENANT_LOST_RACE + 1)
const char *tenant_answer_class_name(enum tenant_answer_class c);

enum tenant_reference { /* which kind is missing, from the hint; NONE: not said */
                        TENANT_REFERENCE_NONE = 0,
                        TENANT_REFERENCE_TEAM = 1,
                        TENANT_REFERENCE_ROLE = 2,
                        TENANT_REFERENCE_SKILL = 3,
};

struct tenant_answer {
    enum tenant_answer_class class;
    int status; /* HTTP status; 0 when there was none */
    enum tenant_reference reference;
    bool concerns_all; /* the call was about nobody in particular: a token, a list */
    bool too_large;    /* AWAY, of a read: what is shown of this one user is more than any user has
                     */
    uint64_t retry_after_usec; /* THROTTLED/AWAY: bounded to one hour; 0: none given */
    const char *remedy;        /* NOT_AUTHORISED: what to look at, one sentence; NULL: not known */
    char hint[256];    /* the body, shortened and printable, for audit and people; never parsed
                          again */
    char url[256];     /* without query secrets; for people */
    unsigned attempts; /* requests that were sent for this call */
    uint64_t duration_usec;
    const struct user
        *user; /* a GET of a user, DONE: fields, team, roles, skills, disabled; borrowed */
    const char *version; /* of that user, for struct tenant_ref; borrowed; NULL: none */
    bool logged_in;      /* loginInfo.isLoggedIn of that GET */
    const char *our_id;  /* of that user, as the tenant shows it; borrowed; NULL: none */
    const char *id;      /* find, DONE: the tenant's own; borrowed; NULL: nobody has that login */
    const struct string_list
        *names; /* team list, or the logins of the directory listing; borrowed */
};
typedef void (*tenant_done_fn)(const struct tenant_answer *answer, void *userdata);
/* Asked of a call each time when a request of it would leave, now; userdata is that of `done`.
 * False: it does not leave, and whoever was asked has freed the call. Nothing that the call is to
 * change was done by it before: a request that is repeated was refused or only read. */
typedef bool (*tenant_leave_fn)(void *userdata);

/* Whose user a call is about: it goes by the id when that is given, else by our id, else by the
 * login; a write goes by the key of its part. */
struct tenant_ref {
    const char *login;
    const char *id; /* the tenant's own */
    /* That the user was given when it was made, see struct parts; of several that have it the one
     * of this login is meant. */
    const char *our_id;
    const char *version; /* that the user must still have when it is written; NULL: any */
};
static inline struct tenant_ref by_login(const char *login)
{
    return (struct tenant_ref){.login = login};
}
static inline struct tenant_ref by_id(const char *id)
{
    return (struct tenant_ref){.id = id};
}

/* What is sent of a user, and nothing else is. */
struct tenant_write {
    const struct part *part;
    uint32_t set;               /* of the bits of model/part.h, all of them the part's */
    const struct user *user;    /* the values; a field that is NULL or "" is cleared, roles and
                                skills replace the whole set */
    const char *value;          /* of a part that is written by value: the role that … */
    bool gives;                 /* … is given, or taken away */
    const struct user *current; /* as the part showed the user last, whose form is followed; NULL:
                                   not read */
};

/* A kind of tenant. `client` is the opened one, to which its parts belong, too; what is given to
 * a call is borrowed until it has started. */
struct tenant_ops {
    /* client NULL: those that this kind has before a tenant is opened */
    const struct parts *(*parts)(const void *client);
    /* What is wanted, put into the form in which the tenant would show it, so that a value that it
     * rounds or spells otherwise is no difference for ever; NULL: none is known beforehand. */
    int (*canon)(const void *client, struct user *wanted, struct error *e);
    /* Takes all but what its parts say is created later. our_id: kept with the user where the parts
     * say so. password: NULL for none */
    int (*create)(void *client, struct tenant_call **ret, const struct user *user,
                  const char *our_id, const struct secret *password, bool change_password,
                  tenant_done_fn done, void *userdata, struct error *e);
    /* answer->user: by the login or our id all of it; by the id what the parts show that go by
     * that */
    int (*read)(void *client, struct tenant_call **ret, struct tenant_ref ref, tenant_done_fn done,
                void *userdata, struct error *e);
    /* answer->user, when the tenant shows it, is the user afterwards */
    int (*write)(void *client, struct tenant_call **ret, struct tenant_ref ref,
                 const struct tenant_write *write, tenant_done_fn done, void *userdata,
                 struct error *e);
    /* another password, and whether it must be changed at the next log-in */
    int (*password)(void *client, struct tenant_call **ret, struct tenant_ref ref,
                    const struct secret *password, bool change_password, tenant_done_fn done,
                    void *userdata, struct error *e);
    int (*remove)(void *client, struct tenant_call **ret, struct tenant_ref ref,
                  tenant_done_fn done, void *userdata, struct error *e);
    /* the tenant's own id of whoever has that login */
    int (*find)(void *client, struct tenant_call **ret, const char *login, tenant_done_fn done,
                void *userdata, struct error *e);
    int (*team_list)(void *client, struct tenant_call **ret, tenant_done_fn done, void *userdata,
                     struct error *e);
    /* Whoever is not in it may be there all the same. */
    int (*directory_list)(void *client, struct tenant_call **ret, tenant_done_fn done,
                          void *userdata, struct error *e);
    /* How many calls beyond the concurrent ones may be started, to wait for a free connection:
     * as many as will leave within about a second; NULL: none. */
    size_t (*ahead)(void *client);
    /* may_leave is asked from now on; a call that has just started has not left yet. */
    void (*call_ask)(struct tenant_call *call, tenant_leave_fn may_leave);
    void (*call_hurry)(struct tenant_call *call); /* ahead of all that has not left yet */
    struct tenant_call *(*call_free)(struct tenant_call *call); /* cancels; returns NULL */
};
extern const struct tenant_ops tenant_configapi_ops, tenant_scim2_ops;
const struct tenant_ops *tenant_kind_ops(const struct tenant_options *options);
/* Where its calls lie on a host that several tenants may share; NULL: its host is its own. */
const char *tenant_path(const struct tenant_options *options);

/* What a client says that it reads, for whoever tries its requests by hand. */
#define TENANT_ACCEPT "Accept: application/json, application/scim+json"

int tenant_client_new(struct tenant_client **ret, struct sd_event *event,
                      const struct tenant_options *options, struct error *e);
struct tenant_client *tenant_client_free(struct tenant_client *c); /* cancels what is in flight */
/* Where tokens are asked for; borrowed. */
const char *tenant_client_token_url(const struct tenant_client *c);
/* Each request that is asked for, for whoever wants to try the same by hand. */
void tenant_client_on_request(struct tenant_client *c,
                              void (*fn)(const char *method, const char *url, void *userdata),
                              void *userdata);
/* Pace and limits of a reloaded configuration; URL and credentials need a new client. */
void tenant_client_set_limits(struct tenant_client *c, double max_rate, unsigned max_concurrent);

/* Where the secret is the token itself, and nothing but the token says whose users are shown: its
 * file holds another one than this client began with. This client never uses that. fn is asked from
 * a request that waits for a token: true: a new client is made in the place of this one soon, and
 * all that waits is held until then; false, or no fn: what waits ends as TENANT_AWAY. */
void tenant_client_on_other_token(struct tenant_client *c, bool (*fn)(void *userdata),
                                  void *userdata);

struct tenant_client_status {
    size_t in_flight, waiting;
    double rate_now; /* the pace after throttling; 0 = not limited */
    bool has_token;
    uint64_t token_expires_usec;
    uint64_t n_requests, n_throttled, n_failed;
    uint64_t n_answers[TENANT_N_CLASSES]; /* by class */
    uint64_t certificate_expires_usec;    /* of the tenant; 0: not known */
};
void tenant_client_status(const struct tenant_client *c, struct tenant_client_status *ret);
