/*
 * Encodes and decodes what content synchronisation sends. Booleans come from ber_scanf() as -1
 * or 0, never as 1. An id that is not 16 bytes long makes the message unreadable: to skip it
 * would be to forget somebody.
 */
#include "config.h"

#include "directory/sync-codec.h"

#include <errno.h>
#include <ldap.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "directory/libldap.h"

void sync_cookie_done(struct sync_cookie *c)
{
    free(c->data);
    *c = (struct sync_cookie){0};
}

void sync_state_done(struct sync_state *s)
{
    sync_cookie_done(&s->cookie);
}

void sync_info_done(struct sync_info *i)
{
    sync_cookie_done(&i->cookie);
    free(i->uuids);
    *i = (struct sync_info){0};
}

void sync_end_done(struct sync_end *e)
{
    sync_cookie_done(&e->cookie);
}

struct berval *sync_request_value(enum sync_request mode, const void *cookie, size_t size)
{
    CLEANUP(libldap_ber_buffer_freep) BerElement *ber = ber_alloc_t(LBER_USE_DER);
    struct berval bv = {size, (char *)cookie}, *ret = NULL;
    if (!ber)
        return NULL;
    int r = cookie ? ber_printf(ber, "{eOb}", (int)mode, &bv, 0)
                   : ber_printf(ber, "{eb}", (int)mode, 0);
    if (r < 0 || ber_flatten(ber, &ret) < 0)
        return NULL;
    return ret;
}

static int copy_cookie(const struct berval *bv, struct sync_cookie *ret)
{
    char *copy = malloc(bv->bv_len + 1);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, bv->bv_val, bv->bv_len);
    copy[bv->bv_len] = 0;
    free(ret->data);
    *ret = (struct sync_cookie){copy, bv->bv_len};
    return 0;
}

static int take_optional_cookie(BerElement *ber, struct sync_cookie *ret)
{
    struct berval bv;
    if (ber_peek_element(ber, &bv) != LDAP_TAG_SYNC_COOKIE)
        return 0;
    (void)ber_skip_element(ber, &bv); /* the same again */
    return copy_cookie(&bv, ret);
}

static int take_optional_boolean(BerElement *ber, bool *ret)
{
    ber_len_t size;
    ber_int_t value = 0;
    if (ber_peek_tag(ber, &size) != LBER_BOOLEAN)
        return 0;
    if (ber_scanf(ber, "b", &value) == LBER_ERROR)
        return -EBADMSG;
    *ret = value != 0;
    return 0;
}

/* liblber's ber_scanf() enters anything as if it were a sequence, and takes an empty buffer
 * badly.
 */
static int begin(const struct berval *value, bool sequence, BerElement **ret)
{
    ber_len_t size;
    *ret = NULL;
    if (!value->bv_val || value->bv_len == 0)
        return -EBADMSG;
    CLEANUP(libldap_ber_buffer_freep) BerElement *ber = ber_init((struct berval *)value);
    if (!ber)
        return -ENOMEM;
    if (sequence && ber_peek_tag(ber, &size) != LBER_SEQUENCE)
        return -EBADMSG;
    *ret = TAKE(ber);
    return 0;
}

int sync_parse_state(const struct berval *value, struct sync_state *ret)
{
    CLEANUP(libldap_ber_buffer_freep) BerElement *ber = NULL;
    ber_int_t state = -1;
    struct berval uuid = {0};
    *ret = (struct sync_state){0};
    int r = begin(value, true, &ber);
    if (r < 0)
        return r;
    if (ber_scanf(ber, "{em", &state, &uuid) == LBER_ERROR || uuid.bv_len != sizeof(ret->uuid) ||
        state < SYNC_PRESENT || state > SYNC_DELETE)
        return -EBADMSG;
    ret->state = (enum sync_entry_state)state;
    memcpy(ret->uuid, uuid.bv_val, sizeof(ret->uuid));
    r = take_optional_cookie(ber, &ret->cookie);
    if (r < 0)
        sync_state_done(ret);
    return r;
}

static int take_ids(BerElement *ber, struct sync_info *ret)
{
    BerVarray ids = NULL;
    if (ber_scanf(ber, "[W]", &ids) == LBER_ERROR) {
        ber_bvarray_free(ids);
        return -EBADMSG;
    }
    size_t n = 0;
    while (ids && ids[n].bv_val)
        n++;
    ret->uuids = calloc(n + 1, sizeof(*ret->uuids));
    int r = ret->uuids ? 0 : -ENOMEM;
    for (size_t i = 0; i < n && r == 0; i++) {
        if (ids[i].bv_len == sizeof(ret->uuids[i]))
            memcpy(ret->uuids[i], ids[i].bv_val, sizeof(ret->uuids[i]));
        else
            r = -EBADMSG;
    }
    ret->n_uuids = r == 0 ? n : 0;
    ber_bvarray_free(ids);
    return r;
}

/* The CHOICE that the tag of the value selects. */
static int parse_choice(BerElement *ber, struct sync_info *ret)
{
    struct berval bv;
    ber_len_t size;
    ber_tag_t tag = ber_peek_element(ber, &bv);
    ret->refresh_done = true;
    if (tag == LDAP_TAG_SYNC_NEW_COOKIE) {
        ret->kind = SYNC_NEW_COOKIE;
        return copy_cookie(&bv, &ret->cookie);
    }
    if (tag == LDAP_TAG_SYNC_REFRESH_DELETE)
        ret->kind = SYNC_REFRESH_DELETE;
    else if (tag == LDAP_TAG_SYNC_REFRESH_PRESENT)
        ret->kind = SYNC_REFRESH_PRESENT;
    else if (tag == LDAP_TAG_SYNC_ID_SET)
        ret->kind = SYNC_ID_SET;
    else
        return -EBADMSG;
    (void)ber_skip_tag(ber, &size); /* seen already */
    int r = take_optional_cookie(ber, &ret->cookie);
    if (r < 0)
        return r;
    if (ret->kind != SYNC_ID_SET)
        return take_optional_boolean(ber, &ret->refresh_done);
    r = take_optional_boolean(ber, &ret->refresh_deletes);
    return r < 0 ? r : take_ids(ber, ret);
}

int sync_parse_info(const struct berval *value, struct sync_info *ret)
{
    CLEANUP(libldap_ber_buffer_freep) BerElement *ber = NULL;
    *ret = (struct sync_info){0};
    int r = begin(value, false, &ber);
    if (r == 0)
        r = parse_choice(ber, ret);
    if (r < 0)
        sync_info_done(ret);
    return r;
}

int sync_parse_end(const struct berval *value, struct sync_end *ret)
{
    CLEANUP(libldap_ber_buffer_freep) BerElement *ber = NULL;
    ber_len_t size;
    *ret = (struct sync_end){0};
    int r = begin(value, true, &ber);
    if (r < 0)
        return r;
    (void)ber_skip_tag(ber, &size); /* a sequence's, as begin() saw */
    r = take_optional_cookie(ber, &ret->cookie);
    if (r == 0)
        r = take_optional_boolean(ber, &ret->refresh_deletes);
    if (r < 0)
        sync_end_done(ret);
    return r;
}

bool sync_cookie_change_number(const void *cookie, size_t size, unsigned long long *ret)
{
    const char *p = cookie;
    size_t i = size;
    unsigned long long n = 0;
    while (i > 0 && p[i - 1] >= '0' && p[i - 1] <= '9')
        i--;
    if (i == size || size - i > 18 || i == 0 || p[i - 1] != '#')
        return false;
    for (; i < size; i++)
        n = n * 10 + (unsigned long long)(p[i] - '0');
    *ret = n;
    return true;
}

/* A change sequence number: time, count, server, operation. */
static bool is_csn(const char *p, size_t size)
{
    static const char pattern[] = "dddddddddddddd.ddddddZ#xxxxxx#xxx#xxxxxx";
    if (size != sizeof(pattern) - 1)
        return false;
    for (size_t i = 0; i < size; i++) {
        bool digit = p[i] >= '0' && p[i] <= '9', letter = p[i] >= 'a' && p[i] <= 'f';
        if (pattern[i] == 'd' ? !digit
                              : (pattern[i] == 'x' ? !digit && !letter : p[i] != pattern[i]))
            return false;
    }
    return true;
}

bool sync_cookie_is_openldap(const void *cookie, size_t size)
{
    const char *p = cookie, *end = p + size;
    bool found = false;
    while (p < end) {
        const char *comma = memchr(p, ',', (size_t)(end - p));
        const char *stop = comma ? comma : end;
        bool is_list = stop - p > 4 && memcmp(p, "csn=", 4) == 0;
        for (const char *q = p + 4; is_list && q <= stop;) {
            const char *semicolon = memchr(q, ';', (size_t)(stop - q));
            const char *to = semicolon ? semicolon : stop;
            if (!is_csn(q, (size_t)(to - q)))
                return false;
            found = true;
            q = to + 1;
        }
        p = stop + 1;
    }
    return found;
}
