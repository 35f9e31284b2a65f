/*
 * What an LDAP server of the tests hears and says, as bytes: requests are read by a few lines
 * of their own, answers are made by liblber. It knows nothing of what a directory holds.
 */
#pragma once
#include <lber.h>
#include <stdbool.h>
#include <stddef.h>

#define OID_SYNC         "1.3.6.1.4.1.4203.1.9.1.1"
#define OID_SYNC_STATE   "1.3.6.1.4.1.4203.1.9.1.2"
#define OID_SYNC_DONE    "1.3.6.1.4.1.4203.1.9.1.3"
#define OID_SYNC_INFO    "1.3.6.1.4.1.4203.1.9.1.4"
#define OID_PAGED        "1.2.840.113556.1.4.319"
#define OID_SHOW_DELETED "1.2.840.113556.1.4.417"
#define OID_NOTIFICATION "1.2.840.113556.1.4.528"
#define OID_DIRSYNC      "1.2.840.113556.1.4.841"

/* Tags of filters. */
#define FILTER_AND     0xa0
#define FILTER_OR      0xa1
#define FILTER_NOT     0xa2
#define FILTER_EQUAL   0xa3
#define FILTER_PART    0xa4
#define FILTER_AT_LEAST 0xa5
#define FILTER_PRESENT 0x87

struct part { /* one element */
    unsigned tag;
    const unsigned char *data;
    size_t size;
};
/* The next element of what is left; false at its end, or where it is not all there yet. */
bool part_take(struct part *left, struct part *ret);
long part_number(const struct part *p);
bool part_is(const struct part *p, const char *text); /* whatever the case */
void part_text(const struct part *p, char *ret, size_t size);

struct question { /* a search; parts point into the request */
    int id;
    char base[200];
    long scope;
    struct part filter, attributes;
    bool paged, sync, dirsync, notifies, shows_deleted;
    size_t page_size;
    char page[24];    /* where the page begins, as it was said; "": the first */
    long mode;        /* of the synchronisation, or the flags of DirSync */
    char cookie[200]; /* of either; "": none */
};
/* request, and what follows it in the message. */
void question_read(struct question *ret, int id, struct part request, struct part rest);

bool dn_lies_below(const char *dn, const char *base, long scope);
void uuid_write(const unsigned char uuid[16], char ret[37]);

BerElement *answer_new(void);
/* Who sends the bytes. */
typedef void (*answer_fn)(void *userdata, const void *data, size_t size);
struct answer_to {
    answer_fn fn;
    void *userdata;
};
void answer_say(const struct answer_to *to, BerElement *taken);
/* An end: code, text, and perhaps a control with the value. */
void answer_result(const struct answer_to *to, int id, ber_tag_t tag, int code, const char *text,
                   const char *oid, BerElement *value_taken);
/* A message of content synchronisation between entries. */
void answer_sync_info(const struct answer_to *to, int id, BerElement *value_taken);
/* The control of an entry; "": no cookie. Then the message is closed and sent. */
void answer_entry_end(const struct answer_to *to, BerElement *taken, bool sync, int state,
                      const unsigned char uuid[16], const char *cookie);
