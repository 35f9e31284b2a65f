/* One life of a company, from one seed. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "world.h"

struct life_options {
    uint64_t seed;
    unsigned days, people;
    unsigned crash_percent; /* chance of a death in each quarter of a day */
    bool keep;              /* the folder stays also if nothing broke */
};
struct life_result {
    char hash[65]; /* SHA-256 of the audit */
    unsigned n_broken;
    struct world world; /* its counts */
};
/* 0; or -1 if it could not be lived. */
int life_run(const struct life_options *o, struct life_result *ret);
