/*
 * The servers, in order of preference, each with its back-off. Without I/O of its own, except
 * for address_resolve(), which blocks and belongs on a thread.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct address_list;
struct error;
struct string_list;
struct task_slot;

struct address {
    char *configured; /* as in the configuration */
    char *uri;        /* NULL: must be resolved first */
    struct task_slot *slot;
    unsigned preference; /* 0 is best */
    unsigned n_failures;
    bool refused;
    uint64_t not_before_usec; /* monotonic */
    uint64_t ask_usec;        /* monotonic: when DNS may name others; 0: it did not name it */
};

int address_list_new(struct address_list **ret, char *const *uris, size_t n_uris, struct error *e);
struct address_list *address_list_free(struct address_list *l);

/* The most preferred address whose time has come; NULL: none, and *ret_when says when the first
 * one's comes. */
struct address *address_next(struct address_list *l, uint64_t now_usec, uint64_t *ret_when);
/* An address that is preferred to `than`, and may be tried now; NULL: none. */
struct address *address_better(struct address_list *l, const struct address *than,
                               uint64_t now_usec);
size_t address_count(const struct address_list *l);
bool address_all_refused(const struct address_list *l);

void address_failed(struct address *a, bool refused, uint64_t now_usec);
void address_worked(struct address *a);
void address_try_now(struct address_list *l); /* ends the pauses of all */

/* Puts what an address was resolved to in its place, and in that of its siblings of an earlier
 * answer; who was named before keeps its pauses. */
int address_resolved(struct address_list *l, struct address *a, const struct string_list *uris,
                     struct error *e);
/* One that DNS named some time ago, since it may name others by now; NULL: none. To be asked
 * before each new connection. */
struct address *address_to_ask_again(struct address_list *l, uint64_t now_usec);
/* DNS did not say: what it named before stays, and it is asked again in a minute. */
void address_not_resolved(struct address_list *l, struct address *a);

/* "srv:example.com" and "ldap:///dc=example,dc=com" -> the domain, malloc'd; NULL: an ordinary
 * address. */
char *address_domain(const char *uri);
bool address_is_ldaps_service(const char *uri); /* srvs:, ldaps:///: ask for _ldaps._tcp */
/* Asks DNS; blocks. URIs in the order of RFC 2782. */
/* What is left of the addresses that DNS gave for a domain: hosts that are listed, or, without
 * a list, the domain and hosts below it. -EACCES with a sentence when none is left. */
int address_keep_allowed(struct string_list *uris, const char *domain, char *const *hosts,
                         size_t n_hosts, struct error *e);
/* Is the host of scheme://host:port on the list, as HOST or HOST:PORT? */
bool address_is_listed(const char *uri, char *const *hosts, size_t n_hosts);
int address_resolve(const char *domain, bool ldaps, struct string_list *ret, struct error *e);

struct address_srv {
    char host[256];
    uint16_t port, priority, weight;
};
/* Sorts by priority, and by weight at random within one (RFC 2782). Pure but for `random`. */
void address_order_srv(struct address_srv *records, size_t n, uint32_t (*random)(void *userdata),
                       void *userdata);
/* The records of a DNS answer; -EBADMSG when it is malformed. Pure. */
int address_parse_srv(const unsigned char *answer, size_t size, struct address_srv *ret, size_t max,
                      size_t *ret_n);
