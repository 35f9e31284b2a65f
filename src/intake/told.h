/*
 * Who is to lose access by what the directory said ahead of the read that is under way
 * (directory/urgent.h). Such a word counts as "revoke now" and as nothing else: the mirror holds
 * what reads show, and a read may show an entry as it was before. So the word is kept beside it
 * until the read has shown the entry and it says the same, or the directory takes it back. A death
 * forgets it: nobody is judged before a read has ended that began after it.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

struct string_list;

struct told_one {
    LIST_ENTRY(told_one) link; /* in one of the lists */
    const char *id;            /* behind this */
    unsigned searches;         /* of the directory: a bit for each that names it */
    unsigned unnamed;          /* of those, since they began anew */
    bool is_shown;             /* the mirror shows the same, by what was read earlier */
};
LIST_HEAD(told_list, told_one);
struct told {
    void *index; /* tsearch(3) */
    struct told_list open, shown;
    struct told_one *next; /* of those that are open, to be asked for; NULL: the first */
    size_t n_items, n_open;
};
void told_done(struct told *t);

bool told_has(const struct told *t, const char *entry_id);
/* It is there, and the mirror shows the same; and from now on it does, or does not. */
bool told_is_shown(const struct told *t, const char *entry_id);
void told_set_shown(struct told *t, const char *entry_id, bool is_shown);

/* This search names that entry. 1: none did before; 0; or -ENOMEM. */
int told_note(struct told *t, const char *entry_id, unsigned search, bool is_shown);
/* It does so no more. true: none does now, nor does the mirror show it. */
bool told_take_back(struct told *t, const char *entry_id, unsigned search);
/* The entry itself says so by now: nobody needs to tell it. */
void told_forget(struct told *t, const char *entry_id);
/* Of those whom the mirror does not show so, one after the other and then again; NULL: none.
 * Borrowed until that one is dropped. */
const char *told_next_open(struct told *t);

/* A search begins to name all whom it knows; it has named all. Those whom it did not name, whom no
 * other names, and whom the mirror does not show so, are appended: 0 or -ENOMEM. */
void told_begin(struct told *t, unsigned search);
int told_end(struct told *t, unsigned search, struct string_list *ret_not);
/* Nobody tells anything any more: all are dropped, and appended likewise. */
int told_end_all(struct told *t, struct string_list *ret_not);
