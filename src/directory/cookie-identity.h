/*
 * What a cookie belongs to. A cookie that is used on anything else brings silence instead of
 * changes, so everything that could differ is stored beside it and compared.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "directory/options.h"

struct feed_environment;

/* JSON text, malloc'd. server_uri: for cookies that only this server understands, else NULL.
 * usn: of the moment, 0 if there is no such thing. */
char *cookie_identity(const struct feed_environment *env, unsigned search,
                      enum directory_feed_kind kind, const char *server_uri, uint64_t usn);
/* Same in everything, and the stored usn is not ahead of the current one. why (size n) gets a
 * phrase when it does not match. Pure. */
bool cookie_identity_matches(const char *stored, const char *current, char *why, size_t n);
