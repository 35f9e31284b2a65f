/*
 * A state file after a sudden end: it is open at once, and its pages are read beside the work.
 * A damaged one is found then, is as it was, and is refused the next time before anything else.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "state-fixture.h"
#include "state/db.h"
#include "state/migrate.h"
#include "state/person.h"

static void fill(struct fixture *f, int from, int to)
{
    begin(f);
    for (int i = from; i < to; i++) {
        char id[32];

        snprintf(id, sizeof(id), "%08d", i);
        ok(f, person_store(f->s, &(struct person){.entry_id = id, .dn = id, .dirty = true},
                           &f->e));
    }
    commit(f);
}

/* Opens it in another process, which writes and does not close it. */
static void end_suddenly(struct fixture *f, int from)
{
    int status = -1;

    f->s = state_close(f->s);
    pid_t pid = fork();
    if (pid == 0) {
        ok(f, state_open(&f->s, f->path, NULL, &f->e));
        fill(f, from, from + 10);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static int prove(struct fixture *f)
{
    struct state *reader = NULL;

    ok(f, state_open_to_prove(&reader, f->s, &f->e));
    int r = state_prove(reader, &f->e);
    state_end_reading(reader, f->s);
    return r;
}

static void open_unproven(struct fixture *f)
{
    bool created = true;

    ok(f, state_open_at_once(&f->s, f->path, &created, &f->e));
    assert_false(created || f->s->file.checked || state_is_proven(f->s));
}

static off_t size_of(const struct fixture *f, const char *suffix)
{
    char path[128];
    struct stat st;

    snprintf(path, sizeof(path), "%s%s", f->path, suffix);
    return stat(path, &st) == 0 ? st.st_size : 0;
}

static void test_sound(void **state)
{
    struct fixture *f = *state;

    fill(f, 0, 100);
    end_suddenly(f, 100);
    open_unproven(f);
    fill(f, 200, 300); /* work goes on */
    /* Ended before it was through: what was written stays in the log, and the next one asks
     * again. */
    off_t before = size_of(f, "");
    f->s = state_close(f->s);
    assert_int_equal(size_of(f, ""), before);
    assert_true(size_of(f, "-wal") > 0);
    open_unproven(f);
    fill(f, 300, 400);
    assert_int_equal(prove(f), 0);
    state_proven(f->s, true);
    assert_true(state_is_proven(f->s));
    f->s = state_close(f->s);
    assert_int_equal(size_of(f, "-wal"), 0);
    ok(f, state_open_at_once(&f->s, f->path, NULL, &f->e));
    assert_true(state_is_proven(f->s) && !f->s->file.checked);
}

/* Who has nothing to do meanwhile has it read first, and so has who cannot tell what happened.
 */
static void test_first(void **state)
{
    struct fixture *f = *state;
    char lock[128];

    end_suddenly(f, 0);
    ok(f, state_open(&f->s, f->path, NULL, &f->e));
    assert_true(f->s->file.checked && state_is_proven(f->s));

    f->s = state_close(f->s);
    assert_int_equal(utimensat(AT_FDCWD, f->path, NULL, 0), 0); /* somebody touched it */
    ok(f, state_open_at_once(&f->s, f->path, NULL, &f->e));
    assert_true(f->s->file.checked && state_is_proven(f->s));

    end_suddenly(f, 10);
    snprintf(lock, sizeof(lock), "%s.lock", f->path);
    assert_int_equal(unlink(lock), 0);
    ok(f, state_open_at_once(&f->s, f->path, NULL, &f->e));
    assert_true(f->s->file.checked && state_is_proven(f->s));
}

/* A form of before is taken over from a file that is known to be sound alone. */
static void test_form_of_before(void **state)
{
    struct fixture *f = *state;
    sqlite3 *db = NULL;

    f->s = state_close(f->s);
    assert_int_equal(unlink(f->path), 0);
    assert_int_equal(
        sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL),
        SQLITE_OK);
    ok(f, migrate_to(db, f->path, 0, 23, &f->e));
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(chmod(f->path, 0600), 0);
    FILE *lock = fopen(strcat(strcpy((char[128]){0}, f->path), ".lock"), "we");
    assert_non_null(lock);
    assert_true(fputs("4711\n", lock) >= 0);
    assert_int_equal(fclose(lock), 0);
    ok(f, state_open_at_once(&f->s, f->path, NULL, &f->e));
    assert_true(f->s->file.checked && state_is_proven(f->s));
}

static char *slurp_beside(const struct fixture *f, const char *suffix, size_t *ret_size)
{
    char path[128];

    snprintf(path, sizeof(path), "%s%s", f->path, suffix);
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    *ret_size = (size_t)size_of(f, suffix);
    char *data = malloc(*ret_size);
    assert_true(fd >= 0 && data);
    assert_int_equal(read(fd, data, *ret_size), (ssize_t)*ret_size);
    close(fd);
    return data;
}

static char *slurp(const struct fixture *f, size_t *ret_size)
{
    return slurp_beside(f, "", ret_size);
}

/* Two leaves of indexes change places: each is sound in itself. */
static void swap_pages(const struct fixture *f)
{
    size_t size, at[2] = {0}, n = 0;
    CLEANUP(freep) char *data = slurp(f, &size);
    int fd = open(f->path, O_WRONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    for (size_t i = 4096; i < size && n < 2; i += 4096)
        if (data[i] == 0x0a && (unsigned char)data[i + 4] > 20 &&
            (n == 0 || memcmp(data + at[0], data + i, 4096) != 0))
            at[n++] = i;
    assert_int_equal(n, 2);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pwrite(fd, data + at[1 - i], 4096, (off_t)at[i]), 4096);
    close(fd);
}

static void test_damaged(void **state)
{
    struct fixture *f = *state;
    size_t size, after_size;

    fill(f, 0, 2000);
    end_suddenly(f, 3000);
    swap_pages(f);
    CLEANUP(freep) char *before = slurp(f, &size);
    open_unproven(f);
    begin(f);
    ok(f, state_meta_set(f->s, "a", "1", &f->e));
    commit(f);
    assert_int_equal(prove(f), STATE_DAMAGED);
    assert_non_null(strstr(f->e.message, "is damaged"));
    assert_non_null(strstr(f->e.message, "Nobody was removed"));
    state_proven(f->s, false);
    assert_false(state_is_proven(f->s));
    f->s = state_close(f->s);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(state_open_at_once(&f->s, f->path, NULL, &f->e), STATE_DAMAGED);
    CLEANUP(freep) char *after = slurp(f, &after_size);
    assert_int_equal(size, after_size);
    assert_memory_equal(before, after, size);
}

static int look(struct fixture *f)
{
    struct error warning = {0};
    size_t sizes[4];
    CLEANUP(freep) char *before = slurp(f, &sizes[0]);
    CLEANUP(freep) char *log_before = slurp_beside(f, "-wal", &sizes[1]);
    int r = state_look(f->path, &warning, &f->e);
    CLEANUP(freep) char *after = slurp(f, &sizes[2]);
    CLEANUP(freep) char *log_after = slurp_beside(f, "-wal", &sizes[3]);

    assert_true(sizes[0] == sizes[2] && sizes[1] == sizes[3]);
    assert_memory_equal(before, after, sizes[0]);
    assert_memory_equal(log_before, log_after, sizes[1]);
    return r;
}

/* A check, before the start: beside a log that was left behind all pages are read, with what
 * stands in the log, and nothing is changed; not where somebody works with it, who has read
 * them. */
static void test_looked_at(void **state)
{
    struct fixture *f = *state;
    int pipe_of[2], status;
    char byte;

    fill(f, 0, 2000);
    end_suddenly(f, 3000);
    assert_true(size_of(f, "-wal") > 0);
    assert_int_equal(look(f), 0);
    swap_pages(f);
    assert_int_equal(look(f), STATE_DAMAGED);
    assert_non_null(strstr(f->e.message, "is damaged"));
    assert_int_equal(pipe(pipe_of), 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(pipe_of[0]);
        ok(f, state_open_at_once(&f->s, f->path, NULL, &f->e));
        assert_int_equal(write(pipe_of[1], "x", 1), 1);
        for (;;)
            pause();
    }
    close(pipe_of[1]);
    assert_int_equal(read(pipe_of[0], &byte, 1), 1);
    assert_int_equal(look(f), 0);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(pipe_of[0]);
    assert_int_equal(look(f), STATE_DAMAGED);
}

/* A value of another type than the program writes there. */
static void test_another_type(void **state)
{
    struct fixture *f = *state;

    fill(f, 0, 10);
    ok(f, state_trust_types(f->s, &f->e));
    assert_int_equal(
        sqlite3_exec(f->s->db, "UPDATE person SET verdict = 'x'", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(prove(f), STATE_DAMAGED);
    assert_non_null(strstr(f->e.message, "CHECK"));
}

static void test_given_up(void **state)
{
    struct fixture *f = *state;
    struct state *reader = NULL;

    end_suddenly(f, 0);
    open_unproven(f);
    ok(f, state_open_to_prove(&reader, f->s, &f->e));
    state_cancel(reader);
    assert_int_equal(state_prove(reader, &f->e), -ECANCELED);
    state_end_reading(reader, f->s);
    assert_false(state_is_proven(f->s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(test_sound),     test(test_first),        test(test_form_of_before),
        test(test_damaged),   test(test_another_type), test(test_given_up),
        test(test_looked_at),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
