/*
 * Groups whose members this account may not see, wholly or in part. What was seen last counts,
 * so nobody loses anything, and a person is told: give the account the right, or say that they
 * were removed.
 */
#include "config.h"

#include "intake/hidden.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "books/books.h"
#include "model/operation.h"
#include "state/mirror.h"
#include "state/queue.h"
#include "state/state.h"

#define CAUSE "members:"

static int say(struct books *b, const char *dn, struct string_list *standing)
{
    char cause[600], sentence[1400];
    snprintf(cause, sizeof(cause), CAUSE "%.590s", dn);
    snprintf(sentence, sizeof(sentence),
             "the group %.500s has members that this account is not shown: those that were seen "
             "last count, and nobody loses anything because of it. Give the account the right to "
             "read its members and to search for them; if they were removed, rosterctl retry "
             "--cause '%s%.500s'",
             dn, CAUSE, dn);
    alarm_set(b, cause, REASON_ATTRIBUTE_VANISHED, sentence);
    return string_list_add(standing, cause);
}

int hidden_look(struct books *b, const struct bound_groups *groups, struct error *e)
{
    CLEANUP(string_list_done) struct string_list hidden = {0}, standing = {0};
    int r = mirror_hidden_groups(books_state(b), groups, &hidden, e);
    for (size_t i = 0; r == 0 && i < hidden.n_items; i++)
        if (say(b, hidden.items[i], &standing) < 0)
            r = error_out_of_memory(e);
    return r < 0 ? r : alarm_over_but(b, CAUSE, &standing, e);
}

int hidden_believe(struct books *b, const char *cause, struct error *e)
{
    if (strncmp(cause, CAUSE, sizeof(CAUSE) - 1) != 0)
        return STATE_NONE;
    const char *dn = cause + sizeof(CAUSE) - 1;
    int r = mirror_believe(books_state(b), dn, e);
    if (r == 0)
        log_notice("The next read of the group %s is taken as it is: somebody confirmed that "
                   "whoever it no longer shows was removed",
                   dn);
    return r;
}
