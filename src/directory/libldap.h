/*
 * Small things that every user of libldap in this folder needs: clean-up of its objects, its
 * errors as sentences, controls, filters.
 */
#pragma once
#include <ldap.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/error.h"

struct secret;

#define LIBLDAP_OID_PAGED        "1.2.840.113556.1.4.319"
#define LIBLDAP_OID_SYNC         "1.3.6.1.4.1.4203.1.9.1.1"
#define LIBLDAP_OID_DIRSYNC      "1.2.840.113556.1.4.841"
#define LIBLDAP_OID_NOTIFICATION "1.2.840.113556.1.4.528"
#define LIBLDAP_OID_SHOW_DELETED "1.2.840.113556.1.4.417"

/* Writes "context: what the code means (code N): what the server said" and returns the
 * -errno that it means to a caller. `said`, of libldap_said(), may be NULL. */
int libldap_error(struct error *e, int code, const char *said, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The same, with the code and as much of the diagnostic message that the handle holds as
 * libldap_said() shows. */
int libldap_error_of(struct error *e, LDAP *ld, const struct secret *password, int code,
                     const char *format, ...) __attribute__((format(printf, 5, 6)));

/* It says nothing of what was asked: the server is busy, or it is another one that would know, and
 * that one is away. The same question may be answered later. */
bool libldap_is_no_answer(int code);

/* What of a server's words is shown: printable, and no more than words, whatever the server was
 * told; none that repeats the password. NULL: it says nothing. buffer is returned. */
#define LIBLDAP_SAID_SIZE 512
char *libldap_said(char buffer[static LIBLDAP_SAID_SIZE], const char *said,
                   const struct secret *password);

/* The value escaped for a filter (RFC 4515), malloc'd. */
char *libldap_filter_escape(const void *bytes, size_t size);
/* Malloc'd text of a format, NULL when out of memory. */
char *libldap_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* "(&(a)(b))"; a NULL or empty one is left out. Malloc'd. */
char *libldap_filter_and(const char *a, const char *b);
/* The control with this OID in a NULL-terminated array, or NULL. */
LDAPControl *libldap_control(LDAPControl **controls, const char *oid);

static inline void libldap_message_freep(LDAPMessage **m)
{
    if (*m)
        ldap_msgfree(*m);
}
static inline void libldap_control_freep(LDAPControl **c)
{
    if (*c)
        ldap_control_free(*c);
}
static inline void libldap_controls_freep(LDAPControl ***c)
{
    if (*c)
        ldap_controls_free(*c);
}
static inline void libldap_ber_freep(BerElement **b)
{
    if (*b)
        ber_free(*b, 0);
}
static inline void libldap_ber_buffer_freep(BerElement **b)
{
    if (*b)
        ber_free(*b, 1);
}
static inline void libldap_memory_freep(char **p)
{
    if (*p)
        ldap_memfree(*p);
}
static inline void libldap_bytes_freep(void **p)
{
    free(*p);
}
static inline void libldap_strings_freep(char ***p)
{
    if (*p)
        ldap_memvfree((void **)*p);
}
