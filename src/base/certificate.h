/* When the certificate of a peer expires. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* Microseconds since 1970; 0: it cannot be read. */
uint64_t certificate_expires_der(const void *bytes, size_t size);
uint64_t certificate_expires_pem(const char *text);
