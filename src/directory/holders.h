/*
 * Who left a search may be in another one, or just be on its way there. This room asks all
 * searches for such entries, by their ids, some dozens at once: an entry is gone when every
 * search was asked, answered whole, and has none. It decides nothing about what it finds.
 */
#pragma once
#include <ldap.h>
#include <stdbool.h>

struct error;
struct feed_environment;
struct holders;
struct string_list;

struct holders_events {
    /* Found in this search. 1: taken; 0: it does not count as found. m is borrowed. */
    int (*entry)(unsigned search, LDAP *ld, LDAPMessage *m, void *userdata, struct error *e);
    /* Over; absent: those that no search has. whole: all questions were answered, else it is
     * not known of the others whether somebody has them. Borrowed until it returns. */
    void (*done)(const struct string_list *absent, bool whole, void *userdata);
    void (*failed)(int r, const struct error *e, void *userdata);
};

int holders_new(struct holders **ret, struct feed_environment *env,
                const struct holders_events *events, void *userdata, struct error *e);
struct holders *holders_free(struct holders *h);
void holders_reset(struct holders *h); /* forgets all, and what is under way */
/* false: on this server such a question proves nothing, only whole reads do. */
bool holders_can_ask(const struct feed_environment *env);
bool holders_asking(const struct holders *h);
int holders_ask(struct holders *h, const struct string_list *ids, struct error *e); /* copied */
