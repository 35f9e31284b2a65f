/*
 * A secret: memory that is locked, left out of core dumps, wiped when freed, and that no format
 * prints.
 */
#pragma once
#include <stddef.h>

struct error;
struct secret;

int secret_new(struct secret **ret, const void *bytes, size_t size, struct error *e);
/* Reads a file, without its trailing newline. $CREDENTIALS_DIRECTORY/NAME is preferred when the
 * path has no slash. Refuses a file that group or others may read (credentials excepted), an
 * empty one and one over 64 KiB. The sentence names the path, never a byte of the content. */
int secret_from_file(struct secret **ret, const char *path, struct error *e);
struct secret *secret_free(struct secret *s);    /* returns NULL */
const char *secret_text(const struct secret *s); /* NUL-terminated; borrowed */
size_t secret_size(const struct secret *s);

/* A random password from the kernel's random source: `length` characters with at least one of
 * each class named in `classes` ("lower", "upper", "digit", "symbol", comma separated). -EINVAL
 * when the length is below 8 or a class is unknown. */
int secret_random_password(struct secret **ret, size_t length, const char *classes,
                           struct error *e);

/* Overwrites and frees a plain string that held a secret on its way to a library; accepts NULL.
 */
void secret_wipe_string(char *s);

static inline void secret_freep(struct secret **s)
{
    if (*s)
        secret_free(*s);
}
