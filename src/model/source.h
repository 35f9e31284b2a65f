/* Where a value comes from: the rule (or "[user]" for templates) and its line. Kept with every
 * wanted value so that a plan, an audit row and `explain` can name it. */
#pragma once
#include <stddef.h>

struct source {
    char *rule; /* "Support agents", or "[user] email"; NULL: none */
    char *file;
    unsigned line;
};
void source_done(struct source *s);
int source_copy(struct source *to, const struct source *from); /* -ENOMEM */
int source_set(struct source *to, const char *rule, const char *file, unsigned line);
/* `rule "Support agents" (rosterd.conf:12)`; for people */
char *source_text(const struct source *s, char *buffer, size_t size);
