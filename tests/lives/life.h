/* One life of a company, as a plan says. */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "world.h"

struct happening;
struct plan;

struct life_result {
    char hash[65]; /* SHA-256 of the audit */
    unsigned n_broken;
    struct world world; /* its counts */
};
/* keep: the folder stays also if nothing broke. 0; or -1 if it could not be lived. */
int life_run(const struct plan *p, bool keep, struct life_result *ret);
void life_happen(const struct happening *h);
void life_calms(void); /* no trouble any more, and no death */
void life_end(void *userdata, uint64_t argument);
/* The daemon has been up since then, and nothing was out of order. */
bool life_was_quiet(uint64_t since_usec);
/* What waits in the daemon that runs now, as it tells an operator. */
json_t *life_plan(void);
json_t *life_explain(const char *person); /* NULL: it cannot */
void life_check_explained(void);          /* some of them a day, as an operator is told */
struct person;
/* What is told of somebody is what was done, whatever is still to be done. */
void life_check_answer(const struct person *p, const json_t *answer);
struct daemon *life_running(void);        /* NULL: it does not */
uint64_t life_up_since_usec(void);

/* aftermath.c: the state file's parts, under another name; what a life left behind. ended_well:
 * nothing is under way any more. */
void state_copy(const char *from, const char *to);
void state_remove(void);
void aftermath_verify(bool ended_well);
void aftermath_hash(char ret[65]);
int aftermath_folder(void); /* makes one; -1: it cannot be made */
void aftermath_remove(void);
