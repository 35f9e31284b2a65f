/* The state file itself: transactions, what may happen to a file (T53), kills in mid-commit
 * (T22). */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "state-fixture.h"
#include "state/db.h"
#include "state/mirror.h"
#include "state/person.h"

static void test_transactions(void **state)
{
    struct fixture *f = *state;
    char *value = NULL;

    assert_int_equal(state_meta_get(f->s, "a", &value, &f->e), STATE_NONE);
    begin(f);
    assert_true(state_in_transaction(f->s));
    ok(f, state_meta_set(f->s, "a", "12", &f->e));
    ok(f, state_meta_set(f->s, "b", "x", &f->e));
    commit(f);
    assert_false(state_in_transaction(f->s));
    begin(f);
    ok(f, state_meta_set(f->s, "a", "13", &f->e));
    state_rollback(f->s);
    assert_int_equal(state_meta_number(f->s, "a", 7), 12);
    assert_int_equal(state_meta_number(f->s, "b", 7), 7);
    assert_int_equal(state_meta_number(f->s, "c", 7), 7);
    begin(f);
    ok(f, state_meta_set(f->s, "b", NULL, &f->e));
    commit(f);
    reopen(f);
    assert_int_equal(state_meta_get(f->s, "b", &value, &f->e), STATE_NONE);
    ok(f, state_meta_get(f->s, "a", &value, &f->e));
    assert_string_equal(value, "12");
    free(value);
}

static void test_mode_and_lock(void **state)
{
    struct fixture *f = *state;
    struct state *second = NULL;
    struct stat st;
    char pid[24];
    bool created;

    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(state_open(&second, f->path, &created, &f->e), STATE_LOCKED);
    assert_null(second);
    snprintf(pid, sizeof(pid), "%ld", (long)getpid());
    assert_non_null(strstr(f->e.message, pid));
    f->s = state_close(f->s);
    ok(f, state_open(&f->s, f->path, &created, &f->e));
    assert_false(created);
}

/* What a power loss left of a file that was being made is thrown away. */
static void test_half_made(void **state)
{
    struct fixture *f = *state;
    char beside[128], zeros[4096] = "";
    bool created = false;
    struct stat st;
    FILE *out;

    f->s = state_close(f->s);
    assert_int_equal(unlink(f->path), 0);
    snprintf(beside, sizeof(beside), "%s.new", f->path);
    out = fopen(beside, "we");
    assert_non_null(out);
    assert_int_equal(fwrite(zeros, 1, sizeof(zeros), out), sizeof(zeros));
    assert_int_equal(fclose(out), 0);
    ok(f, state_open(&f->s, f->path, &created, &f->e));
    assert_true(created);
    assert_int_equal(stat(beside, &st), -1);
}

/* Other users must not be able to change it, or to choose which file it is. */
static void test_open_to_others(void **state)
{
    struct fixture *f = *state;
    char link_path[128];
    bool created = false;

    f->s = state_close(f->s);
    assert_int_equal(chmod(f->path, 0666), 0);
    assert_int_equal(state_open(&f->s, f->path, &created, &f->e), -EPERM);
    assert_non_null(strstr(f->e.message, "anybody"));
    assert_int_equal(chmod(f->path, 0600), 0);
    snprintf(link_path, sizeof(link_path), "%s-link", f->path);
    assert_int_equal(symlink(f->path, link_path), 0);
    assert_int_equal(state_open(&f->s, link_path, &created, &f->e), -ELOOP);
    assert_int_equal(unlink(link_path), 0);
    ok(f, state_open(&f->s, f->path, &created, &f->e));
    assert_false(created);
}

/* The lock follows the file; what is put in its place is noticed, and left alone. */
static void test_in_place(void **state)
{
    struct fixture *f = *state;
    char other[128];
    bool created = false;
    struct state *second = NULL;
    struct stat before, after;

    snprintf(other, sizeof(other), "%s-other", f->path);
    assert_int_equal(link(f->path, other), 0);
    assert_int_equal(state_open(&second, other, &created, &f->e), STATE_LOCKED);
    assert_int_equal(unlink(other), 0);
    assert_true(state_is_in_place(f->s));
    ok(f, state_open(&second, other, &created, &f->e));
    second = state_close(second);
    assert_int_equal(rename(other, f->path), 0);
    assert_false(state_is_in_place(f->s));
    assert_int_equal(stat(f->path, &before), 0);
    f->s = state_close(f->s);
    assert_int_equal(stat(f->path, &after), 0);
    assert_memory_equal(&before.st_mtim, &after.st_mtim, sizeof(before.st_mtim));
    assert_int_equal(before.st_ino, after.st_ino);
}

static void overwrite(const char *path, off_t at, const void *bytes, size_t size)
{
    int fd = open(path, O_WRONLY);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, size, at), (ssize_t)size);
    close(fd);
}

static char *slurp(const char *path, size_t *ret_size)
{
    FILE *in = fopen(path, "re");
    char *data = malloc(4 * 1024 * 1024);

    assert_non_null(in);
    assert_non_null(data);
    *ret_size = fread(data, 1, 4 * 1024 * 1024, in);
    fclose(in);
    return data;
}

/* The file must be refused with this word in the sentence, and be as it was, byte by byte. */
static void refused(struct fixture *f, const char *word)
{
    struct state *copy = NULL;
    size_t before_size, after_size;
    char *before = slurp(f->path, &before_size), *after;
    bool created = true;

    assert_int_equal(state_open(&f->s, f->path, &created, &f->e), STATE_DAMAGED);
    assert_null(f->s);
    if (!strstr(f->e.message, word))
        fail_msg("'%s' is not in: %s", word, f->e.message);
    assert_int_equal(state_open_copy(&copy, f->path, &f->e), STATE_DAMAGED);
    after = slurp(f->path, &after_size);
    assert_int_equal(before_size, after_size);
    assert_memory_equal(before, after, before_size);
    free(before);
    free(after);
}

static void fill(struct fixture *f, int n)
{
    begin(f);
    for (int i = 0; i < n; i++) {
        char id[32];

        snprintf(id, sizeof(id), "%08d", i);
        ok(f, person_store(f->s,
                           &(struct person){.entry_id = id,
                                            .dn = id,
                                            .sentence = (char *)"a sentence of some length",
                                            .dirty = true},
                           &f->e));
    }
    commit(f);
}

static void test_missing(void **state)
{
    struct fixture *f = *state;
    char wal[128];
    bool created = false;
    int fd;

    f->s = state_close(f->s);
    assert_int_equal(unlink(f->path), 0);
    ok(f, state_open(&f->s, f->path, &created, &f->e));
    assert_true(created);
    f->s = state_close(f->s);
    /* Gone, but its log is there: somebody took it away. */
    assert_int_equal(unlink(f->path), 0);
    snprintf(wal, sizeof(wal), "%s-wal", f->path);
    fd = open(wal, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, "log", 3), 3);
    close(fd);
    assert_int_equal(state_open(&f->s, f->path, &created, &f->e), STATE_DAMAGED);
    assert_int_equal(access(f->path, F_OK), -1);
}

static void test_truncated(void **state)
{
    struct fixture *f = *state;
    struct stat st;

    fill(f, 2000);
    f->s = state_close(f->s);
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(truncate(f->path, st.st_size / 2), 0);
    refused(f, "damaged");
}

static void test_scribbled(void **state)
{
    struct fixture *f = *state;
    char noise[4096];

    fill(f, 2000);
    f->s = state_close(f->s);
    memset(noise, 0xa5, sizeof(noise));
    for (off_t page = 20; page < 60; page += 3)
        overwrite(f->path, page * 4096, noise, sizeof(noise));
    refused(f, "damaged");
    overwrite(f->path, 0, "this is some text file", 22);
    refused(f, "not a state file");
}

/* Pages of indexes in each other's place: each is sound in itself, and who is on them would be
 * found no more. */
static void test_index_pages_swapped(void **state)
{
    struct fixture *f = *state;
    size_t size, at[9], n = 0;

    fill(f, 2000);
    f->s = state_close(f->s);
    char *data = slurp(f->path, &size);
    for (size_t i = 4096; i < size && n < ARRAY_SIZE(at); i += 4096)
        if (data[i] == 0x0a && (unsigned char)data[i + 4] > 20) /* a leaf of an index of many */
            at[n++] = i;
    assert_int_equal(n, ARRAY_SIZE(at));
    for (size_t i = 0; i + 1 < n; i++) {
        if (memcmp(data + at[i], data + at[i + 1], 4096) == 0)
            continue; /* two indexes of the same values */
        overwrite(f->path, (off_t)at[i], data + at[i + 1], 4096);
        overwrite(f->path, (off_t)at[i + 1], data + at[i], 4096);
        refused(f, "damaged");
        overwrite(f->path, (off_t)at[i], data + at[i], 4096);
        overwrite(f->path, (off_t)at[i + 1], data + at[i + 1], 4096);
    }
    free(data);
    ok(f, state_open(&f->s, f->path, NULL, &f->e));
}

/* A file that was closed in good order and not touched since is not read from end to end; after
 * a crash, a change, a copy put in its place, or with its note gone, it is. */
static void test_check_after_unclean_end(void **state)
{
    struct fixture *f = *state;
    char lock[128], other[128], byte;
    struct stat st;

    assert_true(f->s->file.checked);
    fill(f, 100);
    reopen(f);
    assert_false(f->s->file.checked);
    reopen(f);
    assert_false(f->s->file.checked);

    f->s = state_close(f->s);
    pid_t pid = fork();
    if (pid == 0) {
        ok(f, state_open(&f->s, f->path, NULL, &f->e));
        fill(f, 200);
        _exit(f->s->file.checked ? 1 : 0);
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    ok(f, state_open(&f->s, f->path, NULL, &f->e));
    assert_true(f->s->file.checked);
    reopen(f);
    assert_false(f->s->file.checked);

    f->s = state_close(f->s);
    assert_int_equal(stat(f->path, &st), 0);
    int fd = open(f->path, O_RDWR);
    assert_int_equal(pread(fd, &byte, 1, 5000), 1);
    assert_int_equal(pwrite(fd, &byte, 1, 5000), 1); /* the same byte again */
    close(fd);
    ok(f, state_open(&f->s, f->path, NULL, &f->e));
    assert_true(f->s->file.checked);

    f->s = state_close(f->s);
    snprintf(other, sizeof(other), "%s.copy", f->path);
    size_t size;
    CLEANUP(freep) char *bytes = slurp(f->path, &size);
    fd = open(other, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, bytes, size), (ssize_t)size);
    close(fd);
    assert_int_equal(rename(other, f->path), 0);
    ok(f, state_open(&f->s, f->path, NULL, &f->e));
    assert_true(f->s->file.checked);

    f->s = state_close(f->s);
    snprintf(lock, sizeof(lock), "%s.lock", f->path);
    assert_int_equal(unlink(lock), 0);
    ok(f, state_open(&f->s, f->path, NULL, &f->e));
    assert_true(f->s->file.checked);
}

static void test_foreign_and_newer(void **state)
{
    struct fixture *f = *state;

    fill(f, 10);
    f->s = state_close(f->s);
    /* The header of the file format: user_version at 60, application_id at 68. */
    overwrite(f->path, 60, "\0\0\0\x63", 4);
    refused(f, "newer rosterd");
    overwrite(f->path, 60, "\0\0\0\x01", 4);
    overwrite(f->path, 68, "ABCD", 4);
    refused(f, "another program");
}

/* Runs fn in a child, as nobody when we are root, and gives its exit status. */
static int in_child(struct fixture *f, void (*fn)(struct fixture *f))
{
    int status = -1;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        fn(f);
        _exit(99);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void open_as_nobody(struct fixture *f)
{
    struct state *s = NULL;
    bool created;
    int r;

    if (getuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
        _exit(98);
    r = state_open(&s, f->path, &created, &f->e);
    if (r != -EACCES && r != -EROFS)
        _exit(1);
    if (!strstr(f->e.message, "owner") && !strstr(f->e.message, "may be written"))
        _exit(2);
    _exit(0);
}

static void copy_as_nobody(struct fixture *f)
{
    struct state *s = NULL;

    if (getuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
        _exit(98);
    if (state_open_copy(&s, f->path, &f->e) != 0)
        _exit(1);
    if (state_meta_number(s, "n", 0) != 5)
        _exit(2);
    state_close(s);
    _exit(0);
}

static void test_read_only_folder(void **state)
{
    struct fixture *f = *state;

    begin(f);
    ok(f, state_meta_set(f->s, "n", "5", &f->e));
    commit(f);
    f->s = state_close(f->s);
    assert_int_equal(chmod(f->path, 0444), 0);
    assert_int_equal(chmod(f->folder, 0555), 0);
    assert_int_equal(in_child(f, open_as_nobody), 0);
    /* A private copy needs no right to write. */
    assert_int_equal(in_child(f, copy_as_nobody), 0);
    assert_int_equal(chmod(f->folder, 0755), 0);
}

static void write_against_limit(struct fixture *f)
{
    struct rlimit limit = {.rlim_cur = 512 * 1024, .rlim_max = 512 * 1024};
    struct state *s = NULL;
    bool created, failed = false;
    int n = 0;

    signal(SIGXFSZ, SIG_IGN);
    if (state_open(&s, f->path, &created, &f->e) != 0 || setrlimit(RLIMIT_FSIZE, &limit) < 0)
        _exit(1);
    while (!failed && n < 100000) {
        char id[32];

        if (state_begin(s, &f->e) < 0)
            _exit(2);
        for (int i = 0; i < 50 && !failed; i++) {
            snprintf(id, sizeof(id), "x%08d", n * 50 + i);
            failed = person_mark_dirty(s, id, &f->e) < 0;
        }
        if (failed) { /* and what comes after it in the transaction does not slip through */
            if (person_mark_dirty(s, "late", NULL) >= 0 || state_commit(s, NULL) >= 0)
                _exit(3);
        } else if (state_commit(s, &f->e) < 0)
            failed = true;
        else
            n++;
    }
    if (!failed || state_in_transaction(s) || !strstr(f->e.message, "room")) {
        print_error("%s\n", f->e.message);
        _exit(4);
    }
    /* Reading goes on, and what was confirmed is there. */
    if (person_count_dirty(s) != (size_t)n * 50)
        _exit(5);
    _exit(0);
}

static void test_file_cannot_grow(void **state)
{
    struct fixture *f = *state;

    f->s = state_close(f->s);
    assert_int_equal(in_child(f, write_against_limit), 0);
    reopen(f);
    assert_true(person_count_dirty(f->s) > 0);
    assert_int_equal(person_count_dirty(f->s) % 50, 0);
}

static void write_until_full(struct fixture *f)
{
    struct state *s = NULL;
    bool created;
    int r = 0, n = 0;

    /* In a mount namespace of its own, so that nothing is left behind. */
    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", f->folder, "tmpfs", 0, "size=1m") < 0)
        _exit(77);
    if (state_open(&s, f->path, &created, &f->e) != 0)
        _exit(1);
    while (r == 0 && n < 100000) {
        char id[32];

        if (state_begin(s, &f->e) < 0)
            _exit(2);
        for (int i = 0; i < 50 && r == 0; i++) {
            snprintf(id, sizeof(id), "x%08d", n * 50 + i);
            r = person_mark_dirty(s, id, &f->e);
        }
        if (r == 0)
            r = state_commit(s, &f->e);
        else
            state_rollback(s);
        n += r == 0;
    }
    if (r != -ENOSPC || !strstr(f->e.message, "room"))
        _exit(3);
    _exit(person_count_dirty(s) == (size_t)n * 50 ? 0 : 4);
}

static void test_disk_full(void **state)
{
    struct fixture *f = *state;
    int status;

    f->s = state_close(f->s);
    status = in_child(f, write_until_full);
    if (status == 77)
        skip(); /* only root may mount */
    assert_int_equal(status, 0);
}

/* Commits as fast as it can and tells through the pipe what was acknowledged. */
static void commit_for_ever(const char *path, int out)
{
    struct state *s = NULL;
    struct error e;
    bool created;
    long n;

    if (state_open(&s, path, &created, &e) != 0)
        _exit(1);
    n = (long)state_meta_number(s, "n", 0);
    for (;;) {
        char text[24], id[32];

        n++;
        snprintf(text, sizeof(text), "%ld", n);
        if (state_begin(s, &e) < 0 || state_meta_set(s, "n", text, &e) < 0)
            _exit(2);
        for (int i = 0; i < 5; i++) {
            snprintf(id, sizeof(id), "%ld-%d", n, i);
            if (person_mark_dirty(s, id, &e) < 0)
                _exit(3);
        }
        if (state_commit(s, &e) < 0)
            _exit(4);
        state_checkpoint_soon(s);
        if (write(out, &n, sizeof(n)) != sizeof(n))
            _exit(5);
    }
}

/* T22: kill -9 during commits; nothing that was acknowledged is lost, nothing is half there. */
static void test_killed(void **state)
{
    struct fixture *f = *state;
    long last = 0;

    f->s = state_close(f->s);
    for (int round = 0; round < 12; round++) {
        long want = last + 30 + round * 17, n;
        int pipes[2], status;
        pid_t pid;

        assert_int_equal(pipe(pipes), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            close(pipes[0]);
            commit_for_ever(f->path, pipes[1]);
        }
        close(pipes[1]);
        while (last < want) {
            struct pollfd p = {.fd = pipes[0], .events = POLLIN};

            assert_int_equal(poll(&p, 1, 20000), 1);
            assert_int_equal(read(pipes[0], &n, sizeof(n)), (ssize_t)sizeof(n));
            last = n;
        }
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        assert_true(WIFSIGNALED(status));
        while (read(pipes[0], &n, sizeof(n)) == (ssize_t)sizeof(n))
            last = n;
        close(pipes[0]);
        reopen(f);
        n = (long)state_meta_number(f->s, "n", 0);
        assert_true(n >= last && n <= last + 1);
        assert_int_equal(person_count_dirty(f->s), (size_t)n * 5);
        last = n;
        f->s = state_close(f->s);
    }
}

static void test_copy(void **state)
{
    struct fixture *f = *state;
    struct state *copy = NULL;
    struct error e;
    char none[128];

    fill(f, 300);
    begin(f);
    ok(f, state_meta_set(f->s, "n", "1", &f->e));
    commit(f);
    ok(f, state_open_copy(&copy, f->path, &f->e)); /* beside the open one */
    assert_int_equal(person_count_dirty(copy), 300);
    assert_int_equal(state_begin(copy, &e), 0);
    assert_int_equal(state_meta_set(copy, "n", "2", &e), 0);
    assert_int_equal(state_commit(copy, &e), 0);
    state_checkpoint_soon(copy);
    assert_int_equal(state_meta_number(copy, "n", 0), 2);
    assert_int_equal(state_meta_number(f->s, "n", 0), 1);
    copy = state_close(copy);
    /* Nothing there yet: an empty one, and no file comes of it. */
    snprintf(none, sizeof(none), "%s/none.db", f->folder);
    ok(f, state_open_copy(&copy, none, &f->e));
    assert_int_equal(person_count_dirty(copy), 0);
    state_close(copy);
    assert_int_equal(access(none, F_OK), -1);
}

/* The log is moved into the file by the thread, and does not grow for ever. */
static void test_checkpoints(void **state)
{
    struct fixture *f = *state;
    char wal[128];
    struct stat st;

    snprintf(wal, sizeof(wal), "%s-wal", f->path);
    for (int i = 0; i < 60; i++) {
        begin(f);
        for (int k = 0; k < 500; k++) {
            char id[32];

            snprintf(id, sizeof(id), "%d-%d", k * 7919 % 100003, i);
            ok(f, person_mark_dirty(f->s, id, &f->e));
        }
        commit(f);
        state_checkpoint_soon(f->s);
    }
    /* The condition: the state file itself grows, which nothing but a checkpoint does. */
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(stat(f->path, &st), 0);
        if (st.st_size > 1024 * 1024)
            break;
        poll(NULL, 0, 10);
    }
    assert_true(st.st_size > 1024 * 1024);
    assert_int_equal(stat(wal, &st), 0);
    reopen(f);
    assert_int_equal(person_count_dirty(f->s), 30000);
    f->s = state_close(f->s);
    assert_int_equal(stat(wal, &st), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(test_transactions),
        test(test_mode_and_lock),
        test(test_half_made),
        test(test_open_to_others),
        test(test_in_place),
        test(test_missing),
        test(test_truncated),
        test(test_scribbled),
        test(test_index_pages_swapped),
        test(test_check_after_unclean_end),
        test(test_foreign_and_newer),
        test(test_read_only_folder),
        test(test_file_cannot_grow),
        test(test_disk_full),
        test(test_killed),
        test(test_copy),
        test(test_checkpoints),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
