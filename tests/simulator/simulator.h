/* The simulator as a whole, and one request on its way through it. */
#pragma once

#include <microhttpd.h>

#include "faults.h"
#include "journal.h"
#include "oauth.h"
#include "store.h"
#include "text.h"

enum expires_in {
    EXPIRES_STRING,
    EXPIRES_NUMBER,
    EXPIRES_ABSENT
};
enum error_format {
    ERROR_TEXT,
    ERROR_JSON,
    ERROR_HTML
};

/* How this tenant behaves where tenants differ. */
struct settings {
    enum expires_in expires_in;
    enum error_format error_format;
    long token_lifetime; /* seconds */
    long scim_refusal;   /* 0: SCIM is there; else the status that it answers (403, 404) */
    long password_minimum, password_classes;
    long rate, retry_after; /* requests a second (0: no limit); seconds in Retry-After (0: none
                               sent) */
    bool merge_skills, zero_removes, strict_scim, roles_as_values, require_email, forbid_rename,
        lack_privilege, old_dates;
    bool phone_digits;               /* phones are kept as "+" and their digits */
    bool team_drops, team_acquires;  /* what a change of team does with the skills of teams */
    char *team_skills;  /* "Sales:Billing:50; …": skills that a team gives; NULL: none */
    char *default_team; /* NULL: the first that exists */
    /* itself.c */
    bool team_skills_now, login_is_mail, no_skills, account_is_user, softphone, mail_lower;
    long seats, seats_status;
    char *preset, *jit, *default_role, *visible_teams, *login_characters;
};

enum down {
    DOWN_NOT,
    DOWN_CUT,
    DOWN_502,
    DOWN_ACCEPT
};

struct peer; /* a connection, in http.c */

enum method {
    METHOD_GET,
    METHOD_POST,
    METHOD_PUT,
    METHOD_PATCH,
    METHOD_DELETE,
    METHOD_OTHER
};

struct request {
    TAILQ_ENTRY(request) waiting;
    struct simulator *simulator;
    struct MHD_Connection *connection;
    struct peer *peer;
    const struct endpoint *endpoint;
    enum method method;
    char method_text[16];
    char *target;      /* as it came: path and query */
    const char *query; /* into target; NULL if there is none */
    char *argument;    /* what follows the endpoint's path, decoded: a login or an id */
    char *login;       /* whom it is about, for faults and the journal; NULL if nobody */
    struct buffer body;
    json_t *json; /* the body, parsed once; NULL if it is no JSON */
    bool json_tried, control, counted, too_large;

    int stage;           /* where http.c resumes after a wait */
    struct fault *fault; /* programmed for this request; NULL if none */
    bool wait_forever;
    uint64_t wait_until_ms, arrived_usec; /* arrived: when its first line was read */
    uint64_t sent_bytes; /* by the answers that trickle or never end */

    /* The answer. */
    unsigned status;
    const char *content_type;
    struct buffer answer;
    char *header_text[8]; /* "Name: value" */
    size_t n_headers;
};

struct simulator {
    struct settings settings;
    struct store store;
    struct oauth oauth;
    struct faults faults;
    struct journal journal;
    json_t *access_numbers; /* GET phone/ext */
    enum down down;
    uint64_t down_until_ms; /* 0: until told otherwise */
    uint64_t rate_window_ms;
    long rate_used;
    TAILQ_HEAD(, request) waiting;
    TAILQ_HEAD(, preset) presets;
    bool has_control_listener, has_resumed;
};

/* What the handlers of configapi.c, scim.c, oauth.c and control.c give and use. */
typedef void request_handler(struct simulator *s, struct request *q);

/* Parses the body on first use. */
json_t *request_json(struct request *q);
const char *request_header(struct request *q, const char *name);
/* Content-Type and JSON syntax; answers 415 or 400 itself and returns NULL then. */
json_t *request_json_object(struct request *q);
void answer_text(struct request *q, unsigned status, const char *text);
void answer_json(struct request *q, unsigned status, const char *content_type,
                 json_t *json_taken);
/* An error body in the tenant's format. */
void answer_error(struct request *q, unsigned status, const char *format, ...) FORMAT(3, 4);
uint64_t request_connection_number(const struct request *q);
void answer_header(struct request *q, const char *name, const char *value);
