/*
 * What is remembered of large groups, against a set of what each message says: of few long members
 * and of many, some of whom come, go, are spelt otherwise or stand twice in one message.
 */
#include "config.h"

#include <ldap.h>
#include <openldap.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "directory/decode-raw.h"
#include "directory/decode.h"
#include "directory/group-memory.h"
#include "directory/options.h"
#include "ldap-ber.h"
#include "model/schema.h"
#include "unit.h"

#define ID       "00000000-0000-0000-0000-000000000001"
#define MOST     18 /* so that a message goes into the buffer of a socket */
#define STEPS    300
#define SHOUTS   (1u << 30) /* this member is spelt otherwise */
#define TOO_LONG 8300

static struct bed {
    struct decoder decoder;
    LDAP *ld;
    int fd, search;
    unsigned seed;
    bool new; /* the group is not remembered */
} bed;

static unsigned roll(unsigned n)
{
    bed.seed = bed.seed * 1664525 + 1013904223;
    return (bed.seed >> 8) % n;
}

static void send_to_bed(void *userdata, const void *data, size_t size)
{
    (void)userdata;
    assert_int_equal(write(bed.fd, data, size), size);
}

/* The first is as long as makes a group large, the next ones nearly. */
static void spell(char ret[static TOO_LONG + 1], unsigned member)
{
    unsigned k = member & ~SHOUTS;
    int length = k == 0 ? TOO_LONG : k < 6 ? 2900 : 700;
    int n = snprintf(ret, TOO_LONG, "%s=m%u-", member & SHOUTS ? "UID" : "uid", k);
    snprintf(ret + n, (size_t)(TOO_LONG + 1 - n), "%0*d,dc=t", length - n - 5, 0);
}

static LDAPMessage *message_of(const unsigned *members, size_t n)
{
    const struct answer_to to = {send_to_bed, NULL};
    struct timeval patient = {10, 0};
    char dn[TOO_LONG + 1];
    LDAPMessage *m = NULL;
    BerElement *ber = answer_new();
    ber_printf(ber, "{it{s{{s[s]}{s[", bed.search, (ber_tag_t)LDAP_RES_SEARCH_ENTRY, "cn=g,dc=t",
               "objectClass", "groupOfNames", n / 4 % 2 ? "member" : "Member");
    for (size_t i = 0; i < n; i++) {
        spell(dn, members[i]);
        ber_printf(ber, "s", dn);
    }
    ber_printf(ber, "]}}}");
    answer_entry_end(&to, ber, false, 0, NULL, "");
    assert_int_equal(ldap_result(bed.ld, bed.search, LDAP_MSG_ONE, &patient, &m),
                     LDAP_RES_SEARCH_ENTRY);
    return m;
}

static bool has(const unsigned *members, size_t n, unsigned member)
{
    for (size_t i = 0; i < n; i++)
        if (members[i] == member)
            return true;
    return false;
}

/* Some of them change. */
static size_t move(unsigned *members, size_t n, unsigned most)
{
    for (unsigned n_moves = 1 + roll(3); n_moves > 0; n_moves--) {
        unsigned how = roll(8);
        if (how < 4 && n < MOST)
            members[n++] = roll(most) | (how == 0 ? SHOUTS : 0);
        else if (how < 6 && n)
            n--, members[roll((unsigned)n + 1)] = members[n];
        else if (how == 6 && n)
            members[roll((unsigned)n)] ^= SHOUTS;
        else if (n && n < MOST)
            members[n] = members[roll((unsigned)n)], n++;
    }
    return n;
}

static void check_growth(const struct group_growth *g, const unsigned *was, size_t n_was,
                         const unsigned *is, size_t n_is)
{
    char dn[TOO_LONG + 1];
    size_t n_new = 0;
    for (size_t i = 0; i < n_is; i++) {
        if (has(was, n_was, is[i]) && !(bed.new &&i + 1 == n_is))
            continue; /* a guess gives the last one, though it stands there twice */
        spell(dn, is[i]);
        assert_true(n_new < g->n_added);
        assert_int_equal(g->added[n_new].bv_len, strlen(dn));
        assert_memory_equal(g->added[n_new++].bv_val, dn, strlen(dn));
    }
    assert_int_equal(n_new, g->n_added);
    for (size_t i = 0; i < n_was; i++)
        assert_true(has(is, n_is, was[i]));
}

static void decode_whole(LDAPMessage *m, const struct raw_entry *raw)
{
    struct decoded d = {0};
    struct error e = {0};
    assert_int_equal(group_memory_decode(&bed.decoder, bed.ld, m, ID, raw, true, &d, &e), 0);
    decoded_done(&d);
}

/* Nothing is remembered; the mirror stays. */
static void start_again(void)
{
    bed.decoder.groups = group_memory_free(bed.decoder.groups);
    assert_int_equal(group_memory_new(&bed.decoder.groups), 0);
    bed.new = true;
}

static void test_histories(void **state)
{
    unsigned was[MOST], is[MOST];
    unsigned char mirror[ENTRY_RAW_SIZE] = {0}; /* what it has the group from */
    size_t n_was = 0, n_is = 0, n_grew = 0, n_shrank = 0, n_guessed = 0;
    (void)state;
    for (unsigned most = 1; most <= 20; most += most < 8 ? 1 : 6) {
        for (int step = 0; step < STEPS; step++) {
            struct raw_entry raw = {0};
            struct group_growth growth = {0};
            struct error e = {0};
            n_is = move(is, n_is, most);
            LDAPMessage *m = message_of(is, n_is);
            assert_int_equal(decode_raw(&bed.decoder, bed.ld, m, ID, &raw, &e), 0);
            if (roll(8) == 0)
                start_again();
            int r = group_memory_compare(&bed.decoder, bed.ld, m, &raw, true, &growth, &e);
            if (r == 0 && memcmp(growth.was, mirror, sizeof(mirror)) == 0) {
                check_growth(&growth, was, n_was, is, n_is);
                n_guessed += bed.new;
                assert_int_equal(group_memory_grew(&bed.decoder, bed.ld, m, &raw, &growth, &e), 0);
                n_grew++;
            } else {
                assert_true(r != 0 || bed.new); /* only what is not remembered is guessed */
                if (r == GROUP_SHRANK) {
                    bool lacks = false;
                    for (size_t i = 0; i < n_was; i++)
                        lacks = lacks || !has(is, n_is, was[i]);
                    assert_true(lacks);
                    n_shrank++;
                }
                decode_whole(m, &raw);
            }
            memcpy(mirror, raw.digest, sizeof(mirror));
            bed.new = raw.members_size < 8192; /* it is not remembered */
            memcpy(was, is, sizeof(is));
            n_was = n_is;
            group_growth_done(&growth);
            raw_entry_done(&raw);
            ldap_msgfree(m);
        }
    }
    assert_true(n_grew > 500 && n_shrank > 500 && n_guessed > 20);
}

/* A group as a server writes it: heads as short as they can be, or always as long. */
struct shape {
    bool der;
    int place;                /* of the members among three attributes */
    const char *class, *more; /* more: of another attribute of members */
};

static LDAPMessage *shaped(const struct shape *s, const char *const *members)
{
    const struct answer_to to = {send_to_bed, NULL};
    struct timeval patient = {10, 0};
    LDAPMessage *m = NULL;
    BerElement *ber = ber_alloc_t(s->der ? LBER_USE_DER : 0);
    ber_printf(ber, "{it{s{", bed.search, (ber_tag_t)LDAP_RES_SEARCH_ENTRY, "cn=g,dc=t");
    for (int i = 0; i < 3; i++) {
        if (i == s->place)
            ber_printf(ber, "{s[v]}", "member", (char **)(uintptr_t)members);
        else
            ber_printf(ber, "{s[s]}", i == (s->place + 1) % 3 ? "objectClass" : "cn", s->class);
    }
    if (s->more)
        ber_printf(ber, "{s[s]}", "uniqueMember", s->more);
    ber_printf(ber, "}}");
    answer_entry_end(&to, ber, false, 0, NULL, "");
    assert_int_equal(ldap_result(bed.ld, bed.search, LDAP_MSG_ONE, &patient, &m),
                     LDAP_RES_SEARCH_ENTRY);
    return m;
}

static void digest_of(const struct shape *s, const char *const *members,
                      unsigned char ret[static ENTRY_RAW_SIZE])
{
    struct raw_entry raw = {0};
    struct error e = {0};
    LDAPMessage *m = shaped(s, members);
    assert_int_equal(decode_raw(&bed.decoder, bed.ld, m, ID, &raw, &e), 0);
    memcpy(ret, raw.digest, ENTRY_RAW_SIZE);
    raw_entry_done(&raw);
    ldap_msgfree(m);
}

static int digest_before(const struct shape *s, const char *const *members,
                         unsigned char ret[static ENTRY_RAW_SIZE], const char *last)
{
    struct berval added = {0};
    struct error e = {0};
    LDAPMessage *m = shaped(s, members);
    int r = decode_raw_before_last(&bed.decoder, bed.ld, m, ret, &added, &e);
    if (r == 0) {
        assert_int_equal(added.bv_len, strlen(last));
        assert_memory_equal(added.bv_val, last, strlen(last));
    }
    ldap_msgfree(m);
    return r;
}

static void try_shape(const struct shape *s, size_t first_size, size_t last_size)
{
    static char first[70000], last[200];
    const char *const was[] = {"uid=0", first, NULL}, *const is[] = {"uid=0", first, last, NULL};
    const char *const other[] = {"uid=1", first, last, NULL};
    const struct shape changed = {s->der, s->place, "groupOfMen", NULL};
    unsigned char before[ENTRY_RAW_SIZE], guessed[ENTRY_RAW_SIZE];
    memset(first, 'f', first_size);
    memset(last, 'l', last_size);
    first[first_size] = last[last_size] = 0;
    digest_of(s, was, before);
    assert_int_equal(digest_before(s, is, guessed, last), 0);
    assert_memory_equal(guessed, before, sizeof(before));
    assert_int_equal(digest_before(s, other, guessed, last), 0);
    assert_memory_not_equal(guessed, before, sizeof(before));
    assert_int_equal(digest_before(&changed, is, guessed, last), 0);
    assert_memory_not_equal(guessed, before, sizeof(before));
}

/* Sizes around those at which heads grow, of the values and of the attribute that has them. */
static void test_before_last(void **state)
{
    static const size_t around[] = {128, 256, 65536};
    (void)state;
    for (int i = 0; i < 6; i++) {
        const struct shape s = {.der = i % 2, .place = i / 2, .class = "groupOfNames"};
        for (size_t k = 0; k < 3; k++)
            for (size_t less = 0; less < 40; less++)
                try_shape(&s, around[k] - less, 1 + less * 3);
    }
}

/* Where it is not seen which one came last, or the attribute was not there before. */
static void test_not_last(void **state)
{
    const char *const one[] = {"uid=0", NULL}, *const two[] = {"uid=0", "uid=1", NULL};
    const struct shape plain = {.class = "groupOfNames"};
    const struct shape both = {.class = "groupOfNames", .more = "uid=2"};
    unsigned char digest[ENTRY_RAW_SIZE];
    (void)state;
    assert_int_equal(digest_before(&plain, two, digest, "uid=1"), 0);
    assert_int_equal(digest_before(&plain, one, digest, ""), DECODE_RAW_NONE);
    assert_int_equal(digest_before(&both, two, digest, ""), DECODE_RAW_NONE);
}

static int set_up(void **state)
{
    static struct schema *schema;
    struct directory_options options = {0};
    struct string_list wanted = {0};
    struct error e = {0};
    char request[512];
    int fds[2], version = LDAP_VERSION3;
    *state = schema = schema_new();
    bed.seed = 3;
    bed.new = true;
    assert_int_equal(decoder_init(&bed.decoder, IDENTITY_ENTRYUUID, IDENTITY_ENTRYUUID, false,
                                  &options, &wanted, schema, &e),
                     0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(ldap_init_fd(fds[0], LDAP_PROTO_TCP, "ldap://peer", &bed.ld), LDAP_SUCCESS);
    ldap_set_option(bed.ld, LDAP_OPT_PROTOCOL_VERSION, &version);
    assert_int_equal(ldap_search_ext(bed.ld, "dc=t", LDAP_SCOPE_SUBTREE, "(objectClass=*)", NULL, 0,
                                     NULL, NULL, NULL, 0, &bed.search),
                     LDAP_SUCCESS);
    bed.fd = fds[1];
    assert_true(read(bed.fd, request, sizeof(request)) > 0);
    return 0;
}

static int tear_down(void **state)
{
    ldap_unbind_ext(bed.ld, NULL, NULL);
    close(bed.fd);
    decoder_done(&bed.decoder);
    schema_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_histories, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_before_last, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_not_last, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
