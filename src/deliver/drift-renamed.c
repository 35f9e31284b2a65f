/*
 * A user whom somebody renamed at the tenant: the link follows, on record as drift.
 */
#include "config.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit.h"
#include "base/error.h"
#include "base/log-ids.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "books/books.h"
#include "books/engine-types.h"
#include "deliver/drift.h"
#include "model/json.h"
#include "model/user.h"
#include "state/link.h"
#include "state/person.h"

static int wanted_key(struct books *b, const char *entry_id, char **ret, struct error *e)
{
    struct person p = {0};
    int r = person_load(books_state(b), entry_id, &p, e);
    if (r == 0)
        *ret = TAKE(p.login_key);
    person_done(&p);
    return r < 0 ? r : 0;
}

static int record_rename(struct books *b, const struct link *l, const char *login, struct error *e)
{
    CLEANUP(freep) char *text = NULL;
    json_auto_t *details = json_pack("{s:s}", "renamed", login);
    char sentence[700];
    if (!details || !(text = json_to_text(details, JSON_COMPACT)))
        return error_out_of_memory(e);
    snprintf(sentence, sizeof(sentence), "login_id: %s -> %s", l->login, login);
    log_event(LOG_WARNING, MSG_DRIFT, "User %s was renamed at the tenant: %s", l->login, login);
    struct audit_row row = {
        .event = "drift",
        .entry_id = l->entry_id,
        .login = l->login,
        .code = books_options(b)->sync->on_drift == DRIFT_REPAIR ? "repair" : "report",
        .sentence = sentence,
        .details = text,
    };
    return books_audit(b, &row, e);
}

int drift_follow_rename(struct books *b, struct link *l, const char *login, bool *ret_taken,
                        struct error *e)
{
    CLEANUP(freep) char *key = text_fold(login, strlen(login));
    CLEANUP(freep) char *wanted = NULL;
    CLEANUP(link_done) struct link other = {0};
    int r = key ? link_load_by_login(books_state(b), key, &other, e) : error_out_of_memory(e);
    if (r < 0)
        return r;
    *ret_taken = r == 0 && !text_equal(other.entry_id, l->entry_id);
    if (*ret_taken)
        return 0;
    r = wanted_key(b, l->entry_id, &wanted, e);
    if (r < 0)
        return r;
    r = record_rename(b, l, login, e);
    CLEANUP(user_freep) struct user *known = NULL;
    if (r == 0 && l->known)
        r = user_from_json(&known, l->known, e);
    if (r < 0)
        return r;
    free(l->login);
    free(l->login_key);
    l->login = strdup(login);
    l->renamed_there = !text_equal(key, wanted);
    /* So it was not deleted, and is disabled if we had done that before. */
    if (l->gone && l->status == LINK_DELETED)
        l->status = known && known->disabled && l->disabled_usec ? LINK_DISABLED : LINK_ACTIVE;
    l->gone = LINK_THERE;
    l->login_key = TAKE(key);
    if (!l->login || (known && user_set(known, USER_LOGIN, login, NULL) < 0))
        return error_out_of_memory(e);
    if (known) {
        free(l->known);
        l->known = user_to_json(known, false);
        if (!l->known)
            return error_out_of_memory(e);
    }
    r = link_store(books_state(b), l, e);
    return r < 0 ? r : person_mark_dirty(books_state(b), l->entry_id, e);
}
