/*
 * The state files of beds: copies of one that was made once.
 */
#include "config.h"

#include "engine-bed.h"

#include <fcntl.h>
#include <ftw.h>
#include <unistd.h>

#include "bed-order.h"
#include "state/db.h"
#include "sync/view.h"
#include "trace.h"
#include "unit.h"

void bed_make_folder(char folder[static BED_PATH], char path[static BED_PATH])
{
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, BED_PATH, "%.40s/rosterd-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(folder));
    snprintf(path, BED_PATH, "%.60s/state.db", folder);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void bed_remove_folder(const char *folder)
{
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static char template_folder[BED_PATH];

static void template_remove(void)
{
    bed_remove_folder(template_folder);
}

/* An empty state file of the present form: a copy of it is quickly there. */
static const char *template_path(void)
{
    static char path[BED_PATH];
    if (path[0])
        return path;
    struct error e = {0};
    struct state *s = NULL;
    bed_lock_nothing();
    bed_make_folder(template_folder, path);
    atexit(template_remove);
    bed_ok(NULL, state_open(&s, path, NULL, &e));
    state_close(s);
    return path;
}

void bed_prepare_state(void)
{
    (void)template_path();
}

/* Such files are made by one test after the other, and each would take its time. */
static void copy_template(const char *to)
{
    char data[65536];
    ssize_t n = 1;
    int in = open(template_path(), O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(in >= 0 && out >= 0);
    while (n > 0) {
        n = read(in, data, sizeof data);
        assert_int_equal(write(out, data, (size_t)n), n);
    }
    close(in);
    close(out);
}

/* Nothing here loses its power, and a sync takes the test's time. */
static void open_file(struct bed *b)
{
    struct error e = {0};
    if (access(b->path, F_OK) < 0)
        copy_template(b->path);
    bed_ok(b, state_open(&b->state, b->path, NULL, &e));
    assert_int_equal(sqlite3_exec(b->state->db, "PRAGMA synchronous=OFF", NULL, NULL, NULL),
                     SQLITE_OK);
    b->order = order_new(b->path);
}

void bed_open_state(struct bed *b)
{
    struct error e = {0};
    if (b->private_state)
        bed_ok(b, state_open_copy(&b->state, template_path(), &e));
    else
        open_file(b);
    trace_state(b->state->db);
}

void bed_close_state(struct bed *b)
{
    b->order = order_free(b->order);
    b->state = state_close(b->state);
}


void bed_plan_hash(struct bed *b, char ret[static 65], size_t *ret_n_parked)
{
    struct error e = {0};
    CLEANUP(engine_view_freep) struct engine_view *view = NULL;
    bed_ok(b, engine_view_new(&view, b->engine, &e));
    bed_ok(b, engine_view_plan_hash(view, b->state, ret, ret_n_parked, &e));
}

static void on_retried(struct engine_retry *retry, void *userdata)
{
    (void)retry;
    *(bool *)userdata = true;
}

size_t bed_retry(struct bed *b, const char *cause)
{
    bool over = false;
    struct engine_retry retry = {.cause = cause, .done = on_retried, .userdata = &over};
    engine_retry(b->engine, &retry);
    while (!over)
        assert_true(sd_event_run(b->event, 0) > 0);
    return retry.n_released;
}

int bed_approve_hash(struct bed *b, const char *hash, size_t *ret_n, struct error *e)
{
    CLEANUP(engine_view_freep) struct engine_view *view = NULL;
    CLEANUP(engine_approval_done) struct engine_approval found = {0};
    uint64_t until = 0;
    int r = engine_view_new(&view, b->engine, e);
    if (r == 0)
        r = engine_view_approval(view, b->state, hash, NULL, &found, e);
    *ret_n = found.n;
    return r == 0 ? engine_approve(b->engine, &found, 1000, &until, e) : r;
}
