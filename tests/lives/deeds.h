/* What a request changes at the tenant, held against what its intent says. */
#pragma once
#include <stdbool.h>

/* Before it is carried out, and after. intent: the line of the audit; NULL: nothing is held. */
void deed_begins(const char *login, const char *intent);
/* Somebody else made the user in between: what is there now was there before. */
void deed_finds(const char *login);
struct deed {
    long long number; /* of the operation */
    char op[12];
    bool changes_team, gives_lead, revokes; /* as the intent says, if not with this request */
};
/* true: the user is not as before, or there is one that was not there. */
bool deed_ends(const char *login, const char *method, struct deed *ret);
