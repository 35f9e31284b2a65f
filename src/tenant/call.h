/*
 * A call: from start, through the queue (pace, room, token), to done. Internal to tenant; the
 * face is client.h.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "tenant/answer.h"
#include "tenant/client.h"
#include "tenant/oauth.h"
#include "tenant/pace.h"

enum call_kind {
    CALL_CREATE,
    CALL_GET,
    CALL_PUT,
    CALL_DELETE,
    CALL_TEAMS,
    CALL_DIRECTORY,
    CALL_SCIM_LOOKUP,
    CALL_SCIM_GET,
    CALL_SCIM_PATCH,
    CALL_SCIM_ACTIVE,
};

TAILQ_HEAD(call_queue, tenant_call);

struct tenant_client {
    struct sd_event *event;
    struct http *http;
    struct oauth *oauth;
    struct pace pace;
    unsigned max_concurrent;
    struct call_queue waiting, sent;
    size_t n_waiting, n_sent;
    uint64_t next_sequence;
    struct sd_event_source *pump_source, *pace_source;
    bool scim_works;
    bool roles_as_objects; /* how the last user that has roles was shown by SCIM */
    bool pumping;
    void (*on_request)(const char *method, const char *url, void *userdata); /* NULL: nobody asks */
    void *on_request_userdata;
    uint64_t n_requests, n_throttled, n_failed;
    uint64_t n_answers[TENANT_N_CLASSES];
};

struct call_request { /* what the caller of call_start() fills; strings malloc'd, taken */
    enum call_kind kind;
    struct answer_question question; /* login and secrets are set by call_start() */
    char *url;
    char *body;
    size_t body_size;
    char *login;
    char *scim_id;
    char *password;
};
void call_request_done(struct call_request *r);

/* Takes what is in the request, whether it succeeds or not. */
int call_start(struct tenant_call **ret, struct tenant_client *c, struct call_request *request,
               tenant_done_fn done, void *userdata, struct error *e);
struct tenant_call *call_free(struct tenant_call *call);
void call_hurry(struct tenant_call *call);
/* Leaves a call that its owner has not freed yet without a client. */
void call_orphan(struct tenant_call *call);

/* Sends what may be sent now. */
void call_pump(struct tenant_client *c);
/* Whether a token came; ends the calls that wait for one when it did not. */
void call_token_came(struct tenant_client *c, const struct tenant_answer *failure);
