/*
 * Who is to lose access by what the directory said ahead of the read that is under way
 * (directory/urgent.h). Such a word counts as "revoke now" and as nothing else: the mirror holds
 * what reads show, and a read may show an entry as it was before. So the word is kept beside it
 * until the entry itself says the same, or the directory takes it back. A death forgets it: nobody
 * is judged before a read has ended that began after it.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct string_list;

struct told_one {
    char *id;
    unsigned searches; /* of the directory: a bit for each that names it */
    unsigned unnamed;  /* of those, since they began anew */
};
struct told {
    struct told_one *items; /* in the order of ids */
    size_t n_items, capacity;
};
void told_done(struct told *t);

bool told_has(const struct told *t, const char *entry_id);

/* This search names that entry. 1: none did before; 0; or -ENOMEM. */
int told_note(struct told *t, const char *entry_id, unsigned search);
/* It does so no more. true: none does now. */
bool told_take_back(struct told *t, const char *entry_id, unsigned search);
/* The entry itself says so by now: nobody needs to tell it. */
void told_forget(struct told *t, const char *entry_id);

/* A search begins to name all whom it knows; it has named all. Those whom it did not name, and
 * whom no other names, are appended: 0 or -ENOMEM. */
void told_begin(struct told *t, unsigned search);
int told_end(struct told *t, unsigned search, struct string_list *ret_not);
/* Nobody tells anything any more: all are appended, likewise. */
int told_end_all(struct told *t, struct string_list *ret_not);
