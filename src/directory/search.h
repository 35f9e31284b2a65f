/*
 * One search, read to its end, with what it proves: whether its answer is all there is.
 */
#pragma once
#include <ldap.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "directory/options.h"

struct error;
struct session;
struct search;

struct search_request {
    const char *base;
    int scope;
    const char *filter;
    const char *const *attributes; /* NULL-terminated */
    unsigned page_size;            /* 0: no paging. One paged search per session at a time. */
    int size_limit;                /* 0: none. More than that is code 4. */
    enum directory_referrals referrals;
    bool partitions;        /* references to the server's own partitions are nothing: AD */
    LDAPControl **controls; /* further ones, without paging; borrowed until the end */
    uint64_t timeout_usec;  /* of silence */
};

struct search_outcome {
    int code;         /* LDAP result code of the last page */
    bool whole;       /* code 0, no reference, paging as it should be */
    bool unanswered;  /* asked again it may be whole: libldap_is_no_answer(), or a place lost */
    char doubt[400];  /* why it is not whole: a sentence */
    const char *said; /* diagnostic message; borrowed, NULL: none */
    LDAPControl **controls; /* of the result; borrowed */
    size_t n_entries, n_references;
};

struct search_events {
    /* m is borrowed. A negative answer ends the search: `failed`. */
    int (*entry)(LDAP *ld, LDAPMessage *m, void *userdata, struct error *e);
    /* A continuation reference, when the request says "follow": whoever takes it answers for
     * that part. NULL: nobody does, and the answer is not whole. */
    void (*reference)(char *const *urls, void *userdata);
    /* The search is over; it may be freed from here. */
    void (*done)(struct search *s, const struct search_outcome *outcome, void *userdata);
    /* `entry` failed, or the next page could not be asked for; may be freed from here. */
    void (*failed)(struct search *s, int r, const struct error *e, void *userdata);
};

/* What a request points to is copied, controls excepted. */
int search_start(struct search **ret, struct session *session, const struct search_request *request,
                 const struct search_events *events, void *userdata, struct error *e);
struct search *search_free(struct search *s); /* abandons; neither done nor failed will run */

/* A continuation reference that says nothing about people: AD points from the domain to its own
 * configuration and DNS partitions. */
bool search_reference_is_partition(const char *url);
