/*
 * One bound connection on the loop. It reads answers without ever waiting and gives each to the
 * operation that asked; it notices silence and loss. After a loss it is dead: the owner frees
 * it and makes another.
 */
#pragma once
#include <ldap.h>
#include <stdbool.h>
#include <stdint.h>

struct error;
struct sd_event;
struct secret;
struct session;
struct session_operation;

struct session_request;
struct session_events {
    /* The connection is lost; once. No operation hears anything any more. Not to be freed from
     * here. */
    void (*lost)(struct session *s, int r, const struct error *e, void *userdata);
    /* All that had arrived was given out (drained), or as much as one turn may. */
    void (*turn)(struct session *s, bool drained, void *userdata);
    /* A search was sent; NULL: nobody asks. */
    void (*searched)(struct session *s, const struct session_request *request, void *userdata);
};

/* type: LDAP_RES_SEARCH_ENTRY, _REFERENCE, _INTERMEDIATE, or _RESULT, which ends the operation.
 * *m is freed afterwards unless it was taken (set to NULL). */
typedef void (*session_message_fn)(struct session_operation *o, int type, LDAPMessage **m,
                                   void *userdata);

struct session_request {
    const char *base;
    int scope;
    const char *filter;
    const char *const *attributes; /* NULL-terminated */
    LDAPControl **controls;        /* NULL-terminated, or NULL; borrowed for the call */
    int size_limit;                /* 0: none */
    uint64_t timeout_usec;         /* silence that this operation bears; 0: any */
};

int session_new(struct session **ret, struct sd_event *event, LDAP *taken,
                struct secret *password_taken, const char *uri, const struct session_events *events,
                void *userdata, struct error *e);
struct session *session_free(struct session *s); /* operations outlive it, silent */
void session_stop(struct session *s);            /* nothing more is given out */
LDAP *session_ldap(const struct session *s);
/* libldap_said() of what this server says. */
char *session_said(const struct session *s, char *buffer, const char *said);
/* The same of an address to which it refers: all of it, or at least which server it is. */
char *session_said_url(const struct session *s, char *buffer, const char *url);
const char *session_uri(const struct session *s);
uint64_t session_n_entries(const struct session *s);       /* that it was sent so far */
uint64_t session_last_heard_usec(const struct session *s); /* monotonic */

int session_search(struct session *s, struct session_operation **ret,
                   const struct session_request *request, session_message_fn message,
                   void *userdata, struct error *e);
void session_operation_set_timeout(struct session_operation *o, uint64_t timeout_usec);
/* Abandons it if it has not ended. */
struct session_operation *session_operation_free(struct session_operation *o);
