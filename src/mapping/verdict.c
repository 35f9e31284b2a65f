/*
 * The verdict's own memory: reasons and steps. It decides nothing.
 */
#include "config.h"

#include "mapping/verdict.h"

#include <errno.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "model/source.h"

void verdict_done(struct verdict *v)
{
    user_free(v->user);
    free(v->code);
    free(v->sentence);
    free(v->group_missing_dn);
    source_done(&v->revoke_source);
    source_done(&v->start_source);
    string_list_done(&v->other_logins);
    for (size_t i = 0; i < v->n_steps; i++) {
        free(v->steps[i].rule);
        free(v->steps[i].file);
        free(v->steps[i].sentence);
    }
    free(v->steps);
    *v = (struct verdict){0};
}

int verdict_set_reason(struct verdict *v, enum verdict_kind kind, const char *code,
                       const char *sentence)
{
    if (v->code)
        return 0;
    v->code = strdup(code);
    v->sentence = strdup(sentence);
    v->kind = kind;
    return v->code && v->sentence ? 0 : -ENOMEM;
}

void verdict_clear_reason(struct verdict *v)
{
    free(v->code);
    free(v->sentence);
    v->code = v->sentence = NULL;
}

int verdict_add_step(struct verdict *v, const struct source *source, bool matched,
                     struct buffer *sentence)
{
    CLEANUP(freep) char *text = buffer_take(sentence);
    if (!text)
        return -ENOMEM;
    struct verdict_step *steps = realloc(v->steps, (v->n_steps + 1) * sizeof(*steps));
    if (!steps)
        return -ENOMEM;
    v->steps = steps;
    struct verdict_step *step = &steps[v->n_steps++];
    *step = (struct verdict_step){.line = source->line, .matched = matched};
    step->rule = strdup(source->rule);
    step->file = source->file ? strdup(source->file) : NULL;
    step->sentence = TAKE(text);
    return !step->rule || (source->file && !step->file) ? -ENOMEM : 0;
}
