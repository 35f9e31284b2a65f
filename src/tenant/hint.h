/* The hint of an answer, for answer.c alone. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "tenant/answer.h"

const char *hint_body(const struct http_result *r, size_t *ret_size); /* without blanks around */
bool hint_is_page(const struct http_result *r);                       /* HTML */

void hint_set(struct tenant_answer *ret, const struct answer_question *q,
              const struct http_result *r);
/* Where a redirect points, without its query, in which login pages keep what was asked for. How
 * many characters of the hint hold no word of the tenant's. */
size_t hint_redirect(struct tenant_answer *ret, const struct http_result *r);
void hint_hide_secrets(struct tenant_answer *ret, const struct answer_question *q);
/* The tenant's words: whatever way of writing a secret it may know, they are words. */
void hint_keep_words(struct tenant_answer *ret, const struct answer_question *q, size_t n_ours);
