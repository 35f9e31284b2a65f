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
               "objectClass", "groupOfNames", n % 2 ? "member" : "Member");
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
        if (has(was, n_was, is[i]))
            continue;
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

static void test_histories(void **state)
{
    unsigned was[MOST], is[MOST];
    size_t n_was = 0, n_is = 0, n_grew = 0, n_shrank = 0;
    (void)state;
    for (unsigned most = 1; most <= 20; most += most < 8 ? 1 : 6) {
        for (int step = 0; step < STEPS; step++) {
            struct raw_entry raw = {0};
            struct group_growth growth = {0};
            struct error e = {0};
            n_is = move(is, n_is, most);
            LDAPMessage *m = message_of(is, n_is);
            assert_int_equal(decode_raw(&bed.decoder, bed.ld, m, ID, &raw, &e), 0);
            int r = group_memory_compare(&bed.decoder, bed.ld, m, ID, &growth, &e);
            if (r == 0) {
                check_growth(&growth, was, n_was, is, n_is);
                group_memory_grew(&bed.decoder, &raw, &growth);
                n_grew++;
            } else {
                if (r == GROUP_SHRANK) {
                    bool lacks = false;
                    for (size_t i = 0; i < n_was; i++)
                        lacks = lacks || !has(is, n_is, was[i]);
                    assert_true(lacks);
                    n_shrank++;
                }
                decode_whole(m, &raw);
            }
            memcpy(was, is, sizeof(is));
            n_was = n_is;
            group_growth_done(&growth);
            raw_entry_done(&raw);
            ldap_msgfree(m);
        }
    }
    assert_true(n_grew > 500 && n_shrank > 500);
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
