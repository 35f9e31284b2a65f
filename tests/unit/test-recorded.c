/*
 * What real servers send (tests/data/recorded, made by tests/lab/record): each message goes through
 * libldap and rosterd's own readers, which must read in it what the recorder's did. And the servers
 * that lives play (tests/lives) live through the same little stories: what they say must read the
 * same, in the same order.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "recorded.h"
#include "unit.h"

/* -- recorded messages -- */

static size_t from_hex(const char *hex, unsigned char *to, size_t size)
{
    size_t n = 0;
    unsigned byte;
    for (; n < size && sscanf(hex + 2 * n, "%2x", &byte) == 1; n++)
        to[n] = (unsigned char)byte;
    return n;
}

/* With the number of this test's search in the place of the recorder's, which is 2. */
static void deliver(const char *hex)
{
    unsigned char bytes[8192];
    size_t n = from_hex(hex, bytes, sizeof(bytes)),
           at = bytes[1] & 0x80 ? 2 + (bytes[1] & 0x7fU) : 2;
    assert_true(n > at + 3 && bytes[at] == 0x02 && bytes[at + 1] == 1 && bytes[at + 2] == 2);
    assert_true(search_id < 128);
    bytes[at + 2] = (unsigned char)search_id;
    assert_int_equal(write(peer, bytes, n), n);
}

static void open_section(bool dirsync, const char *name)
{
    unsigned char request[2048];
    if (strcmp(name, "follow") == 0) /* it goes on */
        return;
    if (ld)
        disconnect_wire();
    connect_wire();
    (void)ask_section(dirsync, name, request, sizeof(request));
}

/* What the recorder read, and what rosterd reads. */
static void replay(const char *server, struct buffer *recorded, struct buffer *read)
{
    const char *top = getenv("abs_top_srcdir");
    char path[400], line[20000];
    bool dirsync = strncmp(server, "samba", 5) == 0;
    snprintf(path, sizeof(path), "%s/tests/data/recorded/%s.txt", top ? top : ".", server);
    FILE *f = fopen(path, "re");
    if (!f)
        fail_msg("%s: cannot be read", path);
    begin();
    while (fgets(line, sizeof(line), f)) {
        line[strcspn(line, "\n")] = '\0';
        struct known_person *p = &people[n_people];
        if (*line == '@') {
            assert_int_equal(sscanf(line, "@ %15s ", p->name), 1);
            assert_int_equal(from_hex(strrchr(line, ' ') + 1, p->id, 16), 16);
            n_people++;
        } else if (*line == '[') {
            line[strlen(line) - 1] = '\0';
            open_section(dirsync, line + 1);
            say(recorded, "[%s]\n", line + 1);
            say(read, "[%s]\n", line + 1);
        } else if (*line == '<') {
            deliver(line + 2);
            read_messages(read);
        } else if (*line != '#') {
            say(recorded, "%s\n", line);
        }
    }
    fclose(f);
    disconnect_wire();
    assert_true(recorded->size > 100);
}

/* -- the comparison -- */

/* Without what the server's own business changed, and entries that follow one another sorted:
 * their order is nobody's promise. */
static char *comparable(const char *text)
{
    struct buffer b = {0};
    CLEANUP(freep) char *copy = strdup(text);
    char *run[32], *rest = NULL;
    size_t n = 0;
    buffer_add_text(&b, "");
    for (char *line = strtok_r(copy, "\n", &rest);; line = strtok_r(NULL, "\n", &rest)) {
        bool is_entry =
            line && (strncmp(line, "entry ", 6) == 0 || strncmp(line, "change ", 7) == 0);
        if (is_entry) {
            assert_true(n < 32);
            if (strncmp(line, "change somebody", 15) != 0)
                run[n++] = line;
            continue;
        }
        qsort(run, n, sizeof(*run), by_text);
        for (size_t i = 0; i < n; i++)
            say(&b, "%s\n", run[i]);
        n = 0;
        if (!line)
            break;
        say(&b, "%s\n", line);
    }
    return buffer_take(&b);
}

static void compare(const char *server, enum server kind, bool session_log)
{
    CLEANUP(buffer_done) struct buffer recorded = {0};
    CLEANUP(buffer_done) struct buffer read = {0};
    CLEANUP(buffer_done) struct buffer played = {0};
    replay(server, &recorded, &read);
    assert_string_equal(read.data, recorded.data);
    if (kind == SERVER_AD)
        play_dirsync(session_log, &played);
    else
        play_sync(kind, session_log, &played);
    CLEANUP(freep) char *real = comparable(recorded.data);
    CLEANUP(freep) char *ours = comparable(played.data);
    assert_string_equal(ours, real);
}

static void test_openldap(void **state)
{
    (void)state;
    compare("openldap", SERVER_OPENLDAP, true);
}

static void test_openldap_without_log(void **state)
{
    (void)state;
    compare("openldap-without-log", SERVER_OPENLDAP, false);
}

static void test_389ds(void **state)
{
    (void)state;
    compare("389ds", SERVER_389, true);
}

static void test_samba(void **state)
{
    (void)state;
    compare("samba", SERVER_AD, false);
    compare("samba-administrator", SERVER_AD, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_openldap),
        cmocka_unit_test(test_openldap_without_log),
        cmocka_unit_test(test_389ds),
        cmocka_unit_test(test_samba),
    };
    return cmocka_run_group_tests_name("recorded", tests, NULL, NULL);
}
