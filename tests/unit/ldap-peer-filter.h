/* What the files of ldap-peer.h share. */
#pragma once
#include "ldap-ber.h"
#include "ldap-peer.h"

enum verdict { NO = 0, YES = 1, UNDEFINED = 2 };

/* A value of that attribute may be neither seen nor searched. */
bool peer_hides(const struct peer *p, const char *name, const char *value);
/* The value at this place, those that the server makes included; NULL: none. */
const char *peer_value(const struct peer_entry *e, const char *name, size_t at, char room[64]);
enum verdict peer_test(const struct peer *p, const struct peer_entry *e, struct part filter);
