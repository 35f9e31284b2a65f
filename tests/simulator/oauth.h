/* Access tokens. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "table.h"

struct simulator;
struct request;

struct oauth {
    char *client, *secret, *domain;
    struct table tokens;
    size_t sweep_at; /* size of the table at which expired tokens are thrown away */
};

/* POST /configapi/v2/oauth/token */
void oauth_token(struct simulator *s, struct request *q);
/* Whether the request carries a living token; answers 401 if not. */
bool oauth_check(struct simulator *s, struct request *q);
void oauth_revoke_all(struct oauth *o);
void oauth_done(struct oauth *o);
