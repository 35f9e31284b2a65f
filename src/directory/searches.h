/* What is asked of a server: where, with which filter, through which feed. Pure but for memory.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "directory/environment.h"
#include "directory/options.h"

struct error;
struct rootdse;
struct schema;

struct searches {
    struct feed_search items[DIRECTORY_MAX_SEARCHES]; /* filters follow from the product */
    unsigned n_items;
};

int searches_init(struct searches *p, const struct directory_options *o,
                  struct error *e); /* the bases */
void searches_done(struct searches *p);
int searches_keys(struct searches *p, const struct schema *schema,
                  struct error *e); /* of the bases */
int searches_filters(struct searches *p, const struct directory_options *o,
                     const struct rootdse *server, struct error *e);
