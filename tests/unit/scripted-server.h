/*
 * A plain HTTP server on loopback that lives in the event loop of the test, so that a test says
 * for each request what happens to it and sees exactly what came.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct scripted_server;
struct sd_event;

struct scripted_request { /* borrowed for the call */
    const char *method, *path;
    const char *authorization; /* "" when there was none */
    const char *content_type;  /* "" when there was none */
    const char *body;
    unsigned on_connection; /* 1 for the first request of its connection */
};

enum scripted_deed {
    SCRIPTED_ANSWER, /* status, headers, body */
    SCRIPTED_STALL,  /* nothing comes, the connection stays */
    SCRIPTED_CLOSE,  /* the connection is closed without an answer */
    SCRIPTED_RESET,  /* the same with RST */
    SCRIPTED_SHORT,  /* a body cut short of its Content-Length */
    SCRIPTED_ENDLESS /* chunks without an end */
};

struct scripted_answer {
    enum scripted_deed deed;
    int status;          /* 200 when left at 0 */
    const char *headers; /* whole lines with CRLF, or NULL */
    const char *body;    /* NULL: none */
};
typedef void (*scripted_fn)(const struct scripted_request *request,
                            struct scripted_answer *answer, void *userdata);

struct scripted_server *scripted_server_new(struct sd_event *event, scripted_fn fn,
                                            void *userdata);
struct scripted_server *scripted_server_free(struct scripted_server *s);
const char *scripted_server_url(const struct scripted_server *s);
/* Closes all connections, as a server does that keeps none for so long. */
void scripted_server_drop(struct scripted_server *s);
/* Takes no connections any more. */
void scripted_server_shut(struct scripted_server *s);
unsigned scripted_server_n_connections(const struct scripted_server *s);
