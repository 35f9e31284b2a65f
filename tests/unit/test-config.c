/* Settings: pairs of .in and canonical .ok, all errors of broken files at once, drop-ins, what
 * a reload can apply, the sample. ROSTERD_UPDATE=1 in the environment rewrites what is
 * expected. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* cmocka.h needs the ones above. */
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "config/keys.h"
#include "config/settings.h"
#include "config-copy.h"
#include "config-forms.h"
#include "model/user.h"

static const char *data_directory(void)
{
    static char path[512];
    const char *srcdir = getenv("srcdir");

    (void)snprintf(path, sizeof(path), "%s/tests/data/config", srcdir ? srcdir : ".");
    return path;
}

static char *read_path(const char *path, size_t *ret_size)
{
    struct buffer b = {0};
    char chunk[4096];
    FILE *f = fopen(path, "re");

    if (!f)
        return NULL;
    for (size_t n; (n = fread(chunk, 1, sizeof(chunk), f)) > 0;)
        buffer_add(&b, chunk, n);
    (void)fclose(f);
    *ret_size = b.size;
    return buffer_take(&b);
}

static void write_path(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static int load_text(struct settings **ret, const char *content, size_t size,
                     struct problem_list *problems)
{
    struct settings_text text = {"rosterd.conf", content, size};
    struct error e = {""};

    return settings_load_texts(ret, &text, 1, problems, &e);
}

static void expect_text(const char *path, const char *got)
{
    size_t size = 0;

    if (getenv("ROSTERD_UPDATE"))
        write_path(path, got);
    CLEANUP(freep) char *expected = read_path(path, &size);
    assert_non_null(expected);
    assert_string_equal(got, expected);
}

static void test_pairs(void **state)
{
    static const char *const names[] = {"minimal", "raw-values", "windows", "bases"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        CLEANUP(settings_freep) struct settings *s = NULL, *again = NULL;
        CLEANUP(problem_list_done) struct problem_list problems = {0}, more = {0};
        char path[600];
        size_t size = 0;
        (void)snprintf(path, sizeof(path), "%s/%s.in", data_directory(), names[i]);
        CLEANUP(freep) char *in = read_path(path, &size);
        assert_non_null(in);
        int r = load_text(&s, in, size, &problems);
        CLEANUP(freep) char *said = problem_list_to_text(&problems);
        if (r != 0)
            fail_msg("%s: %s", names[i], said);
        CLEANUP(freep) char *ok = config_ini(s);
        (void)snprintf(path, sizeof(path), "%s/%s.ok", data_directory(), names[i]);
        expect_text(path, ok);

        /* The canonical form parses to itself, to the same settings. */
        assert_int_equal(load_text(&again, ok, strlen(ok), &more), 0);
        CLEANUP(freep) char *ok_again = config_ini(again);
        assert_string_equal(ok, ok_again);
        assert_string_equal(s->fingerprint, again->fingerprint);
    }
}

static void test_broken(void **state)
{
    static const char *const names[] = {"syntax", "keys", "values", "contradictions",
                                        "writing", "scim2"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        CLEANUP(settings_freep) struct settings *s = NULL;
        CLEANUP(problem_list_done) struct problem_list problems = {0};
        char path[600];
        size_t size = 0;
        (void)snprintf(path, sizeof(path), "%s/broken/%s.in", data_directory(), names[i]);
        CLEANUP(freep) char *in = read_path(path, &size);
        assert_non_null(in);
        assert_int_equal(load_text(&s, in, size, &problems), -EINVAL);
        assert_null(s);
        CLEANUP(freep) char *said = problem_list_to_text(&problems);
        (void)snprintf(path, sizeof(path), "%s/broken/%s.errors", data_directory(), names[i]);
        expect_text(path, said);
        assert_null(strstr(said, "hunter2")); /* a misplaced secret is not repeated */
        CLEANUP(freep) char *json = problem_list_to_json(&problems);
        json_auto_t *parsed = json_loads(json, 0, NULL);
        assert_int_equal(json_array_size(parsed), problems.n_items);
    }
}

static const char minimal[] = "[directory]\nuri = ldaps://a.example.com\nbase = dc=a\n"
                              "bind = anonymous\n[tenant]\nurl = https://t.example.com:8443/\n"
                              "client_id = i\nclient_secret_file = s\n[rule \"A\"]\nteam = T\n";

/* A fragment of a file, appended to what is enough. */
static int load_with(struct settings **ret, const char *fragment, size_t size,
                     struct problem_list *problems)
{
    CLEANUP(buffer_done) struct buffer b = {0};

    buffer_add_text(&b, minimal);
    buffer_add(&b, fragment, size);
    return load_text(ret, b.data, b.size, problems);
}

static void expect_error(const char *fragment, size_t size, const char *part)
{
    CLEANUP(settings_freep) struct settings *s = NULL;
    CLEANUP(problem_list_done) struct problem_list problems = {0};

    assert_int_equal(load_with(&s, fragment, size, &problems), -EINVAL);
    CLEANUP(freep) char *said = problem_list_to_text(&problems);
    if (!strstr(said, part))
        fail_msg("expected '%s' in: %s", part, said);
}

static void test_bytes(void **state)
{
    static const char nul[] = "[log]\nlevel = in\0fo\n";
    static const char latin[] = "[state]\nfile = /b\xc3\xbc/\xe4\n";
    CLEANUP(settings_freep) struct settings *s = NULL;
    CLEANUP(problem_list_done) struct problem_list problems = {0};
    CLEANUP(buffer_done) struct buffer b = {0};

    (void)state;
    expect_error(nul, sizeof(nul) - 1, "rosterd.conf:12:11: error: a NUL byte");
    expect_error(latin, sizeof(latin) - 1,
                 "rosterd.conf:12:12: error: bytes that are not UTF-8");

    buffer_add_text(&b, "[user]\nwork_phone = ${telephoneNumber:-");
    for (int i = 0; i < 70000; i++)
        buffer_add_text(&b, "1");
    buffer_add_text(&b, "}");
    assert_int_equal(load_with(&s, b.data, b.size, &problems), 0);
    assert_true(strlen(s->mapping.fields[USER_WORK_PHONE].text) > 70000);
}

/* Every key of the table takes its own example or default and gives it back. */
static void test_every_key(void **state)
{
    CLEANUP(settings_freep) struct settings *s = NULL;
    CLEANUP(problem_list_done) struct problem_list problems = {0};
    CLEANUP(buffer_done) struct buffer b = {0};
    const char *section = "";

    (void)state;
    for (size_t i = 0; i < config_n_keys; i++) {
        const struct config_key *key = &config_keys[i];
        const char *text = key->example ? key->example : key->otherwise;
        assert_non_null(text);
        assert_non_null(key->help);
        if (strcmp(key->section, section) != 0)
            buffer_format(&b, config_is_named(key->section) ? "[%s \"A\"]\n" : "[%s]\n",
                          key->section);
        section = key->section;
        buffer_format(&b, "%s = %s\n", key->name, text);
    }
    int r = load_text(&s, b.data, b.size, &problems);
    CLEANUP(freep) char *said = problem_list_to_text(&problems);
    if (r != 0)
        fail_msg("%s", said);
    expect_a_copy(s);
    CLEANUP(freep) char *ini = config_ini(s);
    json_auto_t *json = NULL;
    CLEANUP(freep) char *json_text = settings_to_json(s);
    json = json_loads(json_text, 0, NULL);
    assert_int_equal(json_array_size(json), config_n_keys);
    for (size_t i = 0; i < config_n_keys; i++) {
        const struct config_key *key = &config_keys[i];
        CLEANUP(buffer_done) struct buffer line = {0};
        buffer_format(&line, "\n%s = %s\n", key->name,
                      key->example ? key->example : key->otherwise);
        if (!strstr(ini, line.data))
            fail_msg("[%s] %s is lost", key->section, key->name);
    }
}

/* Each key stands once in its section, but for those that may be repeated. */
static void test_every_key_twice(void **state)
{
    (void)state;
    for (size_t i = 0; i < config_n_keys; i++) {
        const struct config_key *key = &config_keys[i];
        const char *text = key->example ? key->example : key->otherwise;
        CLEANUP(settings_freep) struct settings *s = NULL;
        CLEANUP(problem_list_done) struct problem_list problems = {0};
        CLEANUP(buffer_done) struct buffer b = {0};

        buffer_format(&b, config_is_named(key->section) ? "[%s \"A\"]\n" : "[%s]\n", key->section);
        buffer_format(&b, "%s = %s\n%s = %s\n", key->name, text, key->name, text);
        (void)load_text(&s, b.data, b.size, &problems); /* much else is missing */
        CLEANUP(freep) char *said = problem_list_to_text(&problems);
        bool refused = strstr(said, "was set in line 2 already");
        bool is_list = key->parse == config_parse_dn_list;
        if (refused == is_list)
            fail_msg("[%s] %s twice: %s", key->section, key->name, said);
    }
}

/* Keys that may be repeated: where their errors stand, and what a drop-in does. */
static void test_repeated(void **state)
{
    static const char more[] = "[directory]\nbase = dc=b\n    dc=c\n    nonsense\n";
    static const char again[] = "[directory]\nbase = dc=b\nbase = dc=a\nbase =\n";
    struct settings_text texts[] = {{"rosterd.conf", minimal, sizeof(minimal) - 1},
                                    {"conf.d/a.conf", again, sizeof(again) - 1}};
    CLEANUP(settings_freep) struct settings *s = NULL;
    CLEANUP(problem_list_done) struct problem_list problems = {0};
    struct error e = {""};

    (void)state;
    expect_error(more, sizeof(more) - 1, "rosterd.conf:14:5: error: [directory] base: ");
    assert_int_equal(settings_load_texts(&s, texts, 2, &problems, &e), 0);
    assert_int_equal(s->directory.n_bases, 2);
    assert_string_equal(s->directory.bases[0], "dc=b");
    assert_string_equal(s->directory.bases[1], "dc=a");
    assert_int_equal(s->directory.n_group_bases, 0);
}

static void test_values(void **state)
{
    static const char fragment[] =
        "[lifecycle]\nleave_grace = 0\ndelete_after = 90d\non_rename = hold\ndrift = repair\n"
        "[guard]\nmax_disable = 2.5%, at least 3, at most 40\nmax_delete = 0\n"
        "privileged_roles = A, \"B, C\"\n[log]\nlevel = debug\n"
        "[notify]\ncommand = /bin/echo \"a b\" c\n";
    CLEANUP(settings_freep) struct settings *s = NULL;
    CLEANUP(problem_list_done) struct problem_list problems = {0};

    (void)state;
    assert_int_equal(load_with(&s, fragment, strlen(fragment), &problems), 0);
    assert_int_equal(problems.n_errors, 0);
    assert_string_equal(s->directory.uris[0], "ldaps://a.example.com");
    assert_int_equal(s->directory.n_uris, 1);
    assert_int_equal(s->directory.bind, DIRECTORY_BIND_ANONYMOUS);
    assert_true(s->directory.paging);
    assert_int_equal(s->directory.page_size, 500);
    assert_int_equal(s->directory.connect_timeout_usec, 5000000);
    assert_string_equal(s->tenant.scope, "t.example.com");
    assert_false(s->tenant.allow_plain_http);
    assert_true(s->tenant.max_rate > 49.9 && s->tenant.max_rate < 50.1);
    assert_int_equal(s->sync.leave_grace_usec, 0);
    assert_int_equal(s->sync.delete_after_usec / 1000000, 90 * 86400);
    assert_int_equal(s->sync.on_rename, ON_RENAME_HOLD);
    assert_int_equal(s->sync.on_drift, DRIFT_REPAIR);
    const struct budget *b = &s->sync.budgets[BUDGET_DISABLE];
    assert_true(b->percent > 2.49 && b->percent < 2.51);
    assert_int_equal(b->floor, 3);
    assert_int_equal(b->count, 40);
    assert_false(b->unlimited);
    assert_true(s->sync.budgets[BUDGET_CREATE].unlimited);
    assert_int_equal(s->sync.budgets[BUDGET_DELETE].floor, 0);
    assert_int_equal(s->sync.n_privileged_roles, 2);
    assert_string_equal(s->sync.privileged_roles[1], "B, C");
    assert_string_equal(s->sync.notify_command[1], "a b");
    assert_null(s->sync.notify_command[3]);
    assert_int_equal(s->log_level, 7);
    assert_string_equal(s->state_file, "/var/lib/rosterd/state.db");
    assert_string_equal(s->mapping.fields[USER_LOGIN].text, "${uid}");
    assert_int_equal(s->mapping.n_rules, 1);
    assert_int_equal(s->mapping.rules[0].line, 9);
    assert_string_equal(s->mapping.rules[0].team.text, "T");
    assert_int_equal(s->mapping.rules[0].team.line, 10);
}

static void test_bind_is_found(void **state)
{
    static const struct {
        const char *fragment;
        enum directory_bind bind;
    } rows[] = {
        {"bind_dn = cn=a\nbind_password_file = x\n", DIRECTORY_BIND_SIMPLE},
        {"keytab = x\n", DIRECTORY_BIND_GSSAPI},
        {"principal = a@B\n", DIRECTORY_BIND_GSSAPI},
        {"tls_certificate_file = a\ntls_key_file = b\n", DIRECTORY_BIND_EXTERNAL},
        {"", DIRECTORY_BIND_ANONYMOUS},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(settings_freep) struct settings *s = NULL;
        CLEANUP(problem_list_done) struct problem_list problems = {0};
        CLEANUP(buffer_done) struct buffer b = {0};
        buffer_format(&b,
                      "[tenant]\nurl = https://t\nclient_id = i\nclient_secret_file = s\n"
                      "[rule \"A\"]\nteam = T\n[directory]\nuri = ldaps://a\nbase = dc=a\n%s",
                      rows[i].fragment);
        int r = load_text(&s, b.data, b.size, &problems);
        CLEANUP(freep) char *said = problem_list_to_text(&problems);
        if (r != 0)
            fail_msg("%s: %s", rows[i].fragment, said);
        assert_int_equal(s->directory.bind, rows[i].bind);
    }
}

/* After a reload, what takes a restart is as it was: in its slot, as text, and at its place. */
static void test_beside_what_is_in_force(void **state)
{
    static const char before_text[] =
        "[tenant]\nurl = https://old.example.com\nclient_id = c\nclient_secret_file = s\n"
        "[rule \"A\"]\nteam = T\n[directory]\nuri = ldaps://a\nbase = dc=a\nbind = anonymous\n"
        "filter =\n[state]\nfile = /old/state.db\n[log]\nlevel = err\n";
    static const char after_text[] =
        "[tenant]\nurl = https://new.example.com\nclient_id = c\nclient_secret_file = s\n"
        "max_rate = 7\n[rule \"B\"]\nteam = U\n[directory]\nuri = ldaps://b, ldaps://c\n"
        "base = dc=a\nbind = anonymous\npage_size = 9\n[audit]\nfile = /new/audit.jsonl\n";
    const struct settings_text before = {"rosterd.conf", before_text, sizeof(before_text) - 1};
    const struct settings_text after = {"rosterd.conf", after_text, sizeof(after_text) - 1};
    CLEANUP(settings_freep)
    struct settings *old = NULL, *first = NULL, *second = NULL, *restarted = NULL;
    CLEANUP(problem_list_done) struct problem_list problems = {0};
    CLEANUP(freep) char *said = NULL, *again = NULL, *none = NULL;
    struct error e = {""};

    (void)state;
    assert_int_equal(settings_load_texts(&old, &before, 1, &problems, &e), 0);
    assert_int_equal(settings_load_beside(&first, old, &after, 1, &said, &problems, &e), 0);
    assert_string_equal(first->tenant.url, "https://old.example.com");
    assert_string_equal(first->state_file, "/old/state.db");
    assert_string_equal(first->audit_file, "/var/log/rosterd/audit.jsonl");
    assert_int_equal(first->directory.n_uris, 1);
    assert_int_equal(first->directory.page_size, 500);
    assert_string_equal(first->mapping.rules[0].team.text, "U");
    assert_true(first->tenant.max_rate > 6.9);
    assert_int_equal(first->log_level, 6);
    static const char *const names[] = {"[tenant] url", "[state] file", "[audit] file",
                                        "[directory] page_size", "[directory] uri"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        assert_non_null(strstr(said, names[i]));
    assert_null(strstr(said, "max_rate"));
    assert_string_not_equal(first->fingerprint, old->fingerprint);
    /* The same file again says so again, and changes nothing. */
    assert_int_equal(settings_load_beside(&second, first, &after, 1, &again, &problems, &e), 0);
    assert_string_equal(again, said);
    assert_string_equal(second->fingerprint, first->fingerprint);
    /* Taken back, nothing waits for a restart. */
    assert_int_equal(settings_load_beside(&restarted, second, &before, 1, &none, &problems, &e),
                     0);
    assert_null(none);
    assert_string_equal(restarted->fingerprint, old->fingerprint);
}

static void test_drop_ins(void **state)
{
    char folder[] = "/tmp/test-config-XXXXXX", path[128], drop_in[128], other[128];
    CLEANUP(settings_freep) struct settings *s = NULL, *instance = NULL;
    CLEANUP(problem_list_done) struct problem_list problems = {0}, more = {0};
    struct error e = {""};

    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/rosterd.conf", folder);
    assert_int_equal(settings_load(&s, path, &problems, &e), -ENOENT);
    assert_non_null(strstr(e.message, path));
    write_path(path, minimal);
    (void)snprintf(drop_in, sizeof(drop_in), "%s/conf.d", folder);
    assert_int_equal(mkdir(drop_in, 0700), 0);
    (void)snprintf(drop_in, sizeof(drop_in), "%s/conf.d/10-a.conf", folder);
    write_path(drop_in, "[log]\nlevel = err\n[rule \"A\"]\nteam = U\n[rule \"B\"]\nteam = V\n");
    (void)snprintf(other, sizeof(other), "%s/conf.d/20-b.conf", folder);
    write_path(other, "[log]\nlevel =\n[directory]\npage_size = 7\n[rule \"A\"]\nroles = R\n");
    assert_int_equal(settings_load(&s, path, &problems, &e), 0);
    assert_int_equal(s->log_level, 6); /* the empty value takes it back to the default */
    assert_int_equal(s->directory.page_size, 7);
    assert_int_equal(s->mapping.n_rules, 2);
    assert_string_equal(s->mapping.rules[0].team.text, "U");
    assert_string_equal(s->mapping.rules[0].team.file, drop_in);
    assert_string_equal(s->mapping.rules[0].roles.text, "R");
    CLEANUP(freep) char *json = settings_to_json(s);
    assert_non_null(strstr(json, "20-b.conf"));

    (void)snprintf(path, sizeof(path), "%s/emea.conf", folder);
    write_path(path, minimal);
    assert_int_equal(settings_load(&instance, path, &more, &e), 0);
    assert_string_equal(instance->state_file, "/var/lib/rosterd/emea/state.db");
    assert_string_equal(instance->control_socket, "/run/rosterd/emea/control.sock");
    assert_int_equal(instance->mapping.n_rules, 1);

    CLEANUP(freep) char *difference = NULL;
    assert_int_equal(settings_compare(s, instance, &difference), 0);
    assert_non_null(strstr(difference, "[directory] page_size"));
    /* Defaults that follow the file's name: a copy under another one is no change. */
    assert_null(strstr(difference, "[state] file"));
    assert_null(strstr(difference, "log"));
    CLEANUP(freep) char *none = NULL;
    assert_int_equal(settings_compare(s, s, &none), 0);
    assert_null(none);

    assert_int_equal(unlink(drop_in) + unlink(other) + unlink(path), 0);
    (void)snprintf(path, sizeof(path), "%s/rosterd.conf", folder);
    assert_int_equal(unlink(path), 0);
    (void)snprintf(path, sizeof(path), "%s/conf.d", folder);
    assert_int_equal(rmdir(path) + rmdir(folder), 0);
}

static void test_secret_mode(void **state)
{
    char path[] = "/tmp/test-config-secret-XXXXXX", fragment[200];
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "x\n", 2), 2);
    assert_int_equal(fchmod(fd, 0644), 0);
    (void)snprintf(fragment, sizeof(fragment), "[directory]\ntls_key_file = %s\n", path);
    expect_error(fragment, strlen(fragment), "has mode 0644");
    (void)close(fd);
    assert_int_equal(unlink(path), 0);
}

static void test_sample(void **state)
{
    CLEANUP(settings_freep) struct settings *s = NULL;
    CLEANUP(problem_list_done) struct problem_list problems = {0};
    char path[600];
    const char *srcdir = getenv("srcdir");

    (void)state;
    CLEANUP(freep) char *sample = config_sample();
    (void)snprintf(path, sizeof(path), "%s/etc/rosterd.conf", srcdir ? srcdir : ".");
    expect_text(path, sample);
    assert_int_equal(load_text(&s, sample, strlen(sample), &problems), 0);
    for (size_t i = 0; i < config_n_keys; i++) {
        char line[80];
        (void)snprintf(line, sizeof(line), "%s = ", config_keys[i].name);
        assert_non_null(strstr(sample, line));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_every_key),
        cmocka_unit_test(test_every_key_twice),
        cmocka_unit_test(test_repeated),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_bind_is_found),
        cmocka_unit_test(test_beside_what_is_in_force),
        cmocka_unit_test(test_drop_ins),
        cmocka_unit_test(test_secret_mode),
        cmocka_unit_test(test_sample),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
