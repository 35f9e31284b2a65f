/*
 * RFC 4533 on the wire: the request control, the state of an entry, the info message, the done
 * control. Pure: bytes in, plain values out.
 */
#pragma once
#include <lber.h>
#include <stdbool.h>
#include <stddef.h>

enum sync_request {
    SYNC_REFRESH_ONLY = 1,
    SYNC_REFRESH_AND_PERSIST = 3,
};
enum sync_entry_state {
    SYNC_PRESENT = 0,
    SYNC_ADD = 1,
    SYNC_MODIFY = 2,
    SYNC_DELETE = 3,
};
enum sync_info_kind {
    SYNC_NEW_COOKIE = 1,
    SYNC_REFRESH_DELETE = 2,
    SYNC_REFRESH_PRESENT = 3,
    SYNC_ID_SET = 4,
};

struct sync_cookie {
    void *data; /* NULL: none was sent */
    size_t size;
};
struct sync_state {
    enum sync_entry_state state;
    unsigned char uuid[16];
    struct sync_cookie cookie;
};
struct sync_info {
    enum sync_info_kind kind;
    struct sync_cookie cookie;
    bool refresh_done;    /* REFRESH_DELETE, REFRESH_PRESENT: TRUE when absent */
    bool refresh_deletes; /* ID_SET: the ids are gone; else they are present */
    unsigned char (*uuids)[16];
    size_t n_uuids;
};
struct sync_end {
    struct sync_cookie cookie;
    bool refresh_deletes;
};

void sync_cookie_done(struct sync_cookie *c);
void sync_state_done(struct sync_state *s);
void sync_info_done(struct sync_info *i);
void sync_end_done(struct sync_end *e);

/* The control's value; free with ber_bvfree(). cookie NULL: none. NULL when out of memory. */
struct berval *sync_request_value(enum sync_request mode, const void *cookie, size_t size);
/* 0, -EBADMSG, -ENOMEM. */
int sync_parse_state(const struct berval *value, struct sync_state *ret);
int sync_parse_info(const struct berval *value, struct sync_info *ret);
int sync_parse_end(const struct berval *value, struct sync_end *ret);
/* The change number at the end of a 389 DS cookie ("host:port#dn:base:filter#17"); false when
 * there is none. */
bool sync_cookie_change_number(const void *cookie, size_t size, unsigned long long *ret);
/* Whether OpenLDAP will understand this as its own cookie ("rid=000,csn=CSN;CSN"). What it does
 * not understand it ignores: it then sends everything, and calls that what changed. */
bool sync_cookie_is_openldap(const void *cookie, size_t size);
