/* What a request changes at the tenant, held against what its intent says. */
#pragma once

/* Before it is carried out, and after. intent: the line of the audit; NULL: nothing is held. */
void deed_begins(const char *login, const char *intent);
void deed_ends(const char *login, const char *method);
