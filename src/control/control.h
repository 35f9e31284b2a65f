/*
 * The control socket: AF_UNIX, one JSON object and a NUL byte a message (Varlink framing):
 *   {"method":"status","parameters":{…}}  ->  {"parameters":{…}}  or
 * {"error":"code","parameters":{"message":…}} With "more":true a method may answer several
 * times; all but the last carry "continues":true. Who may call is decided by the socket's
 * permissions; the peer's uid goes to the handler, for the audit.
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

/* Replaces a stale socket; refuses (-EADDRINUSE) when somebody answers on it. mode 0660, group
 * if given. */
int control_server_new(struct control_server **ret, struct sd_event *event, const char *path,
                       const char *group, control_handler_fn handler, void *userdata,
                       struct error *e);
struct control_server *control_server_free(struct control_server *s);
/* The process that asks, as it was when it connected; 0: it is gone. */
pid_t control_call_pid(const struct control_call *call);
void control_reply(struct control_call *call, json_t *taken);
void control_fail(struct control_call *call, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The client's side, blocking with a bound: rosterctl. *ret is the answer's parameters.
 * Positive answer CONTROL_REFUSED: the daemon answered with an error; the sentence is its
 * message and *ret_code its code. */
#define CONTROL_REFUSED 1
struct control_client;
int control_client_open(struct control_client **ret, const char *path, struct error *e);
int control_client_call(struct control_client *c, const char *method, json_t *parameters_taken,
                        unsigned timeout_seconds, json_t **ret, char **ret_code,
                        struct error *e);
struct control_client *control_client_free(struct control_client *c);
