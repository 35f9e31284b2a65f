/*
 * All that is known of one person, read at once: entry, verdict, link, users, operations.
 */
#include "config.h"

#include <stdlib.h>

#include "judge/judge-internal.h"

void dossier_done(struct dossier *s)
{
    mirror_entry_done(&s->mirror);
    person_done(&s->person);
    link_done(&s->link);
    verdict_done(&s->verdict);
    user_free(s->known);
    user_free(s->granted);
    user_free(s->quirks);
    user_free(s->found);
    user_free(s->found_granted);
    free(s->login_key);
    free(s->twin);
    operation_list_done(&s->queue);
}

const char *dossier_dn(const struct dossier *s)
{
    if (s->mirror.entry)
        return s->mirror.entry->dn;
    return s->person.dn ? s->person.dn : "";
}

int dossier_load(struct dossier *s, struct books *b, const struct rules *rules,
                 const char *entry_id, struct error *e)
{
    struct state *state = books_state(b);
    s->entry_id = entry_id;
    const struct mirror_entry *m = &s->mirror;
    int r = mirror_load(state, entry_id, &s->mirror, e);
    if (r < 0)
        return r;
    r = !m->entry || m->has_person ? person_load(state, entry_id, &s->person, e) : STATE_NONE;
    if (r < 0)
        return r;
    s->was_known = r == 0;
    r = !m->entry || m->has_link ? link_load(state, entry_id, &s->link, e) : STATE_NONE;
    if (r < 0)
        return r;
    s->has_link = r == 0;
    r = s->has_link ? user_from_json_if_any(&s->known, s->link.known, e) : 0;
    if (r == 0 && s->has_link)
        r = user_from_json_if_any(&s->granted, s->link.granted, e);
    if (r == 0 && s->has_link)
        r = user_from_json_if_any(&s->quirks, s->link.quirks, e);
    if (r == 0 && (!m->entry || m->has_operation))
        r = queue_of_person(state, entry_id, &s->queue, e);
    bool here = m->entry && !m->gone && m->entry->kind == ENTRY_PERSON;
    if (r < 0 || !here)
        return r;
    r = rules_evaluate(rules, entry_id, m->entry, false, &s->verdict, e);
    s->has_verdict = r == 0;
    if (r == 0 && m->shares_name)
        r = mirror_twin(state, entry_id, &s->twin, e);
    return r < 0 ? r : 0;
}

enum verdict_kind dossier_presence(const struct dossier *s)
{
    return s->has_verdict ? s->verdict.kind : VERDICT_GONE;
}

enum link_status dossier_link_status(const struct dossier *s)
{
    return s->has_link ? s->link.status : LINK_UNLINKED;
}

const char *dossier_sentence(const struct dossier *s)
{
    if (s->has_verdict)
        return s->verdict.sentence;
    if (s->mirror.entry && s->mirror.entry->kind != ENTRY_PERSON)
        return "the entry is not a person any more";
    return s->mirror.gone_why ? s->mirror.gone_why : "its entry is not in the mirror";
}
