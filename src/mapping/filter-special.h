/* Assertions that a server takes in another form than that of the values: the name or OID of a
 * class, the class that stands for an objectCategory, binary identifiers as text. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct filter_node;
struct schema;
struct value;

#define FILTER_SPECIAL_NONE          0 /* an ordinary assertion, perhaps with its bytes replaced */
#define FILTER_SPECIAL_PREPARED      1 /* normalised already */
#define FILTER_SPECIAL_UNKNOWN_CLASS 2
/* Of an equality item with its attribute resolved. One of these, or -ENOMEM. */
int filter_special_prepare(struct filter_node *n, const struct schema *schema);
/* Of an item with `category` set. FILTER_TRUE or FILTER_FALSE, or -ENOMEM. */
int filter_special_category(const struct filter_node *n, const struct value *v);
