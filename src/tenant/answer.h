/*
 * What an answer means. Pure: an exchange's result in, a class, a hint and a wait out. This is
 * the only place that decides.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tenant/client.h"
#include "tenant/http.h"

enum answer_api {
    ANSWER_TOKEN,
    ANSWER_CONFIGURATION,
    ANSWER_SCIM,
};

struct answer_question { /* what was asked */
    enum http_method method;
    enum answer_api api;
    bool names_user;        /* the path names one user: 404 is about that user */
    bool scim_works;        /* SCIM was seen to work: a refusal there is not about all of it */
    bool group;             /* of SCIM: it is a group that is written */
    bool team, role, skill; /* the request refers to such objects */
    const char *remedy;     /* of a refused account; NULL: the vendor's */
    const char *login;      /* the name in a hint that is no hint; NULL: none */
    const char *secrets[4]; /* an answer that repeats one of them is not shown; NULL: none */
};

/* Fills class, status, reference, retry_after_usec and hint; leaves the rest alone. DONE for a
 * read says that the body may be parsed; answer_not_understood() is for when that fails. */
void answer_decide(struct tenant_answer *ret, const struct answer_question *question,
                   const struct http_result *result);
/* A body that came with success and is not what this call gets. `what` goes into the hint. */
void answer_not_understood(struct tenant_answer *ret, const struct answer_question *question,
                           const struct http_result *result, const char *what);
/* Likewise, since it is more than one user can be: that user's trouble, while the tenant
 * answers. */
void answer_too_large(struct tenant_answer *ret, const struct answer_question *question);
/* No exchange took place: the request did not leave. */
void answer_not_sent(struct tenant_answer *ret, enum tenant_answer_class class,
                     const char *sentence);
