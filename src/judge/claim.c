/*
 * Who else has a claim on the login that a person wants: another entry, another person's link,
 * or a user of the tenant that nobody claims. It only reads.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "judge/judge-internal.h"
#include "model/part.h"
#include "state/listing.h"
#include "tenant/client.h"

/* Another person's account has the login. Whoever left and comes back under a new identity (a
 * directory reloaded from LDIF) is told from a stranger who was given an old login. */
static int claim_by_link(struct books *b, struct dossier *s, const struct link *other,
                         struct error *e)
{
    struct mirror_entry m = {0};
    int r = mirror_load(books_state(b), other->entry_id, &m, e);
    if (r < 0)
        return r;
    bool left = r == STATE_NONE || m.gone;
    const char *dn = m.entry ? m.entry->dn : "an entry that is forgotten";
    struct user *known = NULL;
    r = left ? user_from_json_if_any(&known, other->known, e) : 0;
    if (r == 0 && !left) {
        s->claim = PLANNER_LOGIN_LINKED;
        snprintf(s->claim_sentence, sizeof(s->claim_sentence),
                 "the login %s belongs to %s: give one of the two another login", other->login, dn);
    } else if (r == 0 && known && planner_same_person(s->verdict.user, known)) {
        s->claim = PLANNER_LOGIN_LEFT_SAME;
        snprintf(
            s->claim_sentence, sizeof(s->claim_sentence),
            "the login %s belonged to %s, which is gone; mail or name are the same: approve to link it "
            "to %s",
            other->login, dn, dossier_dn(s));
        s->found = TAKE(known);
        r = user_from_json_if_any(&s->found_granted, other->granted, e);
    } else if (r == 0) {
        s->claim = PLANNER_LOGIN_LEFT_OTHER;
        snprintf(
            s->claim_sentence, sizeof(s->claim_sentence),
            "the login %s belonged to %s, which is gone and was somebody else: give %s another login, or "
            "delete the old user at the tenant",
            other->login, dn, dossier_dn(s));
    }
    user_free(known);
    mirror_entry_done(&m);
    return r;
}

static int claim_by_mail(struct books *b, struct dossier *s, const char *key, struct error *e)
{
    CLEANUP(freep) char *login = NULL;
    if (!key)
        return 0;
    int r = listing_find_mail(books_state(b), key, &login, e);
    if (r != 0)
        return r == STATE_NONE ? 0 : r;
    s->claim = PLANNER_MAIL_AT_TENANT;
    snprintf(
        s->claim_sentence, sizeof(s->claim_sentence),
        "the tenant's user %s has the mail %s: give the entry that login, or the user another mail, so "
        "that one person does not get two users",
        login, user_get(s->verdict.user, USER_EMAIL));
    return 0;
}

struct likeness {
    const struct user *known;
    char login[256];
    struct error *e;
};

static int is_alike(const char *login, const char *found, void *userdata)
{
    struct likeness *l = userdata;
    CLEANUP(user_freep) struct user *other = NULL;
    int r = user_from_json(&other, found, l->e);
    if (r < 0)
        return r;
    if (!planner_same_person(l->known, other) &&
        !planner_same_field(l->known, other, USER_EXTENSION))
        return 0;
    snprintf(l->login, sizeof(l->login), "%s", login);
    return 1;
}

/* Whoever vanished at the tenant may be there under another login: one that nobody claims, with
 * the name or the extension of the one that was known. */
static int claim_by_likeness(struct books *b, struct dossier *s, struct error *e)
{
    struct likeness l = {.known = s->known, .e = e};
    int r = s->has_link && s->link.gone != LINK_THERE && s->known
                ? listing_each_found(books_state(b), is_alike, &l, e)
                : 0;
    if (r <= 0)
        return r;
    s->claim = PLANNER_LIKE_AT_TENANT;
    snprintf(
        s->claim_sentence, sizeof(s->claim_sentence),
        "the user %s is not at the tenant any more, and the tenant's user %s has its name or "
        "extension: if that is the same person, rename it back there or give the entry that login; "
        "if not, delete or change that user",
        s->link.login, l.login);
    return 0;
}

/* Whom we removed, and the tenant kept, disabled, is still the user that we know: with what we
 * gave it, and with what no read shows. */
static int recall_kept(struct books *b, struct dossier *s, struct error *e)
{
    const struct engine_options *o = books_options(b);
    const struct parts *parts = o->tenant_ops->parts(o->tenant);
    if (!parts->keeps_removed || !s->has_link || s->link.status != LINK_DELETED || s->link.gone ||
        !s->known)
        return 0;
    s->found_granted = s->granted ? user_copy(s->granted) : NULL;
    if ((s->granted && !s->found_granted) || part_copy(s->found, parts->hides, s->known) < 0)
        return error_out_of_memory(e);
    return 0;
}

/* What the user looks like that has the login already, as far as it was looked at. */
static int load_found(struct books *b, struct dossier *s, struct error *e)
{
    CLEANUP(freep) char *found = NULL;
    int r = listing_found(books_state(b), s->login_key, &found, e);
    s->looking = r == STATE_NONE;
    if (r == 0 && *found)
        r = user_from_json_if_any(&s->found, found, e);
    return r == 0 && *found ? recall_kept(b, s, e) : r < 0 ? r : 0;
}

/* Who else has a claim on the login that this person wants? */
int claim_find(struct books *b, struct dossier *s, struct error *e)
{
    s->claim = PLANNER_LOGIN_FREE;
    bool mine = s->has_link && s->link.status != LINK_DELETED &&
                text_equal(s->link.login_key, s->login_key);
    if (mine)
        return 0;
    const char *mail = user_get(s->verdict.user, USER_EMAIL);
    CLEANUP(freep) char *mail_key = mail && *mail ? text_fold(mail, strlen(mail)) : NULL;
    bool others = true;
    int r = person_may_clash(books_state(b), s->entry_id, s->login_key, mail_key, &others, e);
    s->alone = r == 0 && !others;
    if (r < 0 || s->alone)
        return r < 0 || (s->has_link && s->link.status != LINK_DELETED)
                   ? r
                   : claim_by_likeness(b, s, e);
    struct link other = {0};
    r = link_load_by_login(books_state(b), s->login_key, &other, e);
    if (r == 0 && !text_equal(other.entry_id, s->entry_id) && other.status != LINK_DELETED)
        r = claim_by_link(b, s, &other, e);
    link_done(&other);
    if (r < 0 || s->claim != PLANNER_LOGIN_FREE)
        return r < 0 ? r : 0;

    struct string_list sharing = {0};
    r = person_sharing_login(books_state(b), s->login_key, s->entry_id, &sharing, e);
    if (r == 0 && sharing.n_items) {
        CLEANUP(freep) char *dn = NULL;
        r = mirror_dn(books_state(b), sharing.items[0], &dn, e);
        s->claim = PLANNER_LOGIN_SHARED;
        snprintf(
            s->claim_sentence, sizeof(s->claim_sentence),
            "%s and %s both give the login %s: change one of them; until then neither gets a user",
            dossier_dn(s), dn ? dn : sharing.items[0], user_get(s->verdict.user, USER_LOGIN));
    }
    string_list_done(&sharing);
    if (r < 0 || s->claim != PLANNER_LOGIN_FREE || (s->has_link && s->link.status != LINK_DELETED))
        return r < 0 ? r : 0;

    CLEANUP(freep) char *listed = NULL;
    r = listing_find(books_state(b), s->login_key, &listed, e);
    if (r == 0) {
        s->claim = PLANNER_LOGIN_AT_TENANT;
        snprintf(s->claim_sentence, sizeof(s->claim_sentence), "the tenant has a user %s already%s",
                 listed,
                 text_equal(listed, user_get(s->verdict.user, USER_LOGIN)) ? ""
                                                                           : " (differs in case)");
        return load_found(b, s, e);
    }
    r = r < 0 ? r : claim_by_mail(b, s, mail_key, e);
    return r < 0 || s->claim != PLANNER_LOGIN_FREE ? r : claim_by_likeness(b, s, e);
}

int claim_find_successor(struct books *b, struct dossier *s, struct error *e)
{
    struct string_list sharing = {0};
    int r = s->known
                ? person_sharing_login(books_state(b), s->link.login_key, s->entry_id, &sharing, e)
                : 0;
    s->successor_idle = true;
    for (size_t i = 0; i < sharing.n_items && r == 0; i++) {
        CLEANUP(user_freep) struct user *wanted = NULL;
        struct person p = {0};
        r = person_load(books_state(b), sharing.items[i], &p, e);
        if (r == 0)
            r = user_from_json_if_any(&wanted, p.wanted, e);
        bool same = r == 0 && wanted && planner_same_person(wanted, s->known);
        s->successor_revoked |= same && text_equal(p.code, REASON_REVOKED);
        s->successor_idle &= !same || p.standing == BUCKET_SKIPPED || wanted->disabled;
        if (same)
            snprintf(
                s->successor_sentence, sizeof(s->successor_sentence),
                "%s is gone, and %s has the same login and the same mail or name, as when a "
                "directory was loaded anew: %s",
                dossier_dn(s), p.dn,
                s->successor_revoked ? "whoever uses the account, it is disabled"
                : s->successor_idle
                    ? "nobody is to use the account now, so it is disabled, and kept for that entry"
                    : "nothing is removed while linking it to that entry waits for approval");
        person_done(&p);
    }
    string_list_done(&sharing);
    return r < 0 ? r : 0;
}
