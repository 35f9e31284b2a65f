/*
 * Reading an audit file that grows. The kernel says when something happened in its folder, so
 * nothing is asked while nothing happens. Where numbers are left out, the closed files beside it
 * are read for those lines: so none is missing, however often the file was rotated while the
 * reader was busy or not running.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/each.h"
#include "audit/files.h"
#include "audit/line.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"

#define BLOCK        (128 * 1024)
#define LINE_LONGEST (64 << 20)
#define HEAD_SIZE    64 /* number and time of a line are in it */
#define LISTINGS_MAX 100
#define EVENTS       (IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE)

struct follower {
    const char *path;
    char *folder, *base;
    const struct audit_filter *filter;
    audit_line_fn fn;
    void *userdata;
    struct audit_view *view;
    int64_t last;    /* the highest number that was seen */
    bool in_closed;  /* a closed file is being read */
    bool from_begin; /* the open file is to be read from its beginning */
    int64_t gap;     /* the lines before this number are missing, and are not looked for again */
    int notify, fd;  /* -1 */
    off_t at, line_end;
    off_t odd;            /* what is no line before it is looked at no more */
    char head[HEAD_SIZE]; /* how the open file begins: emptied, it begins otherwise */
    size_t head_size;
    struct buffer rest; /* behind the last newline */
    char block[BLOCK];
};

static void follower_freep(struct follower **f)
{
    if (!*f)
        return;
    if ((*f)->notify >= 0)
        close((*f)->notify);
    if ((*f)->fd >= 0)
        close((*f)->fd);
    audit_view_free((*f)->view);
    buffer_done(&(*f)->rest);
    free((*f)->folder);
    free((*f)->base);
    free(*f);
}

static int read_closed(struct follower *f, struct error *e);

/* What is no line may be half of one whose other half was cut off, and the end of another one:
 * the file is read once more, as far as it is odd. */
static int look_at_odd(struct follower *f)
{
    struct stat st;

    if (!f->in_closed && f->line_end > f->odd && fstat(f->fd, &st) == 0) {
        f->odd = st.st_size;
        f->from_begin = true;
    }
    return 0;
}

static int take_line(struct follower *f, const char *line, size_t size, struct error *e)
{
    enum audit_intent intent;
    struct line_chain l;
    json_t *view;
    int r = 0;

    if (line_look(line, size, &l) <= 0)
        return look_at_odd(f);
    if (l.seq <= f->last)
        return 0;
    if (l.seq > f->last + 1 && !f->in_closed)
        r = read_closed(f, e);
    if (r < 0 || l.seq <= f->last) /* a copy of this file has it as well */
        return r;
    /* Its end may have been cut, and it may have grown beyond that before anybody looked. */
    if (l.seq > f->last + 1 && !f->in_closed && f->gap != l.seq) {
        f->gap = l.seq;
        f->from_begin = true;
        return 0;
    }
    f->last = l.seq;
    intent = audit_view_intent(f->view, line);
    switch (filter_wants(f->filter, &l, line, intent)) {
    case AUDIT_PASS_OVER: return audit_view_pass(f->view, line, intent);
    case AUDIT_NOTE: return audit_view_note(f->view, line, size, intent);
    case AUDIT_READ: break;
    }
    view = audit_view_read(f->view, line, size);
    if (filter_takes(f->filter, &l, view))
        r = f->fn(line, view, f->userdata);
    json_decref(view);
    return r;
}

/* The closed files beside it: its name, and a rotation's ending. */
static bool is_beside(const struct follower *f, const char *name)
{
    size_t size = strlen(f->base);

    return strncmp(name, f->base, size) == 0 && (name[size] == '-' || name[size] == '.') &&
           !strstr(name, ".erasing");
}

static int list_closed(struct follower *f, struct string_list *ret, struct error *e)
{
    DIR *dir = opendir(f->folder);
    int r = 0;

    if (!dir)
        return error_set(e, -errno, "%s cannot be read: %s", f->folder, strerror(errno));
    for (struct dirent *entry; r == 0 && (entry = readdir(dir));) {
        CLEANUP(freep) char *path = NULL;

        if (!is_beside(f, entry->d_name))
            continue;
        if (asprintf(&path, "%s/%s", f->folder, entry->d_name) < 0 ||
            string_list_add(ret, path) < 0)
            r = error_out_of_memory(e);
    }
    closedir(dir);
    return r;
}

static int read_listed(struct follower *f, struct error *e)
{
    CLEANUP(string_list_done) struct string_list paths = {0};
    CLEANUP(audit_files_done) struct audit_files files = {0};
    CLEANUP(line_reader_done) struct line_reader l = {.files = &files};
    int r = list_closed(f, &paths, e);

    if (r == 0)
        r = audit_files_order(&files, (const char *const *)paths.items, paths.n_items, e);
    while (r == 0 && (r = line_reader_next(&l, e)) > 0)
        r = l.torn ? 0 : take_line(f, l.line, l.size, e);
    return r;
}

/* One that is compressed or removed meanwhile was listed under a name that is gone. */
static int read_closed(struct follower *f, struct error *e)
{
    int r = -ENOENT;

    f->in_closed = true;
    for (unsigned n = 0; r == -ENOENT && n < LISTINGS_MAX; n++)
        r = read_listed(f, e);
    f->in_closed = false;
    return r;
}

static int take_block(struct follower *f, const char *block, size_t size, struct error *e)
{
    const char *end = block + size;
    int r = 0;

    for (const char *newline; r == 0 && (newline = memchr(block, '\n', (size_t)(end - block)));
         block = newline + 1) {
        buffer_add(&f->rest, block, (size_t)(newline - block));
        if (f->rest.failed)
            return error_out_of_memory(e);
        f->line_end = f->at - (end - newline - 1);
        r = f->rest.size ? take_line(f, f->rest.data, f->rest.size, e) : 0;
        buffer_clear(&f->rest);
        if (f->from_begin)
            return r;
    }
    if (f->rest.size + (size_t)(end - block) > LINE_LONGEST)
        return error_set(e, -EMSGSIZE,
                         "%s has a line that is longer than %d MiB, so it is not an audit file",
                         f->path, LINE_LONGEST >> 20);
    buffer_add(&f->rest, block, (size_t)(end - block));
    return f->rest.failed ? error_out_of_memory(e) : r;
}

static void begin_again(struct follower *f)
{
    f->at = 0;
    f->head_size = 0;
    buffer_clear(&f->rest);
}

/* Was the file emptied since? It may be longer than before by now. */
static bool is_emptied(struct follower *f)
{
    char head[HEAD_SIZE];
    ssize_t n = pread(f->fd, head, sizeof(head), 0);

    if (n < (ssize_t)f->head_size || memcmp(head, f->head, f->head_size) != 0)
        return true;
    memcpy(f->head, head, (size_t)n);
    f->head_size = (size_t)n;
    return false;
}

/* What the open file has more than was read. Whether it was emptied is asked behind each reading,
 * so that no piece of a line is put together with one of another. */
static int read_on(struct follower *f, struct error *e)
{
    int r = 0;

    while (r == 0) {
        ssize_t n = pread(f->fd, f->block, sizeof(f->block), f->at);

        if (n < 0)
            return error_set(e, -errno, "%s cannot be read: %s", f->path, strerror(errno));
        if (is_emptied(f)) {
            begin_again(f);
            f->odd = 0;
            continue;
        }
        if (n == 0)
            break;
        f->at += n;
        r = take_block(f, f->block, (size_t)n, e);
        if (f->from_begin)
            begin_again(f);
        f->from_begin = false;
    }
    return r;
}

static void leave_file(struct follower *f)
{
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
    f->odd = 0;
    begin_again(f);
}

/* Opens the file at the path; one that is not there yet is waited for. */
static int open_file(struct follower *f, struct error *e)
{
    f->fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (f->fd < 0 && errno != ENOENT)
        return error_set(e, -errno, "%s cannot be opened: %s", f->path, strerror(errno));
    return 0;
}

static bool is_same_file(const struct follower *f)
{
    struct stat here, there;

    return f->fd >= 0 && fstat(f->fd, &here) == 0 && stat(f->path, &there) == 0 &&
           here.st_ino == there.st_ino && here.st_dev == there.st_dev;
}

static int catch_up(struct follower *f, struct error *e)
{
    struct stat st;
    int r = f->fd >= 0 ? read_on(f, e) : 0;

    /* The one that is opened may have been closed before it was read. */
    while (r == 0 && !is_same_file(f)) {
        leave_file(f);
        r = open_file(f, e);
        if (r < 0 || f->fd < 0)
            return r;
        r = read_on(f, e);
    }
    if (r == 0 && fstat(f->fd, &st) == 0 && st.st_size < f->at) { /* its end was cut */
        begin_again(f);
        r = read_on(f, e);
    }
    return r;
}

static bool concerns_us(const struct follower *f, const struct inotify_event *event)
{
    return (event->mask & (IN_Q_OVERFLOW | IN_IGNORED)) ||
           (event->len && strncmp(event->name, f->base, strlen(f->base)) == 0);
}

/* Sleeps until something happened to the files. */
static int wait_for_more(struct follower *f, int out_fd, struct error *e)
{
    char block[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    struct pollfd fds[2] = {{.fd = f->notify, .events = POLLIN}, {.fd = out_fd}};
    bool concerned = false;

    while (!concerned) {
        ssize_t n;

        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return error_set(e, -errno, "waiting for %s: %s", f->path, strerror(errno));
        if (fds[1].revents & (POLLERR | POLLHUP | POLLNVAL))
            return -EPIPE;
        while ((n = read(f->notify, block, sizeof(block))) > 0)
            for (const char *p = block; p < block + n;) {
                const struct inotify_event *event = (const void *)p;

                if (event->mask & IN_IGNORED)
                    return error_set(e, -ENOENT, "%s is gone", f->folder);
                concerned = concerned || concerns_us(f, event);
                p += sizeof(*event) + event->len;
            }
    }
    return 0;
}

static int follower_new(struct follower **ret, const char *path, struct error *e)
{
    CLEANUP(follower_freep) struct follower *f = calloc(1, sizeof(*f));
    CLEANUP(freep) char *for_folder = strdup(path);
    CLEANUP(freep) char *for_base = strdup(path);

    if (!f)
        return error_out_of_memory(e);
    f->fd = -1;
    f->notify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    f->path = path;
    f->folder = for_folder ? strdup(dirname(for_folder)) : NULL;
    f->base = for_base ? strdup(basename(for_base)) : NULL;
    f->view = audit_view_new();
    if (!f->folder || !f->base || !f->view)
        return error_out_of_memory(e);
    /* Before anything is read, or what comes in between would not be noticed. */
    if (f->notify < 0 || inotify_add_watch(f->notify, f->folder, EVENTS | IN_ONLYDIR) < 0)
        return error_set(e, -errno, "%s cannot be watched: %s", f->folder, strerror(errno));
    *ret = TAKE(f);
    return 0;
}

int audit_follow(const char *path, const struct audit_filter *filter, audit_line_fn fn,
                 int (*idle)(void *userdata), int out_fd, void *userdata, struct error *e)
{
    CLEANUP(follower_freep) struct follower *f = NULL;
    int r = follower_new(&f, path, e);

    if (r < 0)
        return r;
    f->filter = filter;
    f->fn = fn;
    f->userdata = userdata;
    r = read_closed(f, e);
    for (;;) {
        if (r == 0)
            r = catch_up(f, e);
        if (r == 0)
            r = idle(userdata);
        if (r == 0)
            r = wait_for_more(f, out_fd, e);
        if (r < 0)
            return r;
    }
}
