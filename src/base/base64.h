/* Base64 (RFC 4648). */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* RFC 4648: url: section 5, without padding; else section 4 with padding. `to` has room for
 * BASE64_SIZE() and NUL. */
#define BASE64_SIZE(size) (((size) + 2) / 3 * 4)
void base64_encode(char *to, const void *bytes, size_t size, bool url);
/* Strict: no blank, no bit set that stands for nothing. The number of bytes, or -1. */
long base64_decode(void *to, size_t room, const char *text, size_t size, bool url);
