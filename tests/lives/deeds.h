/* What a request changes at the tenant, held against what its intent says. */
#pragma once

struct request;
struct user;

/* Before it is carried out, and after. intent: the line of the audit; copied. */
void deed_begins(const struct user *before, const char *intent);
void deed_ends(const struct user *after, const char *method);
