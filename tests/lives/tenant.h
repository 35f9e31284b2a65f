/* What the world does to the tenant. */
#pragma once
#define API_USER "api.user"

struct tenant_habits {
    unsigned lose_percent; /* of answers that are cut after their effect */
};
extern struct tenant_habits tenant_habits;

/* Every connection is cut. */
void tenant_cut(void);
