/* Programmed faults: which requests go wrong, how often and how. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct request;

enum fault_action {
    FAULT_DELAY, /* nothing but the delay that every action may have */
    FAULT_STATUS,
    FAULT_CUT,
    FAULT_SHORT_BODY,
    FAULT_BIG_BODY,
    FAULT_ENDLESS_BODY,
    FAULT_HTML,
    FAULT_REDIRECT,
    FAULT_REVOKE,
    FAULT_STALL
};

struct fault {
    TAILQ_ENTRY(fault) link;
    unsigned references; /* the list, and requests that it holds up */
    long id, hits;
    /* Which requests. */
    char *method, *path, *login; /* NULL: any */
    long skip;                   /* matches to let pass first */
    long count;                  /* matches left; -1: for ever */
    double probability;
    uint64_t random;
    /* What happens. */
    enum fault_action action;
    bool commit; /* the request is carried out all the same */
    bool reset;  /* cut with RST instead of an orderly close */
    unsigned status;
    long delay_ms, pace_ms;
    uint64_t bytes;
    char *body, *content_type, *location;
    json_t *headers;
};

struct faults {
    TAILQ_HEAD(, fault) all;
    long next_id;
};

void faults_init(struct faults *f);
void faults_clear(struct faults *f);
/* Adds one rule; NULL, or what is wrong with it (to be freed). */
char *faults_add(struct faults *f, const json_t *rule, long *ret_id);
/* The list with its hits, as JSON. */
json_t *faults_list(const struct faults *f);
/* The first rule that strikes this request, with a reference, or NULL. */
struct fault *faults_match(struct faults *f, const struct request *q);
struct fault *fault_unref(struct fault *f);
const char *fault_name(const struct fault *f);
