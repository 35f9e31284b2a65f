/*
 * A call: from start, through the queue (pace, room, token), to done. Internal to tenant; the
 * face is client.h.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/text.h"
#include "tenant/answer.h"
#include "tenant/client.h"
#include "tenant/http.h"
#include "tenant/oauth.h"
#include "tenant/pace.h"

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
    char *scim_path;
    bool shows_groups; /* a user was shown with the groups it is in … */
    bool shuns_names;  /* … and one with a group that had no name */
    enum { OUR_IDS_UNKNOWN, OUR_IDS_KEPT, OUR_IDS_LOST } our_ids;
    bool scim_works;
    bool roles_as_objects; /* how the last user that has roles was shown by SCIM */
    bool pumping;
    void (*on_request)(const char *method, const char *url, void *userdata); /* NULL: nobody asks */
    void *on_request_userdata;
    bool (*on_other_token)(void *userdata); /* NULL: nobody makes another client */
    void *on_other_token_userdata;
    uint64_t n_requests, n_throttled, n_failed;
    uint64_t n_answers[TENANT_N_CLASSES];
};

/* What the answers to a call bring. */
struct call_content {
    struct user *user;
    struct string_list names;
    char *id, *our_id, *version;
    bool logged_in;
    /* Of a list: how far it is read, what there is, and how often it was read to its end. */
    size_t index, total, n_passes;
    size_t n_repeated; /* items since the last one that was new */
};

struct call_request;
/* CALL_ABSENT: it says that nobody is there. -EBADMSG: not what this call gets. */
#define CALL_ABSENT 1
typedef int call_reader(struct tenant_client *c, const struct call_request *q,
                        const struct http_result *result, struct call_content *to, struct error *e);
/* After an answer that was done: CALL_GOES_ON when *q is the next request of the same call now,
 * or 0 with what came of it in *a. */
#define CALL_GOES_ON 1
typedef int call_sequel(struct tenant_client *c, struct call_request *q, struct call_content *got,
                        struct tenant_answer *a, struct error *e);

struct call_request { /* what the caller of call_start() fills; strings malloc'd, taken */
    struct answer_question question; /* login and secrets are set by call_start() */
    call_reader *read;               /* NULL: nothing */
    call_sequel *then;               /* NULL: one request is all */
    bool is_list;
    bool is_large; /* what is answered may grow with the tenant, as a list does */
    char *url;
    char *body;
    size_t body_size;
    char *login;
    char *id, *our_id;
    char *version; /* that the user must still have */
    char *value;   /* a role that … */
    bool gives;    /* … is given, or taken away */
    char *password;
};
void call_request_done(struct call_request *r);

/* Base + path, and "/" + name percent-encoded when there is one. An empty one, "." and ".." are
 * refused, since they would name another resource. */
int call_url(char **ret, const struct tenant_client *c, const char *path, const char *name,
             struct error *e);
int call_text(char **to, const char *text, struct error *e);
/* An answer about somebody else, from a cache or a mix-up before the tenant, says nothing about
 * the one who was asked for: -EBADMSG. */
int call_other_subject(struct error *e);
size_t call_ahead(void *client);

/* Takes what is in the request, whether it succeeds or not. */
int call_start(struct tenant_call **ret, struct tenant_client *c, struct call_request *request,
               tenant_done_fn done, void *userdata, struct error *e);
struct tenant_call *call_free(struct tenant_call *call);
void call_ask(struct tenant_call *call, tenant_leave_fn may_leave);
void call_hurry(struct tenant_call *call);
/* Leaves a call that its owner has not freed yet without a client. */
void call_orphan(struct tenant_call *call);

/* Sends what may be sent now. */
void call_pump(struct tenant_client *c);
/* Whether a token came; ends the calls that wait for one when it did not. */
void call_token_came(struct tenant_client *c, const struct tenant_answer *failure);
