/* The HTTP side: listeners, requests that wait, and sending. */
#pragma once

#include <stdint.h>

struct simulator;
struct request;
struct MHD_Daemon;

struct listener {
    struct simulator *simulator;
    struct MHD_Daemon *daemon;
    int epoll_fd;
    int port;
    int control_only;
};

/* `certificate` and `key` are PEM texts, NULL for plain HTTP. `address` is IPV4:PORT; port 0
 * picks one. */
int http_listen(struct listener *l, struct simulator *s, const char *address,
                const char *certificate, const char *key, int control_only);
void http_close(struct listener *l);
int http_run(struct listener *l);
/* How long the loop may sleep, at most `limit_ms`. */
int http_timeout(const struct listener *l, int limit_ms);

/* Resumes what waited long enough or whose client is gone, and returns when to look again
 * (milliseconds). */
int http_wake(struct simulator *s);
/* Cuts every request that stalls. */
void http_end_stalls(struct simulator *s);
/* Cuts every request that waits for anything: the simulator ends. */
void http_end_all(struct simulator *s);
