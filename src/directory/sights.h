/* Why a group that a rule names is not read: what the server shows under its DN. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

struct error;
struct schema;
struct session;
struct sights;

struct sights_request {
    struct session *session;       /* borrowed */
    const struct string_list *dns; /* copied */
    const struct schema *schema;   /* these are borrowed until it is over */
    /* Below which entries anything is read at all; the lists are copied, the texts borrowed. */
    const char *const *base_keys, *const *bases;
    size_t n_bases;     /* at most SIGHTS_BASES_MAX */
    const char *groups; /* the filter of groups */
    uint64_t timeout_usec;
};
#define SIGHTS_BASES_MAX 16

struct sights_events {
    /* sentence: goes on behind "the group DN of rule R"; not for a DN with nothing to say. */
    void (*tell)(const char *dn, const char *sentence, void *userdata);
    void (*over)(void *userdata);                                 /* the last one, once */
    void (*failed)(int r, const struct error *e, void *userdata); /* instead */
};

int sights_start(struct sights **ret, const struct sights_request *request,
                 const struct sights_events *events, void *userdata, struct error *e);
struct sights *sights_free(struct sights *s); /* not from inside an event */
