/*
 * Content synchronisation (RFC 4533) under random bytes: the first byte of the input says which
 * value the rest is. Whatever was taken is written anew by a few lines of this file and must be
 * read as the same; what these lines write from drawn fields must be taken. Cookies are held
 * against regular expressions.
 */
#include "config.h"

#include <errno.h>
#include <regex.h>
#include <stdbool.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "directory/sync-codec.h"
#include "fuzz.h"

/* -- writing, with lengths of two bytes alone -- */

static void put(struct buffer *b, unsigned tag, const void *bytes, size_t size)
{
    const unsigned char head[] = {(unsigned char)tag, 0x82, (unsigned char)(size >> 8),
                                  (unsigned char)size};

    DEMAND(size < 65536);
    buffer_add(b, head, sizeof(head));
    buffer_add(b, bytes, size);
}

static void put_cookie(struct buffer *b, const struct sync_cookie *c)
{
    if (c->data)
        put(b, 0x04, c->data, c->size);
}

static void put_boolean(struct buffer *b, bool value)
{
    put(b, 0x01, value ? "\xff" : "", 1);
}

static void wrap(struct buffer *ret, unsigned tag, const struct buffer *inner)
{
    put(ret, tag, inner->data ? inner->data : "", inner->size);
}

static void write_state(struct buffer *ret, const struct sync_state *s)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    unsigned char state = (unsigned char)s->state;

    put(&b, 0x0a, &state, 1);
    put(&b, 0x04, s->uuid, sizeof(s->uuid));
    put_cookie(&b, &s->cookie);
    wrap(ret, 0x30, &b);
}

static void write_end(struct buffer *ret, const struct sync_end *x)
{
    CLEANUP(buffer_done) struct buffer b = {0};

    put_cookie(&b, &x->cookie);
    put_boolean(&b, x->refresh_deletes);
    wrap(ret, 0x30, &b);
}

static void write_info(struct buffer *ret, const struct sync_info *i)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    CLEANUP(buffer_done) struct buffer ids = {0};

    if (i->kind == SYNC_NEW_COOKIE) {
        put(ret, 0x80, i->cookie.data, i->cookie.size);
        return;
    }
    put_cookie(&b, &i->cookie);
    put_boolean(&b, i->kind == SYNC_ID_SET ? i->refresh_deletes : i->refresh_done);
    for (size_t k = 0; k < i->n_uuids; k++)
        put(&ids, 0x04, i->uuids[k], sizeof(i->uuids[k]));
    if (i->kind == SYNC_ID_SET)
        wrap(&b, 0x31, &ids);
    wrap(ret,
         i->kind == SYNC_REFRESH_DELETE    ? 0xa1
         : i->kind == SYNC_REFRESH_PRESENT ? 0xa2
                                           : 0xa3,
         &b);
}

/* -- the same again -- */

static bool same_cookie(const struct sync_cookie *a, const struct sync_cookie *b)
{
    return !a->data == !b->data && a->size == b->size &&
           (!a->data || memcmp(a->data, b->data, a->size) == 0);
}

static struct berval value_of(const struct buffer *b)
{
    return (struct berval){b->size, b->data};
}

static void check_state(const struct sync_state *s)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    CLEANUP(sync_state_done) struct sync_state again = {0};

    DEMAND(s->state >= SYNC_PRESENT && s->state <= SYNC_DELETE);
    write_state(&b, s);
    struct berval v = value_of(&b);
    DEMAND(sync_parse_state(&v, &again) == 0);
    DEMAND(again.state == s->state && memcmp(again.uuid, s->uuid, sizeof(s->uuid)) == 0);
    DEMAND(same_cookie(&again.cookie, &s->cookie));
}

static void check_info(const struct sync_info *i)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    CLEANUP(sync_info_done) struct sync_info again = {0};

    write_info(&b, i);
    struct berval v = value_of(&b);
    DEMAND(sync_parse_info(&v, &again) == 0);
    DEMAND(again.kind == i->kind && same_cookie(&again.cookie, &i->cookie));
    DEMAND(i->kind != SYNC_NEW_COOKIE || i->cookie.data);
    DEMAND(again.refresh_deletes == i->refresh_deletes && again.n_uuids == i->n_uuids);
    DEMAND(i->kind == SYNC_ID_SET || i->kind == SYNC_NEW_COOKIE ||
           again.refresh_done == i->refresh_done);
    DEMAND(i->kind == SYNC_ID_SET || i->n_uuids == 0);
    for (size_t k = 0; k < i->n_uuids; k++)
        DEMAND(memcmp(again.uuids[k], i->uuids[k], sizeof(i->uuids[k])) == 0);
}

static void check_end(const struct sync_end *x)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    CLEANUP(sync_end_done) struct sync_end again = {0};

    write_end(&b, x);
    struct berval v = value_of(&b);
    DEMAND(sync_parse_end(&v, &again) == 0);
    DEMAND(again.refresh_deletes == x->refresh_deletes);
    DEMAND(same_cookie(&again.cookie, &x->cookie));
}

static void parse(unsigned which, const struct berval *v)
{
    CLEANUP(sync_state_done) struct sync_state state = {0};
    CLEANUP(sync_info_done) struct sync_info info = {0};
    CLEANUP(sync_end_done) struct sync_end end = {0};
    int r = which == 0   ? sync_parse_state(v, &state)
            : which == 1 ? sync_parse_info(v, &info)
                         : sync_parse_end(v, &end);

    DEMAND(r == 0 || r == -EBADMSG);
    if (r < 0)
        return;
    if (which == 0)
        check_state(&state);
    else if (which == 1)
        check_info(&info);
    else
        check_end(&end);
}

/* Fields out of the bytes: the last ones are the cookie, those before it ids. */
static void draw(const uint8_t *data, size_t size)
{
    struct sync_info i = {.kind = (enum sync_info_kind)(1 + data[0] % 4)};
    struct sync_state s = {.state = (enum sync_entry_state)(data[0] >> 2 & 3)};
    struct sync_end end = {.refresh_deletes = data[0] & 0x10};
    size_t n = data[1] % 8;
    unsigned char uuids[8][16] = {0};

    data += 2;
    size -= 2;
    n = n * 16 > size ? size / 16 : n;
    memcpy(uuids, data, n * 16);
    memcpy(s.uuid, uuids[0], sizeof(s.uuid));
    struct sync_cookie cookie = {(void *)(data + n * 16), size - n * 16};
    if (cookie.size == 0 && i.kind != SYNC_NEW_COOKIE)
        cookie = (struct sync_cookie){0};
    i.cookie = s.cookie = end.cookie = cookie;
    i.refresh_done = i.kind != SYNC_ID_SET && end.refresh_deletes;
    i.refresh_deletes = i.kind == SYNC_ID_SET && end.refresh_deletes;
    i.uuids = uuids;
    i.n_uuids = i.kind == SYNC_ID_SET ? n : 0;
    check_info(&i);
    check_state(&s);
    check_end(&end);
}

/* -- cookies -- */

static bool fits(const char *expression, const char *text)
{
    regex_t re;

    DEMAND(regcomp(&re, expression, REG_EXTENDED | REG_NOSUB) == 0);
    bool ret = regexec(&re, text, 0, NULL, 0) == 0;
    regfree(&re);
    return ret;
}

#define CSN "[0-9]{14}\\.[0-9]{6}Z#[0-9a-f]{6}#[0-9a-f]{3}#[0-9a-f]{6}"

static void check_cookie(const uint8_t *data, size_t size)
{
    CLEANUP(freep) char *text = strndup((const char *)data, size);
    unsigned long long number = 0;
    bool numbered = sync_cookie_change_number(text, strlen(text), &number);

    DEMAND(numbered == fits("#[0-9]{1,18}$", text));
    if (numbered)
        DEMAND(number == strtoull(strrchr(text, '#') + 1, NULL, 10));
    /* Every list that is there is one of whole numbers, and there is one. */
    DEMAND(
        sync_cookie_is_openldap(text, strlen(text)) ==
        (fits("(^|,)csn=[^,]", text) &&
         fits("^(csn=" CSN "(;" CSN ")*|csn=|[^,c][^,]*|c[^,s][^,]*|cs[^,n][^,]*|csn[^,=][^,]*|"
              "c|cs|csn|)"
              "(,(csn=" CSN "(;" CSN
              ")*|csn=|[^,c][^,]*|c[^,s][^,]*|cs[^,n][^,]*|csn[^,=][^,]*|"
              "c|cs|csn|))*$",
              text)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    struct berval v = {size - 1, (char *)data + 1};
    if (*data % 5 < 3)
        parse(*data % 5, &v);
    else if (*data % 5 == 3)
        draw(data + 1, size - 1);
    else
        check_cookie(data + 1, size - 1);
    return 0;
}
