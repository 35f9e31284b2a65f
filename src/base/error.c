/*
 * The one sentence for a person that travels up with a negative return.
 *
 * It lives in the caller's struct and never on the heap, so that "out of memory" can be said
 * like anything else. Whatever a directory or a tenant put into it is made printable here,
 * once; the log and the audit need not distrust it again. It does not log and does not touch
 * errno.
 */
#include "config.h"

#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* More than a message holds, since escaping can only make it longer: what is cut, is cut by
 * text_printable() with an ellipsis. */
#define RAW_SIZE 1024

static void set_printable(struct error *e, const char *raw)
{
    text_printable(e->message, sizeof(e->message), raw, strlen(raw));
}

int error_set(struct error *e, int r, const char *format, ...)
{
    char raw[RAW_SIZE];
    int saved = errno;
    va_list ap;

    if (!e)
        return r;
    va_start(ap, format);
    if (vsnprintf(raw, sizeof(raw), format, ap) < 0)
        snprintf(raw, sizeof(raw), "unknown error (its text cannot be formatted)");
    va_end(ap);
    set_printable(e, raw);
    errno = saved;
    return r;
}

int error_wrap(struct error *e, int r, const char *format, ...)
{
    char raw[RAW_SIZE + sizeof(e->message)];
    int saved = errno;
    va_list ap;

    if (!e)
        return r;
    va_start(ap, format);
    if (vsnprintf(raw, RAW_SIZE, format, ap) < 0)
        raw[0] = '\0';
    va_end(ap);
    size_t used = strlen(raw);
    snprintf(raw + used, sizeof(raw) - used, "%s%s", used > 0 ? ": " : "", e->message);
    set_printable(e, raw);
    errno = saved;
    return r;
}

int error_out_of_memory(struct error *e)
{
    return error_set(e, -ENOMEM, "out of memory");
}

const char *error_of_network(int number)
{
    switch (number) {
    case ECONNREFUSED:
        return "the connection was refused: nothing listens on that port, or a firewall rejects it";
    case ETIMEDOUT:
    case EINPROGRESS:
    case EAGAIN: return "nothing answers there: the machine is off, or a firewall drops it";
    case EHOSTUNREACH:
    case ENETUNREACH: return "there is no route to that address";
    case ECONNRESET: return "the connection was reset by the other side";
    default: return strerror(number);
    }
}
