/* Filling the tenant by hand. */
#pragma once

#include "property.h"
#include "simulator.h"

/* Makes the user that the object describes, or edits the one that has its loginId. */
int seed_user(struct simulator *s, const json_t *object, struct refusal *why);
/* {"teams": [...], "roles": [...], "skills": [...], "accessNumbers": [...], "users": [{...},
 * ...]} */
int seed_read(struct simulator *s, const json_t *data, struct refusal *why);
/* The same from a file; complaints go to stderr. */
int seed_file(struct simulator *s, const char *path);
/* Names separated by commas. */
void seed_names(struct simulator *s, enum name_kind kind, const char *list);
