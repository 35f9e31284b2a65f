/*
 * Erasing a person's data, killed at every system call that changes something on the disk, or with
 * the disk full from there on: each time every file is the old or the new one, whole, with every
 * line of everybody else; what was begun goes on at the next start, which is killed somewhere as
 * well, and ends once. Somebody else was erased before, and files are closed meanwhile.
 *
 *   test-audit-erase [--every N] [--seed N]
 */
#include "config.h"

#include "engine-bed.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <zlib.h>

#include "audit/audit.h"
#include "base/buffer.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "config/settings.h"
#include "daemon/daemon.h"
#include "dice.h"
#include "dying-writes.h"
#include "unit.h"

/* -- a world in a folder: a state, an audit of three files, one of them compressed -- */

#define PATH_SIZE 400
#define VICTIM    "u3"
#define EARLIER   "u5" /* was erased before */
#define FILES_MAX 200
#define N_PEOPLE  6

static char template_folder[64], work_folder[64], reference_folder[64];

static const char *in(char room[static PATH_SIZE], const char *folder, const char *name)
{
    snprintf(room, PATH_SIZE, "%s/%s", folder, name);
    return room;
}

static void make_folder(char folder[static 64])
{
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, 64, "%.40s/erase-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(folder));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void empty_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    char path[PATH_SIZE];
    assert_non_null(dir);
    for (struct dirent *d; (d = readdir(dir));)
        if (d->d_name[0] != '.')
            (void)remove(in(path, folder, d->d_name));
    (void)closedir(dir);
}

/* Also of what is compressed, as text. */
static void read_file(struct buffer *b, const char *path)
{
    char block[8192];
    gzFile f = gzopen(path, "rb");
    assert_non_null(f);
    for (int n; (n = gzread(f, block, sizeof(block))) > 0;)
        buffer_add(b, block, (size_t)n);
    buffer_add_text(b, "");
    assert_int_equal(gzclose(f), Z_OK);
}

static void copy_raw(const char *from, const char *to)
{
    char block[8192];
    FILE *a = fopen(from, "re"), *b = fopen(to, "we");
    assert_true(a && b);
    for (size_t n; (n = fread(block, 1, sizeof(block), a)) > 0;)
        assert_int_equal(fwrite(block, 1, n, b), n);
    (void)fclose(a);
    assert_int_equal(fclose(b), 0);
}

static void copy_folder(const char *from, const char *to)
{
    DIR *dir = opendir(from);
    char a[PATH_SIZE], b[PATH_SIZE];
    assert_non_null(dir);
    empty_folder(to);
    for (struct dirent *d; (d = readdir(dir));)
        if (d->d_name[0] != '.')
            copy_raw(in(a, from, d->d_name), in(b, to, d->d_name));
    (void)closedir(dir);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names of the audit's files, without what is half written beside them. */
static void list_audit(const char *folder, struct string_list *ret)
{
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *d; (d = readdir(dir));)
        if (strncmp(d->d_name, "audit.jsonl", 11) == 0 && !strstr(d->d_name, ".erasing"))
            assert_int_equal(string_list_add(ret, d->d_name), 0);
    (void)closedir(dir);
    if (ret->n_items)
        qsort(ret->items, ret->n_items, sizeof(*ret->items), by_name);
}

static void compress_file(const char *folder, const char *name)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    char from[PATH_SIZE], to[PATH_SIZE + 4];
    in(from, folder, name);
    snprintf(to, sizeof(to), "%s.gz", from);
    read_file(&b, from);
    gzFile f = gzopen(to, "wb");
    assert_int_equal(gzwrite(f, b.data, (unsigned)b.size), (int)b.size);
    assert_int_equal(gzclose(f), Z_OK);
    assert_int_equal(remove(from), 0);
}

struct world {
    struct bed *bed;
    struct daemon daemon;
    struct settings settings;
    char audit[PATH_SIZE];
    struct error e;
};

static void open_audit(struct world *w, const char *folder)
{
    char key[PATH_SIZE];
    bool older;
    in(w->audit, folder, "audit.jsonl");
    w->settings.audit_file = w->audit;
    w->settings.sync.hold_retry_usec = USEC_PER_SEC;
    w->daemon = (struct daemon){.event = w->bed->event,
                                .settings = &w->settings,
                                .state = w->bed->state,
                                .engine = w->bed->engine};
    if (audit_export_open(&w->daemon.audit, w->bed->state, w->audit, false, &older, &w->e) < 0 ||
        audit_export_sign(w->daemon.audit, in(key, folder, "audit.key"), &w->e) < 0)
        fail_msg("%s", w->e.message);
}

static void need_done(struct world *w, int r)
{
    if (r < 0)
        fail_msg("%s", w->e.message);
}

static void close_world(struct world *w)
{
    audit_export_close(w->daemon.audit);
    w->bed->engine = engine_free(w->bed->engine);
    bed_close_state(w->bed);
}

static void export(struct world *w)
{
    need_done(w, audit_export_run(w->daemon.audit, &w->e));
}

/* Until nothing is under way; other files are begun meanwhile. */
static void erase_to_the_end(struct world *w)
{
    for (int i = 0; (w->daemon.erasure || (!full_at && state_in_transaction(w->bed->state))) &&
                    i < 1000; i++) {
        if (sd_event_run(w->daemon.event, USEC_PER_SEC) < 0)
            _exit(3);
        if (!state_in_transaction(w->bed->state))
            (void)audit_export_rotate(w->daemon.audit, false, &w->e);
    }
}

static void erase(struct world *w, const char *person)
{
    struct audit_actor actor = {.uid = 1000, .name = "anton"};

    erase_start(&w->daemon, NULL, person, &actor, "GDPR-17");
    erase_to_the_end(w);
}

/* Somebody joins, changes and is changed, somebody is erased; files are closed in between. */
static void make_template(void)
{
    struct world w = {.bed = bed_new(false)};
    struct bed *b = w.bed;
    char path[PATH_SIZE];
    for (int i = 0; i < N_PEOPLE; i++)
        bed_person_uid(b, (char[]){'u', (char)('0' + i), 0});
    bed_group(b, "support", "u0", "u1", "u2", VICTIM, "u4", "u5", NULL);
    bed_start(b);
    open_audit(&w, template_folder);
    bed_sync(b);
    export(&w);
    need_done(&w, audit_export_rotate(w.daemon.audit, true, &w.e));
    CLEANUP(string_list_done) struct string_list names = {0};
    list_audit(template_folder, &names);
    assert_int_equal(names.n_items, 2);
    compress_file(template_folder, names.items[1]);
    bed_advance(b, HOUR);
    bed_group(b, "support", "u0", "u1", "u2", NULL);
    bed_group(b, "sales", VICTIM, "u4", "u5", NULL);
    bed_sync(b);
    export(&w);
    need_done(&w, audit_export_rotate(w.daemon.audit, true, &w.e));
    bed_advance(b, HOUR);
    bed_group(b, "support", "u0", "u1", "u2", VICTIM, NULL);
    bed_group(b, "sales", "u4", "u5", NULL);
    bed_sync(b);
    export(&w);
    erase(&w, EARLIER);
    bed_advance(b, HOUR);
    bed_group(b, "support", "u0", "u1", "u2", NULL);
    bed_group(b, "sales", VICTIM, "u4", NULL);
    bed_sync(b);
    export(&w);
    close_world(&w);
    copy_raw(b->path, in(path, template_folder, "state.db"));
    need_done(&w, state_open(&b->state, b->path, NULL, &w.e));
    bed_free(b);
}

/* -- a process of rosterd's that erases -- */

#define ARMED_NEVER 0

/* Files are closed meanwhile, which writes what waits; else only the erasure itself does. */
static bool closes_files = true;

/* Returns how many calls it made; -1: it was killed. full: the call from which on the disk is full;
 * it is not again before the process ends. */
static long in_a_process(const char *folder, bool resume, long dies, long full)
{
    int pipes[2], status;
    long n = -1;
    assert_int_equal(pipe(pipes), 0);
    bed_free(bed_new(true)); /* what beds share is removed by this process, which nobody kills */
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct world w = {.bed = bed_new(true)};
        snprintf(w.bed->path, sizeof(w.bed->path), "%s/state.db", folder);
        w.bed->private_state = false;
        w.bed->now += 3 * HOUR;
        clock_freeze(w.bed->now, w.bed->monotonic);
        bed_restart(w.bed);
        open_audit(&w, folder);
        n_calls = 0;
        dies_at = dies ? dies : -1;
        full_at = full;
        audit_export_limit(w.daemon.audit, &(struct audit_limits){.rotate_bytes = closes_files});
        if (resume)
            erase_resume(&w.daemon);
        else
            erase(&w, VICTIM);
        erase_to_the_end(&w);
        if (audit_export_run(w.daemon.audit, &w.e) < 0 && !full)
            _exit(4);
        n = n_calls;
        dies_at = ARMED_NEVER;
        _exit(write(pipes[1], &n, sizeof(n)) == sizeof(n) ? 0 : 5);
    }
    close(pipes[1]);
    if (read(pipes[0], &n, sizeof(n)) != sizeof(n))
        n = -1;
    close(pipes[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    if (!killed && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
        fail_msg("the process ended otherwise than meant: %d", status);
    return n;
}

/* -- what must hold -- */

static size_t count(const char *text, const char *part)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, part)); at++)
        n++;
    return n;
}

/* All that is in the files, in any order. */
static void read_all(struct buffer *b, const char *folder)
{
    CLEANUP(string_list_done) struct string_list names = {0};
    char path[PATH_SIZE];
    list_audit(folder, &names);
    for (size_t i = 0; i < names.n_items; i++)
        read_file(b, in(path, folder, names.items[i]));
}

static uint64_t verify(const char *folder, const char *when, long n)
{
    CLEANUP(string_list_done) struct string_list names = {0};
    CLEANUP(audit_verify_result_done) struct audit_verify_result v = {0};
    static char paths[FILES_MAX][PATH_SIZE];
    const char *files[FILES_MAX];
    struct error e = {0};
    list_audit(folder, &names);
    assert_true(names.n_items <= FILES_MAX);
    for (size_t i = 0; i < names.n_items; i++)
        files[i] = in(paths[i], folder, names.items[i]);
    if (audit_verify(files, names.n_items, NULL, &v, &e) < 0)
        fail_msg("%s call %ld: %s", when, n, e.message);
    if (v.n_findings)
        fail_msg("%s call %ld: %s:%u: %s", when, n, v.findings->file, v.findings->line, v.findings->sentence);
    return v.n_erased;
}

/* Each file that was there is as it was or as it is when all is done, and nobody else's line is
 * gone. */
static void check_files(const char *when, long n, bool all_done)
{
    CLEANUP(string_list_done) struct string_list names = {0};
    char path[PATH_SIZE];
    list_audit(template_folder, &names);
    for (size_t i = 0; i < names.n_items; i++) {
        CLEANUP(buffer_done) struct buffer before = {0}, after = {0}, now = {0};
        if (strcmp(names.items[i], "audit.jsonl") == 0)
            continue; /* it is closed under another name */
        read_file(&before, in(path, template_folder, names.items[i]));
        read_file(&after, in(path, reference_folder, names.items[i]));
        read_file(&now, in(path, work_folder, names.items[i]));
        assert_string_not_equal(before.data, after.data);
        if (strcmp(now.data, after.data) != 0 && (all_done || strcmp(now.data, before.data) != 0))
            fail_msg("%s call %ld: %s is neither the old nor the new one", when, n, names.items[i]);
    }
}

/* Every line of the template is there, whole, or is one that the reference erased. */
static void check_lines(const char *when, long n)
{
    CLEANUP(buffer_done) struct buffer before = {0}, after = {0}, now = {0};
    read_all(&before, template_folder);
    read_all(&after, reference_folder);
    read_all(&now, work_folder);
    for (char *line = before.data, *end; *line; line = end + 1) {
        end = strchr(line, '\n');
        assert_non_null(end);
        *end = '\0';
        if (strstr(now.data, line))
            continue;
        char *p = strstr(line, ",\"p\":{");
        if (!p || strstr(after.data, line))
            fail_msg("%s call %ld: a line of somebody else is gone: %s", when, n, line);
        strcpy(p, "}\n");
        if (!strstr(now.data, line))
            fail_msg("%s call %ld: more than the data is gone: %s", when, n, line);
    }
}

static bool is_begun(void)
{
    CLEANUP(freep) char *text = NULL;
    struct state *s = NULL;
    struct error e = {0};
    char path[PATH_SIZE];
    bed_ok(NULL, state_open(&s, in(path, work_folder, "state.db"), NULL, &e));
    bool is = state_meta_get(s, "audit-erasing", &text, &e) == 0;
    state_close(s);
    return is;
}

static void check_end(const char *when, long n, uint64_t n_erased)
{
    CLEANUP(buffer_done) struct buffer all = {0};
    char path[PATH_SIZE];
    DIR *dir = opendir(work_folder);
    read_all(&all, work_folder);
    if (count(all.data, "\"ev\":\"erase-begin\"") != 2 || count(all.data, "\"ev\":\"erase-end\"") != 2)
        fail_msg("%s call %ld: it begins %zu times and ends %zu times", when, n,
                 count(all.data, "\"ev\":\"erase-begin\""), count(all.data, "\"ev\":\"erase-end\""));
    if (strstr(all.data, "\"" VICTIM "\"") || strstr(all.data, VICTIM "@example.com"))
        fail_msg("%s call %ld: something is left", when, n);
    assert_int_equal(verify(work_folder, when, n), n_erased);
    for (struct dirent *d; (d = readdir(dir));)
        if (strstr(d->d_name, ".erasing"))
            fail_msg("%s call %ld: %s is left", when, n, in(path, "", d->d_name));
    (void)closedir(dir);
}

static long every = 1;
static uint64_t seed = 1;

static void kill_at(long n, bool full, long n_calls_of_all, uint64_t n_erased)
{
    copy_folder(template_folder, work_folder);
    closes_files = n / every % 2;
    if (in_a_process(work_folder, false, full ? ARMED_NEVER : n, full ? n : 0) >= 0 && !full) {
        check_end("ended before", n, n_erased); /* files are closed as the clock has it */
        return;
    }
    verify(work_folder, "killed at", n);
    check_files("killed at", n, false);
    check_lines("killed at", n);
    bool begun = is_begun();
    if (!begun) {
        CLEANUP(buffer_done) struct buffer all = {0};
        read_all(&all, work_folder);
        if (count(all.data, "\"ev\":\"erase-begin\"") < 2)
            return; /* nothing was promised */
    }
    if (begun && in_a_process(work_folder, true, 1 + below((unsigned)n_calls_of_all), 0) < 0) {
        verify(work_folder, "killed again after", n);
        check_files("killed again after", n, false);
        check_lines("killed again after", n);
    }
    assert_true(in_a_process(work_folder, true, ARMED_NEVER, 0) >= 0);
    check_files("resumed after", n, true);
    check_lines("resumed after", n);
    check_end("resumed after", n, n_erased);
}

static void test_killed_everywhere(void **state)
{
    (void)state;
    make_folder(template_folder);
    make_folder(work_folder);
    make_folder(reference_folder);
    make_template();
    copy_folder(template_folder, reference_folder);
    uint64_t n_before = verify(template_folder, "before", 0);
    long total = in_a_process(reference_folder, false, ARMED_NEVER, 0);
    uint64_t n_erased = verify(reference_folder, "undisturbed, after", total);
    assert_true(total > 50 && n_before >= 2 && n_erased >= n_before + 3);
    dice = seed;
    for (long n = 1; n <= total; n += every) {
        kill_at(n, false, total, n_erased);
        kill_at(n, true, total, n_erased);
    }
    printf("%ld calls, %llu lines erased\n", total, (unsigned long long)n_erased);
    nftw(template_folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    nftw(work_folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    nftw(reference_folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_killed_everywhere)};
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--every") == 0)
            every = strtol(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--seed") == 0)
            seed = strtoull(argv[i + 1], NULL, 10);
    }
    (void)umask(0077); /* a key that others may read is refused */
    log_set_level(getenv("V") ? LOG_INFO : LOG_CRIT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
