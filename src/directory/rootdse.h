/*
 * What a server says of itself: product, controls, naming contexts, and what a cookie of it
 * belongs to. Read once for each connection.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "directory/identity.h"
#include "directory/options.h"

struct error;
struct session;
struct rootdse_read;
struct schema;

enum rootdse_product {
    PRODUCT_OTHER = 0,
    PRODUCT_OPENLDAP = 1,
    PRODUCT_389 = 2,
    PRODUCT_ACTIVE_DIRECTORY = 3, /* Samba, too */
};

struct rootdse {
    enum rootdse_product product;
    char *product_text; /* for people, and part of a cookie's identity */
    struct string_list controls, naming_contexts;
    char *subschema, *monitor, *ds_service_name, *default_context;
    char *invocation_id; /* AD */
    /* For each base: the naming context that holds it, as the server writes it; the id of that
     * context's entry, NULL when hidden; whether the base's own entry is shown. */
    char *suffixes[DIRECTORY_MAX_SEARCHES], *suffix_ids[DIRECTORY_MAX_SEARCHES];
    bool base_visible[DIRECTORY_MAX_SEARCHES];
    int base_codes[DIRECTORY_MAX_SEARCHES]; /* the answers */
    enum identity_kind identity; /* by product, or by what the suffix entry shows; 0: unknown */
    bool has_entry_csn, has_entry_usn, has_modify_timestamp; /* shown by the first base */
    uint64_t highest_usn; /* AD: highestCommittedUSN; 389: lastusn */
    bool has_last_usn;
    bool has_changelog; /* 389: retro changelog */
    uint64_t first_change, last_change;
    char base_doubt[256];  /* why the first one is not shown */
    struct schema *schema; /* NULL: could not be read; the caller may take it */
};

/* Reads it all through the session: `done` runs once, from the loop. ret is taken by the caller
 * when r is 0. */
typedef void (*rootdse_done_fn)(int r, struct rootdse *taken, const struct error *e,
                                void *userdata);
int rootdse_read_start(struct rootdse_read **ret, struct session *session, const char *const *bases,
                       unsigned n_bases, uint64_t timeout_usec, rootdse_done_fn done,
                       void *userdata, struct error *e);
struct rootdse_read *rootdse_read_free(struct rootdse_read *r);

struct rootdse *rootdse_free(struct rootdse *d);
bool rootdse_has_control(const struct rootdse *d, const char *oid);
/* What can have people or groups below it: "(|(objectClass=organizationalUnit)…)", and whatever
 * has something below it where the server can be asked for that; malloc'd. */
char *rootdse_container_filter(const struct rootdse *d);
/* The attribute that says that others lie below an entry; NULL: this server has none. */
const char *rootdse_children_attribute(const struct rootdse *d);
