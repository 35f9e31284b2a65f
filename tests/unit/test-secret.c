/*
 * Secrets: their memory, their files, random passwords. Covers the part of T52 that is ours.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/secret.h"
#include "unit.h"

static char folder[] = "/tmp/test-secret-XXXXXX";

static int setup(void **state)
{
    (void)state;
    unsetenv("CREDENTIALS_DIRECTORY");
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    return chdir("/") == 0 && rmdir(folder) == 0 ? 0 : -1;
}

static void write_file(const char *name, const void *bytes, size_t size, mode_t mode)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(close(fd), 0);
}

static void test_new(void **state)
{
    (void)state;
    CLEANUP(secret_freep) struct secret *s = NULL;
    assert_int_equal(secret_new(&s, "hunter2\0x", 9, NULL), 0);
    assert_int_equal(secret_size(s), 9);
    assert_memory_equal(secret_text(s), "hunter2\0x", 10);
    s = secret_free(s);
    assert_null(s);
    assert_null(secret_free(NULL));
    assert_int_equal(secret_new(&s, NULL, 0, NULL), 0);
    assert_string_equal(secret_text(s), "");
}

/* /proc/self/smaps tells whether the pages of an address are left out of core dumps. */
static void read_flags(const void *address, char *flags, size_t size)
{
    FILE *f = fopen("/proc/self/smaps", "re");
    char line[512];
    bool inside = false;
    unsigned long from, to;

    assert_non_null(f);
    flags[0] = '\0';
    while (fgets(line, sizeof(line), f)) {
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            inside = (unsigned long)address >= from && (unsigned long)address < to;
        else if (inside && strncmp(line, "VmFlags:", 8) == 0)
            snprintf(flags, size, "%s", line);
    }
    assert_int_equal(fclose(f), 0);
}

static void test_kept_out_of_core(void **state)
{
    (void)state;
    CLEANUP(secret_freep) struct secret *s = NULL;
    char flags[512];
    assert_int_equal(secret_new(&s, "hunter2", 7, NULL), 0);
    read_flags(secret_text(s), flags, sizeof(flags));
    if (flags[0] == '\0')
        skip(); /* a kernel without smaps */
    assert_non_null(strstr(flags, " dd"));
#ifndef __SANITIZE_ADDRESS__ /* it turns mlock() into nothing */
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &limit), 0);
    if (limit.rlim_cur >= 65536)
        assert_non_null(strstr(flags, " lo"));
#endif
}

static void test_without_locking(void **state)
{
    (void)state;
    CLEANUP(secret_freep) struct secret *s = NULL;
    struct rlimit before, none = {0};
    assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &before), 0);
    none.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &none), 0);
    int r = secret_new(&s, "hunter2", 7, NULL);
    assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &before), 0);
    assert_int_equal(r, 0);
    assert_string_equal(secret_text(s), "hunter2");
}

static void test_file(void **state)
{
    (void)state;
    static char big[64 * 1024 + 2];
    memset(big, 'k', sizeof(big));
    const struct {
        const char *bytes;
        size_t size;
        mode_t mode;
        int r;
        const char *says;
        size_t n_secret;
    } rows[] = {
        {"hunter2", 7, 0600, 0, NULL, 7},
        {"hunter2\n", 8, 0400, 0, NULL, 7},
        {"hunter2\r\n", 9, 0600, 0, NULL, 7},
        {"hunter2\n\n", 9, 0600, 0, NULL, 7},
        {"hunter2 \t\r\n \n", 13, 0600, 0, NULL, 7},
        {" hunter2 ", 9, 0600, 0, NULL, 8},
        {"hunter2", 7, 0640, 0, NULL, 7}, /* of our own group */
        {"hunter2", 7, 0440, 0, NULL, 7},
        {"hunter2", 7, 0660, -EPERM, "group or others may read or write it (mode 0660)", 0},
        {"hunter2", 7, 0604, -EPERM, "(mode 0604)", 0},
        {"hunter2", 7, 0602, -EPERM, "(mode 0602)", 0},
        {"", 0, 0600, -ENODATA, "empty", 0},
        {"\n", 1, 0600, -ENODATA, "empty", 0},
        {"hun\0ter2", 8, 0600, -EINVAL, "contains a NUL byte", 0},
        {big, 64 * 1024, 0600, 0, NULL, 64 * 1024},
        {big, 64 * 1024 + 1, 0600, -EFBIG, "over 65536 bytes", 0},
        {big, 64 * 1024 + 2, 0600, -EFBIG, "over 65536 bytes", 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(secret_freep) struct secret *s = NULL;
        struct error e = {""};
        write_file("pw", rows[i].bytes, rows[i].size, rows[i].mode);
        assert_int_equal(secret_from_file(&s, "./pw", &e), rows[i].r);
        if (rows[i].r < 0) {
            assert_null(s);
            assert_non_null(strstr(e.message, "./pw"));
            assert_non_null(strstr(e.message, rows[i].says));
            assert_null(strstr(e.message, "ter2"));
            assert_null(strstr(e.message, "kkk"));
        } else {
            assert_int_equal(secret_size(s), rows[i].n_secret);
            assert_memory_equal(secret_text(s), rows[i].bytes, rows[i].n_secret);
            assert_int_equal(secret_text(s)[rows[i].n_secret], 0);
        }
        assert_int_equal(unlink("pw"), 0);
    }
}

static void test_file_is_none(void **state)
{
    (void)state;
    struct secret *s = NULL;
    struct error e = {""};
    assert_int_equal(secret_from_file(&s, "./none", &e), -ENOENT);
    assert_string_equal(e.message,
                        "cannot open the secret in ./none: No such file or directory");
    assert_int_equal(secret_from_file(&s, "/tmp", &e), -EINVAL);
    assert_non_null(strstr(e.message, "not a regular file"));
    /* A FIFO nobody writes to must not stop the daemon. */
    assert_int_equal(mkfifo("fifo", 0600), 0);
    assert_int_equal(secret_from_file(&s, "./fifo", &e), -EINVAL);
    assert_int_equal(unlink("fifo"), 0);
    assert_null(s);
}

static void test_credentials(void **state)
{
    (void)state;
    CLEANUP(secret_freep) struct secret *a = NULL;
    CLEANUP(secret_freep) struct secret *b = NULL;
    CLEANUP(secret_freep) struct secret *c = NULL;
    CLEANUP(secret_freep) struct secret *d = NULL;
    char credentials[64], path[128];
    struct error e = {""};

    snprintf(credentials, sizeof(credentials), "%s/creds", folder);
    snprintf(path, sizeof(path), "%s/pw", credentials);
    assert_int_equal(mkdir(credentials, 0700), 0);
    write_file(path, "credential", 10, 0440);
    write_file("pw", "file", 4, 0600);
    write_file("other", "other", 5, 0600);
    setenv("CREDENTIALS_DIRECTORY", credentials, 1);

    assert_int_equal(secret_from_file(&a, "pw", &e), 0);
    assert_string_equal(secret_text(a), "credential");
    assert_int_equal(secret_from_file(&b, "./pw", &e), 0);
    assert_string_equal(secret_text(b), "file");
    assert_int_equal(secret_from_file(&c, "other", &e), 0);
    assert_string_equal(secret_text(c), "other");
    assert_int_equal(secret_from_file(&d, path, &e), 0); /* spelt out: still a credential */
    unsetenv("CREDENTIALS_DIRECTORY");
    d = secret_free(d);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(secret_from_file(&d, path, &e), -EPERM);

    assert_int_equal(unlink(path) + rmdir(credentials) + unlink("pw") + unlink("other"), 0);
}

static void test_password(void **state)
{
    (void)state;
    bool shuffled = false;
    for (unsigned i = 0; i < 300; i++) {
        CLEANUP(secret_freep) struct secret *s = NULL;
        struct error e = {""};
        assert_int_equal(secret_random_password(&s, 8, "lower,upper, digit,symbol", &e), 0);
        const char *text = secret_text(s);
        assert_int_equal(strlen(text), 8);
        assert_int_equal(secret_size(s), 8);
        assert_non_null(strpbrk(text, "abcdefghijklmnopqrstuvwxyz"));
        assert_non_null(strpbrk(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"));
        assert_non_null(strpbrk(text, "0123456789"));
        assert_non_null(strpbrk(text, "!#%*+-.:=?@_"));
        shuffled = shuffled || text[0] < 'a' || text[0] > 'z';
    }
    assert_true(shuffled);
}

static void test_password_classes(void **state)
{
    (void)state;
    CLEANUP(secret_freep) struct secret *digits = NULL;
    CLEANUP(secret_freep) struct secret *other = NULL;
    assert_int_equal(secret_random_password(&digits, 64, "digit", NULL), 0);
    assert_int_equal(strspn(secret_text(digits), "0123456789"), 64);
    assert_int_equal(secret_random_password(&other, 200, "digit", NULL), 0);
    for (char c = '0'; c <= '9'; c++)
        assert_non_null(strchr(secret_text(other), c));
}

static void test_oddities(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says; /* NULL: nothing is odd */
    } rows[] = {
        {"hunter2", NULL},
        {"\xEF\xBB\xBFhunter2\r\n", NULL},
        {"hunter2  \n\n", NULL},
        {"with blanks inside = fine", NULL},
        {"a:b=c", NULL},
        {"key", NULL},
        {"hunter2\nhunter3\n", "more than one line"},
        {"\"hunter2\"\n", "quotes"},
        {"'hunter2'", "quotes"},
        {"client_secret=hunter2", "a name"},
        {"Password: hunter2", "a name"},
        {" hunter2", "begins with a blank"},
        {"hun\xC2\xA0ter2", "cannot be seen"},
        {"hun\xE2\x80\x8Bter2", "cannot be seen"},
        {" \n", "empty"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        write_file("pw", rows[i].text, strlen(rows[i].text), 0600);
        const char *says = secret_file_oddity("./pw");
        if (!rows[i].says != !says || (says && !strstr(says, rows[i].says)))
            fail_msg("row %zu: %s", i, says ? says : "nothing");
        assert_int_equal(unlink("pw"), 0);
    }
    CLEANUP(secret_freep) struct secret *s = NULL;
    struct error e;
    write_file("pw", "\xEF\xBB\xBFhunter2 \r\n", 13, 0600);
    assert_int_equal(secret_from_file(&s, "./pw", &e), 0);
    assert_string_equal(secret_text(s), "hunter2");
    assert_int_equal(unlink("pw"), 0);
}

static void test_password_refused(void **state)
{
    (void)state;
    static const struct {
        size_t length;
        const char *classes;
    } rows[] = {
        {7, "lower"},   {257, "lower"}, {16, "letters"},     {16, ""},
        {16, "lower,"}, {16, "Lower"},  {16, "lower upper"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct secret *s = NULL;
        struct error e = {""};
        assert_row(rows[i].classes,
                   secret_random_password(&s, rows[i].length, rows[i].classes, &e) == -EINVAL);
        assert_null(s);
        assert_true(strlen(e.message) > 0);
    }
}

static void test_wipe_string(void **state)
{
    (void)state;
    secret_wipe_string(NULL);
    secret_wipe_string(strdup("hunter2"));
}

static void *ask_why(void *path)
{
    static char wrong;
    char why[512], first[512];
    void *ret = NULL;

    (void)secret_why_unreadable(path, first, sizeof(first));
    for (int i = 0; i < 3000 && !ret; i++)
        if (strcmp(secret_why_unreadable(path, why, sizeof(why)), first) != 0)
            ret = &wrong;
    return ret;
}

/* Of the status, while the loop asks as well: names of users are nobody else's. */
static void test_why_from_threads(void **state)
{
    static char theirs[] = "theirs", roots[] = "/etc/passwd", nowhere[] = "/nowhere/at/all";
    char *paths[] = {geteuid() == 0 ? theirs : roots, nowhere};
    pthread_t threads[2];
    void *wrong[2];

    (void)state;
    close(open(theirs, O_CREAT | O_WRONLY, 0600));
    if (geteuid() == 0)
        assert_int_equal(chown(theirs, 1, 1), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_why, paths[i]), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], &wrong[i]), 0);
    assert_int_equal(unlink(theirs), 0);
    assert_null(wrong[0]);
    assert_null(wrong[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new),
        cmocka_unit_test(test_kept_out_of_core),
        cmocka_unit_test(test_without_locking),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_file_is_none),
        cmocka_unit_test(test_credentials),
        cmocka_unit_test(test_password),
        cmocka_unit_test(test_password_classes),
        cmocka_unit_test(test_password_refused),
        cmocka_unit_test(test_oddities),
        cmocka_unit_test(test_wipe_string),
        cmocka_unit_test(test_why_from_threads),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
