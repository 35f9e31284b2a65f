/* What the state file itself says. */
#pragma once

/* A request that writes reaches the tenant: its intent is on the disk. */
void witness_intent(const char *login, const char *method);
