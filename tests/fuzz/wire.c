/*
 * A connection of libldap whose other end is this file: one search that never ends, and to
 * which each message is one more entry. The envelope is always sound; what is in it is the
 * fuzzer's.
 */
#include "config.h"

#include "wire.h"

#include <errno.h>
#include <openldap.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "fuzz.h"

static LDAP *ld;
static int peer = -1, id;

static void open_wire(void)
{
    int pair[2], on = 1 << 20;
    char request[4096];

    DEMAND(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &on, sizeof(on));
    DEMAND(ldap_init_fd(pair[0], LDAP_PROTO_TCP, "ldap://peer", &ld) == LDAP_SUCCESS);
    peer = pair[1];
    DEMAND(ldap_search_ext(ld, "", LDAP_SCOPE_BASE, "(objectClass=*)", NULL, 0, NULL, NULL,
                           NULL, 0, &id) == LDAP_SUCCESS);
    DEMAND(read(peer, request, sizeof(request)) > 0 && id < 128);
}

static void put(struct buffer *b, unsigned tag, const void *bytes, size_t size)
{
    const unsigned char head[] = {
        (unsigned char)tag, 0x84, 0, (unsigned char)(size >> 16), (unsigned char)(size >> 8),
        (unsigned char)size};

    buffer_add(b, head, sizeof(head));
    buffer_add(b, size ? bytes : "", size);
}

LDAPMessage *wire_send_bytes(LDAP **ret_ld, const void *bytes, size_t size)
{
    CLEANUP(buffer_done) struct buffer inner = {0};
    CLEANUP(buffer_done) struct buffer b = {0};
    struct timeval none = {0};
    LDAPMessage *m = NULL;

    if (!ld)
        open_wire();
    unsigned char number = (unsigned char)id;
    buffer_add(&inner, "\x02\x01", 2);
    buffer_add(&inner, &number, 1);
    put(&inner, LDAP_RES_SEARCH_ENTRY, bytes, size);
    put(&b, LDAP_TAG_MESSAGE, inner.data, inner.size);
    DEMAND(send(peer, b.data, b.size, MSG_DONTWAIT) == (ssize_t)b.size);
    DEMAND(ldap_result(ld, id, LDAP_MSG_ONE, &none, &m) == LDAP_RES_SEARCH_ENTRY);
    *ret_ld = ld;
    return m;
}

LDAPMessage *wire_send(LDAP **ret_ld, const struct wire_entry *x, int backwards)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    CLEANUP(buffer_done) struct buffer attributes = {0};

    put(&b, 0x04, x->dn.bv_val, x->dn.bv_len);
    for (size_t i = 0; i < x->n_attributes; i++) {
        const struct wire_attribute *a =
            &x->attributes[backwards ? x->n_attributes - 1 - i : i];
        CLEANUP(buffer_done) struct buffer one = {0};
        CLEANUP(buffer_done) struct buffer values = {0};

        put(&one, 0x04, a->name.bv_val, a->name.bv_len);
        for (size_t k = 0; k < a->n_values; k++) {
            const struct berval *v = &a->values[backwards ? a->n_values - 1 - k : k];
            put(&values, 0x04, v->bv_val, v->bv_len);
        }
        put(&one, 0x31, values.data, values.size);
        put(&attributes, 0x30, one.data, one.size);
    }
    put(&b, 0x30, attributes.data, attributes.size);
    return wire_send_bytes(ret_ld, b.data, b.size);
}

int wire_is(const struct berval *name, const char *text)
{
    return name->bv_len == strlen(text) && strncasecmp(name->bv_val, text, name->bv_len) == 0;
}

static struct wire_attribute *attribute(struct wire_entry *x, const struct berval *name)
{
    for (size_t i = 0; i < x->n_attributes; i++) {
        const struct berval *have = &x->attributes[i].name;
        if (have->bv_len == name->bv_len &&
            strncasecmp(have->bv_val, name->bv_val, name->bv_len) == 0)
            return &x->attributes[i];
    }
    if (x->n_attributes == WIRE_ATTRIBUTES)
        return NULL;
    x->attributes[x->n_attributes] = (struct wire_attribute){.name = *name};
    return &x->attributes[x->n_attributes++];
}

void wire_read(const uint8_t *data, size_t size, struct wire_entry *ret)
{
    const char *p = (const char *)data, *end = p + size;

    ret->dn = (struct berval){0, (char *)""};
    ret->n_attributes = 0;
    for (size_t line = 0; p < end; line++) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        const char *stop = newline ? newline : end;
        const char *colon = memchr(p, ':', (size_t)(stop - p));

        if (line == 0) {
            ret->dn = (struct berval){(size_t)(stop - p), (char *)p};
        } else if (colon) {
            struct berval name = {(size_t)(colon - p), (char *)p};
            struct wire_attribute *a = attribute(ret, &name);
            if (a && a->n_values < WIRE_VALUES)
                a->values[a->n_values++] =
                    (struct berval){(size_t)(stop - colon - 1), (char *)colon + 1};
        }
        p = stop + 1;
    }
}

void wire_single(struct wire_entry *x, const char *name)
{
    for (size_t i = 0; i < x->n_attributes; i++)
        if (wire_is(&x->attributes[i].name, name))
            x->attributes[i].n_values = 1;
}
