/*
 * What the audit says that users hold: all outcomes, one after the other. It is computed from files
 * alone, so it runs on a thread; what it takes grows with the users and not with the lines.
 */
#pragma once
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct holdings;
struct string_list;
struct user;

struct holdings *holdings_new(void); /* NULL when out of memory */
/* The next line, as audit/view.h reads it. 0 or -ENOMEM. */
int holdings_take(struct holdings *h, const json_t *view);
/* Of what stands before a line that is missing or cannot be read nothing is told. */
int holdings_read(struct holdings **ret, const char *const *files, size_t n_files, struct error *e);
struct holdings *holdings_free(struct holdings *h);
int64_t holdings_last_seq(const struct holdings *h);  /* the last line that was read; 0: none */
uint64_t holdings_n_erased(const struct holdings *h); /* outcomes that tell of nobody any more */

/* The audit tells nothing of this entry's user: erased, or older than the files. */
#define HOLDINGS_NONE 1
/* The fields in which the user differs from what the audit says. Only those are compared that the
 * audit tells a value of and that `wanted` manages (NULL: only whether the user is disabled);
 * what the tenant shows in a form of its own (quirks, or NULL) is not. */
int holdings_compare(const struct holdings *h, const char *entry_id, const struct user *known,
                     const struct user *quirks, const struct user *wanted, struct string_list *ret,
                     struct error *e);

static inline void holdings_freep(struct holdings **h)
{
    if (*h)
        holdings_free(*h);
}
