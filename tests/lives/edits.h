/* What is done to somebody's entry. */
#pragma once

struct item;
struct person;

/* A mail or a name has no value any more, or its own again. */
void edit_empty(struct person *p, const char *name);
/* One class more, or not any more: posixGroup; or account, instead of any that is looked for. */
void edit_class(struct person *p, const char *class);
/* A group is another entry since now; members are hidden. */
void edit_anew(const struct item *group);
