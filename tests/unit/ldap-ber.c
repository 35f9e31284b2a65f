#include "config.h"

#include "ldap-ber.h"

#include <ldap.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool part_take(struct part *left, struct part *ret)
{
    const unsigned char *p = left->data;
    if (left->size < 2)
        return false;
    size_t n = p[1], head = 2;
    ret->tag = p[0];
    if (n & 0x80) {
        size_t count = n & 0x7f;
        if (count > 4 || left->size < 2 + count)
            return false;
        for (n = 0; head < 2 + count; head++)
            n = n << 8 | p[head];
    }
    if (left->size - head < n)
        return false;
    ret->data = p + head;
    ret->size = n;
    left->data += head + n;
    left->size -= head + n;
    return true;
}

long part_number(const struct part *p)
{
    long n = 0;
    for (size_t i = 0; i < p->size; i++)
        n = n << 8 | p->data[i];
    return n;
}

bool part_is(const struct part *p, const char *text)
{
    return strlen(text) == p->size && strncasecmp(text, (const char *)p->data, p->size) == 0;
}

void part_text(const struct part *p, char *ret, size_t size)
{
    snprintf(ret, size, "%.*s", (int)p->size, (const char *)p->data);
}

static void take_control(struct question *q, struct part control)
{
    struct part oid, value = {0}, part, inner, field;
    if (!part_take(&control, &oid))
        return;
    q->notifies = q->notifies || part_is(&oid, OID_NOTIFICATION);
    q->shows_deleted = q->shows_deleted || part_is(&oid, OID_SHOW_DELETED);
    while (part_take(&control, &part))
        if (part.tag == LBER_OCTETSTRING)
            value = part;
    if (!part_take(&value, &inner) || !part_take(&inner, &field))
        return;
    if (part_is(&oid, OID_PAGED)) {
        q->paged = true;
        q->page_size = (size_t)part_number(&field);
        if (part_take(&inner, &field))
            part_text(&field, q->page, sizeof(q->page));
        return;
    }
    q->sync = q->sync || part_is(&oid, OID_SYNC);
    q->dirsync = q->dirsync || part_is(&oid, OID_DIRSYNC);
    q->mode = part_number(&field);
    while (part_take(&inner, &field))
        if (field.tag == LBER_OCTETSTRING)
            part_text(&field, q->cookie, sizeof(q->cookie));
}

void question_read(struct question *ret, int id, struct part request, struct part rest)
{
    struct part field[8] = {0}, controls, control;
    *ret = (struct question){.id = id};
    for (unsigned i = 0; i < 8 && part_take(&request, &field[i]); i++)
        ;
    part_text(&field[0], ret->base, sizeof(ret->base));
    ret->scope = part_number(&field[1]);
    ret->filter = field[6];
    ret->attributes = field[7];
    if (part_take(&rest, &controls))
        while (part_take(&controls, &control))
            take_control(ret, control);
}

bool dn_lies_below(const char *dn, const char *base, long scope)
{
    size_t n = strlen(dn), b = strlen(base);
    if (n == b && strcasecmp(dn, base) == 0)
        return scope != LDAP_SCOPE_ONELEVEL;
    if (scope == LDAP_SCOPE_BASE || n <= b || (b && dn[n - b - 1] != ',') ||
        strcasecmp(dn + n - b, base) != 0)
        return false;
    return scope == LDAP_SCOPE_SUBTREE || !memchr(dn, ',', n - b - 1);
}

void uuid_write(const unsigned char u[16], char ret[37])
{
    snprintf(ret, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
             u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12],
             u[13], u[14], u[15]);
}

BerElement *answer_new(void)
{
    BerElement *ber = ber_alloc_t(LBER_USE_DER);
    if (!ber)
        abort();
    return ber;
}

void answer_say(const struct answer_to *to, BerElement *taken)
{
    struct berval bv;
    if (ber_flatten2(taken, &bv, 0) < 0)
        abort();
    to->fn(to->userdata, bv.bv_val, bv.bv_len);
    ber_free(taken, 1);
}

static void put_control(BerElement *ber, const char *oid, BerElement *value_taken)
{
    struct berval bv;
    ber_flatten2(value_taken, &bv, 0);
    ber_printf(ber, "t{{sO}}", (ber_tag_t)LDAP_TAG_CONTROLS, oid, &bv);
    ber_free(value_taken, 1);
}

void answer_result(const struct answer_to *to, int id, ber_tag_t tag, int code, const char *text,
                   const char *oid, BerElement *value_taken)
{
    BerElement *ber = answer_new();
    ber_printf(ber, "{it{ess}", id, tag, code, "", text);
    if (value_taken)
        put_control(ber, oid, value_taken);
    ber_printf(ber, "}");
    answer_say(to, ber);
}

void answer_sync_info(const struct answer_to *to, int id, BerElement *value_taken)
{
    BerElement *ber = answer_new();
    struct berval bv;
    ber_flatten2(value_taken, &bv, 0);
    ber_printf(ber, "{it{tstO}}", id, (ber_tag_t)LDAP_RES_INTERMEDIATE,
               (ber_tag_t)LDAP_TAG_IM_RES_OID, OID_SYNC_INFO, (ber_tag_t)LDAP_TAG_IM_RES_VALUE,
               &bv);
    ber_free(value_taken, 1);
    answer_say(to, ber);
}

void answer_entry_end(const struct answer_to *to, BerElement *taken, bool sync, int state,
                      const unsigned char uuid[16], const char *cookie)
{
    if (sync) {
        BerElement *control = answer_new();
        struct berval id = {16, (char *)(uintptr_t)uuid};
        ber_printf(control, *cookie ? "{eOs}" : "{eO}", state, &id, cookie);
        put_control(taken, OID_SYNC_STATE, control);
    }
    ber_printf(taken, "}");
    answer_say(to, taken);
}
