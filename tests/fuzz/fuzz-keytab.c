/*
 * Keytabs under random bytes: the first line of the input is the principal that is asked for,
 * the rest the file. A plain second reader says which entries there are: exactly those of the
 * principal come out, byte for byte and in their order, and from what came out the same is
 * chosen again. Whoever is missing is told whom the keytab has, all of them.
 */
#include "config.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "directory/keytab.h"
#include "fuzz.h"

static bool number(const uint8_t *p, size_t size, size_t *at, unsigned n, uint32_t *ret)
{
    if (size - *at < n)
        return false;
    for (*ret = 0; n > 0; n--)
        *ret = *ret << 8 | p[(*at)++];
    return true;
}

/* The text of a principal, its parts as libkrb5 counts them. */
static bool name_of(const uint8_t *p, size_t size, struct buffer *ret)
{
    uint32_t n, length;
    size_t at = 0, realm_at = 0, realm_size = 0;

    if (!number(p, size, &at, 2, &n))
        return false;
    for (uint32_t i = 0; i <= n; i++) {
        if (!number(p, size, &at, 2, &length) || size - at < length ||
            memchr(p + at, '\0', length))
            return false;
        if (i == 0) {
            realm_at = at;
            realm_size = length;
        } else {
            if (i > 1)
                buffer_add(ret, "/", 1);
            buffer_add(ret, p + at, length);
        }
        at += length;
    }
    buffer_add(ret, "@", 1);
    buffer_add(ret, p + realm_at, realm_size);
    return true;
}

static bool is_asked_for(const struct buffer *name, const char *principal)
{
    size_t n = strlen(principal);

    return strncmp(name->data, principal, n) == 0 &&
           (name->data[n] == '\0' ? strchr(principal, '@') != NULL
                                  : name->data[n] == '@' && !strchr(principal, '@'));
}

static bool is_plain(const char *name)
{
    while (*name > ' ' && *name <= '~')
        name++;
    return *name == '\0';
}

/* What is to come out; false: it is no keytab. */
static bool expect(const uint8_t *p, size_t size, const char *principal, struct buffer *ret,
                   struct buffer *ret_names)
{
    uint32_t n = 0;
    size_t at = 0;

    if (!number(p, size, &at, 2, &n) || n != 0x0502)
        return false;
    buffer_add(ret, p, 2);
    while (number(p, size, &at, 4, &n)) {
        bool hole = n & 0x80000000U;
        size_t length = hole ? (size_t)(0x100000000U - n) : n;
        CLEANUP(buffer_done) struct buffer name = {0};

        if (length > size - at || (!hole && length && !name_of(p + at, length, &name)))
            return false;
        if (name.data && is_asked_for(&name, principal))
            buffer_add(ret, p + at - 4, length + 4);
        if (name.data && is_plain(name.data))
            buffer_format(ret_names, "%s\n", name.data);
        at += length;
    }
    return true;
}

static void check_told(const char *said, const char *names)
{
    const char *list = strstr(said, "only of: ");
    CLEANUP(freep) char *copy = strdup(names ? names : "");
    char *rest = NULL;

    if (strlen(said) > 500)
        return; /* cut */
    DEMAND(list);
    CLEANUP(buffer_done) struct buffer framed = {0};
    buffer_format(&framed, ", %s, ", list + strlen("only of: "));
    for (char *name = strtok_r(copy, "\n", &rest); name; name = strtok_r(NULL, "\n", &rest)) {
        CLEANUP(buffer_done) struct buffer one = {0};
        buffer_format(&one, ", %s, ", name);
        DEMAND(strstr(framed.data, one.data));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *newline = memchr(data, '\n', size);
    CLEANUP(buffer_done) struct buffer expected = {0};
    CLEANUP(buffer_done) struct buffer names = {0};
    struct error e = {0};
    unsigned char *kept = NULL, *again = NULL;
    size_t n = 0, n_again = 0;

    if (!newline)
        return 0;
    CLEANUP(freep) char *principal = strndup((const char *)data, (size_t)(newline - data));
    const uint8_t *bytes = newline + 1;
    size -= (size_t)(bytes - data);
    bool fine = expect(bytes, size, principal, &expected, &names);
    int r = keytab_select(bytes, size, principal, &kept, &n, &e);

    DEMAND(fine || r == -EBADMSG);
    DEMAND(!fine || r == (expected.size > 2 ? 0 : -ENOENT));
    DEMAND(r == 0 || e.message[0]);
    if (r == -ENOENT && !strstr(principal, "only of")) /* it is quoted before the list */
        check_told(e.message, names.data);
    if (r == 0) {
        DEMAND(n == expected.size && memcmp(kept, expected.data, n) == 0);
        DEMAND(keytab_select(kept, n, principal, &again, &n_again, &e) == 0);
        DEMAND(n_again == n && memcmp(again, kept, n) == 0);
    }
    free(kept);
    free(again);
    return 0;
}
