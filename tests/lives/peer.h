/* What the parts of the directory's server share: directory.c answers searches, syncrepl.c and
 * dirsync.c tell of changes. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "../unit/ldap-ber.h"
#include "directory.h"

struct search {
    struct search *next;
    struct line *line;
    unsigned char *copy; /* of the request, which the question points into */
    struct question q;
    uint64_t cookie_csn;
    bool was;  /* the entry that changes matched before */
    bool told; /* of that change */
};

/* shown.c: whether an access rule hides the entry; whether the search shows it; whether it is the
 * search's base, and shown. */
bool is_hidden(const struct item *i);
void rights_change(void); /* there is another trouble, or there are other people */
bool selects(const struct search *s, const struct item *i);
bool shows_base(const struct search *s, const struct item *i);
/* What of an entry is asked for; everything: and what is not. deleted: of what is left of it. */
enum shown_how {
    SHOWN_AS_ASKED = 0,
    SHOWN_WHOLE = 1, /* all attributes, asked for or not */
    SHOWN_PUSHED = 2,
};
void put_entry(const struct search *s, BerElement *ber, const struct item *i,
               enum shown_how how);
/* A message that begins with the entry's name. */
BerElement *entry_begin(const struct search *s, const char *dn);

/* answers.c */
struct answer_to answer_by(const struct line *l);
void say_end(const struct search *s, int code, const char *text);
/* After some entries: true: the search is over, and not all was said. */
bool ends_early(const struct search *s);
/* With --trace: by its kind, and whom it is about. */
void trace_message(const struct line *l, bool is_answer, struct part message);

/* syncrepl.c */
bool sync_begin(struct search *s); /* true: it goes on */
void sync_push(const struct search *s, const struct item *i);
void sync_put_root(struct item *root);

/* dirsync.c */
void dirsync_answer(const struct search *s);
void dirsync_notify(const struct search *s, const struct item *i);
void dirsync_put_root(struct item *root);
bool dirsync_answer_own(const struct search *s); /* an entry that the controller itself has */
void guid_write(const struct item *i, char ret[37]);
