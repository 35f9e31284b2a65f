/*
 * Promise 8: what only one server may be told. Both secrets are words that stand nowhere else, and
 * the tenant's tokens are learnt as it gives them. They are looked for as they are, in hexadecimal
 * and in base64 at each of its three places: in the log, on the control socket, on the wire of
 * the other server, and at the end of a day in every file that is not theirs.
 */
#pragma once
#include <stddef.h>

#include "world.h"

#define BIND_PASSWORD "Vesuvius-is-what-binds"
#define CLIENT_SECRET "Stromboli-is-what-asks"

void secrets_begin(void);
void secrets_learn_token(const char *answer, size_t size); /* that the tenant gives, perhaps */
void secrets_learn_password(const char *password); /* that the tenant was given */
/* who: may be told; PEER_OPERATOR: nobody. */
void secrets_check(const void *data, size_t size, enum peer_kind who, const char *where);
void secrets_check_files(void);
