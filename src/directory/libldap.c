/*
 * Errors of libldap and of servers become sentences here, filters are escaped and joined. It
 * never talks to a server.
 */
#include "config.h"

#include "directory/libldap.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/leak.h"
#include "base/memory.h"
#include "base/secret.h"
#include "base/text.h"
#include "base/words.h"

/* Of a dozen characters that are in no word a secret is not read; of one that is short itself,
 * of fewer. */
#define ODD_MOST 12

/* The -errno that an LDAP result code means to a caller. */
static int number_of(int code)
{
    switch (code) {
    case LDAP_SUCCESS: return 0;
    case LDAP_NO_MEMORY: return -ENOMEM;
    case LDAP_SERVER_DOWN:
    case LDAP_CONNECT_ERROR:
    case LDAP_UNAVAILABLE: return -ENOTCONN;
    case LDAP_TIMEOUT:
    case LDAP_TIMELIMIT_EXCEEDED: return -ETIMEDOUT;
    case LDAP_BUSY: return -EBUSY;
    case LDAP_INVALID_CREDENTIALS:
    case LDAP_INAPPROPRIATE_AUTH:
    case LDAP_STRONG_AUTH_REQUIRED: return -EACCES;
    case LDAP_INSUFFICIENT_ACCESS: return -EPERM;
    case LDAP_NO_SUCH_OBJECT: return -ENOENT;
    case LDAP_FILTER_ERROR:
    case LDAP_INVALID_DN_SYNTAX:
    case LDAP_PARAM_ERROR: return -EINVAL;
    case LDAP_UNAVAILABLE_CRITICAL_EXTENSION:
    case LDAP_NOT_SUPPORTED: return -EOPNOTSUPP;
    default: return -EIO;
    }
}

bool libldap_is_no_answer(int code)
{
    switch (code) {
    case LDAP_OPERATIONS_ERROR: /* 389: the server behind this one is away */
    case LDAP_TIMELIMIT_EXCEEDED:
    case LDAP_REFERRAL: /* 389: while this replica is filled anew */
    case LDAP_BUSY:
    case LDAP_UNAVAILABLE:
    case LDAP_UNWILLING_TO_PERFORM:
    case LDAP_LOOP_DETECT:
    case LDAP_OTHER: return true;
    default: return code < 0; /* of libldap itself */
    }
}

static int write_error(struct error *e, int code, const char *said, const char *context)
{
    int r = number_of(code);
    if (r == 0)
        r = -EIO;
    if (said && *said)
        return error_set(e, r, "%s: %s (LDAP code %d): %s", context, ldap_err2string(code), code,
                         said);
    return error_set(e, r, "%s: %s (LDAP code %d)", context, ldap_err2string(code), code);
}

char *libldap_said(char buffer[static LIBLDAP_SAID_SIZE], const char *said,
                   const struct secret *password)
{
    if (!said || !*said)
        return NULL;
    size_t most = ODD_MOST;
    text_printable(buffer, LIBLDAP_SAID_SIZE, said, strlen(said));
    if (password) {
        bool cut = strlen(buffer) + 8 >= LIBLDAP_SAID_SIZE;
        if (leak_shows(said, false, secret_text(password)) ||
            leak_shows(buffer, cut, secret_text(password))) {
            snprintf(buffer, LIBLDAP_SAID_SIZE,
                     "(it repeats the password, so its words are not shown)");
            return buffer;
        }
        if (secret_size(password) / 2 < most)
            most = secret_size(password) / 2;
    }
    words_keep(buffer, LIBLDAP_SAID_SIZE, NULL, most);
    return buffer;
}

int libldap_error(struct error *e, int code, const char *said, const char *format, ...)
{
    char context[512];
    va_list ap;
    va_start(ap, format);
    vsnprintf(context, sizeof(context), format, ap);
    va_end(ap);
    return write_error(e, code, said, context);
}

int libldap_error_of(struct error *e, LDAP *ld, const struct secret *password, int code,
                     const char *format, ...)
{
    char context[512];
    va_list ap;
    va_start(ap, format);
    vsnprintf(context, sizeof(context), format, ap);
    va_end(ap);

    char shown[LIBLDAP_SAID_SIZE];
    CLEANUP(libldap_memory_freep) char *said = NULL;
    if (ld)
        ldap_get_option(ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &said);
    return write_error(e, code, libldap_said(shown, said, password), context);
}

char *libldap_filter_escape(const void *bytes, size_t size)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    const unsigned char *p = bytes;
    size_t from = 0; /* of what needs no escape */
    for (size_t i = 0; i < size; i++) {
        if (p[i] >= 0x20 && p[i] < 0x7f && !strchr("\\*()", p[i]))
            continue;
        buffer_add(&b, p + from, i - from);
        buffer_format(&b, "\\%02x", p[i]);
        from = i + 1;
    }
    buffer_add(&b, p + from, size - from);
    return buffer_take(&b);
}

char *libldap_format(const char *format, ...)
{
    char *text = NULL;
    va_list ap;
    va_start(ap, format);
    int n = vasprintf(&text, format, ap);
    va_end(ap);
    return n < 0 ? NULL : text;
}

char *libldap_filter_and(const char *a, const char *b)
{
    if (!a || !*a)
        return strdup(b ? b : "");
    if (!b || !*b)
        return strdup(a);
    return libldap_format("(&%s%s)", a, b);
}

LDAPControl *libldap_control(LDAPControl **controls, const char *oid)
{
    return controls ? ldap_control_find(oid, controls, NULL) : NULL;
}
