/* A connection of libldap whose other end is the test, and what rosterd's readers read there.
 */
#include "config.h"

#include <openldap.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "directory/dirsync-change.h"
#include "directory/libldap.h"
#include "directory/sync-codec.h"
#include "ldap-ber.h"
#include "recorded.h"
#include "unit.h"

#define MEMBERS_MAX 8

struct known_person people[16];
size_t n_people;

static const char *who(const unsigned char id[16])
{
    for (size_t i = 0; i < n_people; i++)
        if (memcmp(people[i].id, id, 16) == 0)
            return people[i].name;
    return "somebody";
}

/* -- a connection of libldap whose other end is the test -- */

LDAP *ld;
int peer = -1, search_id;

void connect_wire(void)
{
    int pair[2], version = LDAP_VERSION3;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(ldap_init_fd(pair[0], LDAP_PROTO_TCP, "ldap://peer", &ld), LDAP_SUCCESS);
    assert_int_equal(ldap_set_option(ld, LDAP_OPT_PROTOCOL_VERSION, &version),
                     LDAP_OPT_SUCCESS);
    peer = pair[1];
}

void disconnect_wire(void)
{
    ldap_unbind_ext(ld, NULL, NULL);
    close(peer);
    ld = NULL;
}

/* Asks, and gives the bytes of the request. */
static size_t ask(const char *base, const char *filter, const char *const *attributes,
                  LDAPControl *control, unsigned char *request, size_t size)
{
    LDAPControl *controls[] = {control, NULL};
    assert_int_equal(ldap_search_ext(ld, base, LDAP_SCOPE_SUBTREE, filter,
                                     (char **)(uintptr_t)attributes, 0, controls, NULL, NULL, 0,
                                     &search_id),
                     LDAP_SUCCESS);
    ssize_t n = read(peer, request, size);
    assert_true(n > 0);
    return (size_t)n;
}

/* -- what rosterd's readers read -- */

static char sync_cookie[400];

void say(struct buffer *b, const char *format, ...)
{
    char text[400];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    buffer_add_text(b, text);
}

static void keep_cookie(const struct sync_cookie *c)
{
    if (c->data)
        snprintf(sync_cookie, sizeof(sync_cookie), "%s", (const char *)c->data);
}

static bool is_asked(const char *name)
{
    return strcasecmp(name, "uid") == 0 || strcasecmp(name, "sn") == 0;
}

static void read_sync_entry(struct buffer *b, LDAPMessage *m, const LDAPControl *c)
{
    static const char *const states[] = {"present", "add", "modify", "delete"};
    struct sync_state s;
    BerElement *ber = NULL;
    bool all = false;
    assert_int_equal(sync_parse_state(&c->ldctl_value, &s), 0);
    for (char *name = ldap_first_attribute(ld, m, &ber); name;
         name = ldap_next_attribute(ld, m, ber)) {
        all = all || !is_asked(name);
        ldap_memfree(name);
    }
    ber_free(ber, 0);
    say(b, "entry %s %s%s%s\n", who(s.uuid), states[s.state], s.cookie.data ? " cookie" : "",
        all ? " all" : "");
    keep_cookie(&s.cookie);
    sync_state_done(&s);
}

int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void say_sorted(struct buffer *b, char **texts, size_t n)
{
    qsort(texts, n, sizeof(*texts), by_text);
    for (size_t i = 0; i < n; i++) {
        say(b, " %s", texts[i]);
        free(texts[i]);
    }
}

static void say_members(struct buffer *b, char sign, const struct member *list, size_t n)
{
    char *texts[MEMBERS_MAX] = {0};
    assert_true(n <= MEMBERS_MAX);
    for (size_t i = 0; i < n; i++) {
        const char *from = strchr(list[i].text, '=') + 1;
        assert_true(asprintf(&texts[i], "%c%.*s", sign, (int)strcspn(from, ",\\"), from) > 0);
        for (char *p = texts[i]; *p; p++)
            *p = *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;
    }
    say_sorted(b, texts, n);
}

/* "4a1b…-…" with the first three parts turned round, as rosterd writes it. */
static void guid_bytes(const char *text, unsigned char ret[16])
{
    static const unsigned char order[] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
    unsigned byte = 0;
    for (unsigned i = 0; i < 16; i++) {
        text += *text == '-';
        assert_int_equal(sscanf(text, "%2x", &byte), 1);
        ret[order[i]] = (unsigned char)byte;
        text += 2;
    }
}

static void read_change(struct buffer *b, LDAPMessage *m)
{
    CLEANUP(dirsync_change_done) struct dirsync_change c = {0};
    struct error e = {0};
    unsigned char id[16];
    assert_int_equal(dirsync_change_read(NULL, ld, m, &c, &e), 0);
    assert_non_null(c.id);
    guid_bytes(c.id, id);
    say(b, "change %s%s", who(id), c.deleted ? " deleted" : "");
    say_members(b, '+', c.added, c.n_added);
    say_members(b, '-', c.removed, c.n_removed);
    say(b, "%s\n", c.other ? " other" : "");
}

static void read_entry(struct buffer *b, LDAPMessage *m)
{
    CLEANUP(libldap_controls_freep) LDAPControl **controls = NULL;
    assert_int_equal(ldap_get_entry_controls(ld, m, &controls), LDAP_SUCCESS);
    LDAPControl *state = controls ? libldap_control(controls, OID_SYNC_STATE) : NULL;
    if (state)
        read_sync_entry(b, m, state);
    else
        read_change(b, m);
}

static void read_info(struct buffer *b, LDAPMessage *m)
{
    static const char *const kinds[] = {[SYNC_NEW_COOKIE] = "new-cookie",
                                        [SYNC_REFRESH_DELETE] = "refresh-delete",
                                        [SYNC_REFRESH_PRESENT] = "refresh-present",
                                        [SYNC_ID_SET] = "ids"};
    char *oid = NULL, *names[16] = {0};
    struct berval *value = NULL;
    struct sync_info i;
    assert_int_equal(ldap_parse_intermediate(ld, m, &oid, &value, NULL, 0), LDAP_SUCCESS);
    assert_string_equal(oid, OID_SYNC_INFO);
    assert_int_equal(sync_parse_info(value, &i), 0);
    say(b, "%s%s", kinds[i.kind], i.cookie.data && i.kind != SYNC_NEW_COOKIE ? " cookie" : "");
    if (i.kind == SYNC_ID_SET) {
        say(b, i.refresh_deletes ? " gone" : " there");
        for (size_t n = 0; n < i.n_uuids; n++)
            names[n] = strdup(who(i.uuids[n]));
        say_sorted(b, names, i.n_uuids);
    } else if (i.kind != SYNC_NEW_COOKIE) {
        say(b, i.refresh_done ? " done" : " more");
    }
    say(b, "\n");
    keep_cookie(&i.cookie);
    sync_info_done(&i);
    ldap_memfree(oid);
    ber_bvfree(value);
}

static struct berval dirsync_cookie;

static void read_end(struct buffer *b, LDAPMessage *m)
{
    CLEANUP(libldap_controls_freep) LDAPControl **controls = NULL;
    int code = -1, more = 0;
    assert_int_equal(ldap_parse_result(ld, m, &code, NULL, NULL, NULL, &controls, 0),
                     LDAP_SUCCESS);
    LDAPControl *c = controls ? libldap_control(controls, OID_DIRSYNC) : NULL;
    say(b, "end %d", code);
    if (c) {
        ber_memfree(dirsync_cookie.bv_val);
        ldap_parse_dirsync_control(ld, c, &more, &dirsync_cookie);
        say(b, "%s%s", dirsync_cookie.bv_len ? " cookie" : "", more ? " more" : "");
    }
    say(b, "\n");
}

/* Reads what has arrived. */
void read_messages(struct buffer *b)
{
    struct timeval none = {0};
    LDAPMessage *m = NULL;
    int type;
    while ((type = ldap_result(ld, search_id, LDAP_MSG_ONE, &none, &m)) > 0) {
        if (type == LDAP_RES_SEARCH_ENTRY)
            read_entry(b, m);
        else if (type == LDAP_RES_INTERMEDIATE)
            read_info(b, m);
        else
            read_end(b, m);
        ldap_msgfree(m);
    }
}

static LDAPControl *sync_control(void)
{
    LDAPControl *c = NULL;
    struct berval *value = sync_request_value(
        SYNC_REFRESH_AND_PERSIST, *sync_cookie ? sync_cookie : NULL, strlen(sync_cookie));
    assert_int_equal(ldap_control_create(OID_SYNC, 1, value, 1, &c), LDAP_SUCCESS);
    ber_bvfree(value);
    return c;
}

static LDAPControl *dirsync_control(void)
{
    LDAPControl *c = NULL;
    int flags = (int)(LDAP_CONTROL_X_DIRSYNC_OBJECT_SECURITY |
                      LDAP_CONTROL_X_DIRSYNC_INCREMENTAL_VALUES);
    struct berval none = {0, (char *)""};
    assert_int_equal(
        ldap_create_dirsync_control(ld, flags, 4 << 20,
                                    dirsync_cookie.bv_len ? &dirsync_cookie : &none, &c),
        LDAP_SUCCESS);
    return c;
}

/* The search of a section. */
size_t ask_section(bool dirsync, const char *section, unsigned char *request, size_t size)
{
    static const char *const asked[] = {"uid", "sn", NULL};
    static const char *const signals[] = {"objectGUID", "name", "parentGUID", "isDeleted",
                                          "member",     "sn",   NULL};
    LDAPControl *c = dirsync ? dirsync_control() : sync_control();
    size_t n;
    if (!dirsync)
        n = ask(PEOPLE, "(&(objectClass=inetOrgPerson)(!(employeeType=Gone)))", asked, c,
                request, size);
    else if (strcmp(section, "cookie") == 0)
        n = ask(SUFFIX,
                "(objectGUID=\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00)",
                signals, c, request, size);
    else
        n = ask(SUFFIX, "(objectClass=*)", signals, c, request, size);
    ldap_control_free(c);
    return n;
}

void begin(void)
{
    n_people = 0;
    *sync_cookie = '\0';
    ber_memfree(dirsync_cookie.bv_val);
    dirsync_cookie = (struct berval){0};
}
