/*
 * A secret: memory that is locked, left out of core dumps, wiped when freed, and that no format
 * prints.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct error;
struct secret;
struct stat;

int secret_new(struct secret **ret, const void *bytes, size_t size, struct error *e);
/* Reads a file, without a byte order mark before it and without blanks and ends of lines behind
 * it. $CREDENTIALS_DIRECTORY/NAME is preferred when the path has no slash. Refuses a file that
 * others may read or write (credentials excepted), an empty one and one over 64 KiB. The
 * sentence names the path, never a byte of the content. */
int secret_from_file(struct secret **ret, const char *path, struct error *e);
/* Its owner's alone, or readable by our own group besides. */
bool secret_mode_is_private(const struct stat *st);
/* Why this process may not read it, and the command that lets it; buffer is returned. */
char *secret_why_unreadable(const char *path, char *buffer, size_t size);
/* What is odd about such a file though it is read: half a sentence without a byte of the
 * content, or NULL. */
const char *secret_file_oddity(const char *path);
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
