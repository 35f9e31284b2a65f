/*
 * The control socket speaks Varlink over AF_UNIX, the interface org.rosterd
 * (docs/org.rosterd.varlink) beside org.varlink.service:
 *   {"method":"org.rosterd.Status","parameters":{…}}  ->  {"parameters":{…}}  or
 *   {"error":"org.rosterd.NotFound","parameters":{"message":…}}
 * Here methods and errors are words ("status", "not-found"). A method answers once; what is
 * called "oneway" gets no answer. There are two kinds of callers, operators and readers; the
 * peer's uid goes to the handler, for the audit.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct control_call; /* one request that waits for its answer */
struct control_server;
struct error;
struct sd_event;

#define CONTROL_MESSAGE_MAX (4 * 1024 * 1024)

/* Runs for each request, from the loop. Answers now or later with control_reply() or
 * control_fail(), exactly once; a call whose client went away is still answered (the answer is
 * dropped). parameters: borrowed. */
typedef void (*control_handler_fn)(struct control_call *call, const char *method,
                                   const json_t *parameters, uid_t peer, void *userdata);

struct control_server_options {
    const char *path;
    /* The group whose members may call everything, as may root and the process's own user;
     * NULL: the process's own group. */
    const char *operators;
    /* The group whose members may call what is for readers; NULL: nobody but operators may
     * connect. */
    const char *readers;
    bool (*is_for_readers)(const char *method); /* NULL: nothing is */
    control_handler_fn handler;
    void *userdata;
};
/* Replaces a stale socket; refuses (-EADDRINUSE) when somebody answers on it. Its mode is 0660,
 * or 0666 where readers may connect too; who the peer is decides then. */
int control_server_new(struct control_server **ret, struct sd_event *event,
                       const struct control_server_options *options, struct error *e);
/* Could it be made, but for one that answers already? Makes and removes nothing. *warning: what
 * may stand in the way, or "". */
int control_look(const struct control_server_options *options, struct error *warning,
                 struct error *e);
struct control_server *control_server_free(struct control_server *s);
/* The process that asks, as it was when it connected; 0: it is gone. */
pid_t control_call_pid(const struct control_call *call);
void control_reply(struct control_call *call, json_t *taken);
/* The same with the parameters as JSON text, of an object; malloc'd. */
void control_reply_text(struct control_call *call, char *parameters_taken);
/* Nobody waits for the answer any more. */
bool control_call_is_gone(const struct control_call *call);
void control_fail(struct control_call *call, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* As Varlink wants it said. */
void control_unknown_method(struct control_call *call, const char *method);

/* The client's side, blocking with a bound: rosterctl. *ret is the answer's parameters.
 * Positive answer CONTROL_REFUSED: the daemon answered with an error; the sentence is its
 * message and *ret_code its code. */
#define CONTROL_REFUSED 1
struct control_client;
int control_client_open(struct control_client **ret, const char *path, struct error *e);
int control_client_call(struct control_client *c, const char *method, json_t *parameters_taken,
                        unsigned timeout_seconds, json_t **ret, char **ret_code, struct error *e);
struct control_client *control_client_free(struct control_client *c);
