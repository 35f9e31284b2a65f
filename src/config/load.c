/*
 * Reads the configuration's files: the main one and, in the order of their names, the *.conf of
 * its drop-in directory. Refuses what is not a regular file and what is absurdly large.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "config/settings.h"

#define FILE_MAX_BYTES (16 * 1024 * 1024)

void settings_texts_done(struct settings_texts *t)
{
    for (size_t i = 0; i < t->n_items; i++) {
        free((void *)t->items[i].name);
        free((void *)t->items[i].content);
    }
    free(t->items);
    *t = (struct settings_texts){0};
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
}

static int read_all(int fd, struct buffer *b, const char *path, struct error *e)
{
    char chunk[16384];

    for (;;) {
        ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_set(e, -errno, "%s cannot be read: %s", path, strerror(errno));
        if (n == 0)
            return b->failed ? error_out_of_memory(e) : 0;
        buffer_add(b, chunk, (size_t)n);
        if (b->size > FILE_MAX_BYTES)
            return error_set(e, -EFBIG, "%s is larger than 16 MiB", path);
    }
}

static int read_file(struct settings_texts *t, const char *path, struct error *e)
{
    CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    CLEANUP(buffer_done) struct buffer b = {0};
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return error_set(e, -errno, "%s cannot be opened: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return error_set(e, S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL, "%s is not a file", path);
    int r = read_all(fd, &b, path, e);
    if (r < 0)
        return r;
    if (memory_grow(&t->items, &t->capacity, t->n_items + 1, sizeof(*t->items)) < 0)
        return error_out_of_memory(e);
    struct settings_text *text = &t->items[t->n_items];
    text->size = b.size;
    text->name = strdup(path);
    text->content = buffer_take(&b);
    t->n_items++;
    return text->name && text->content ? 0 : error_out_of_memory(e);
}

/* /etc/rosterd/rosterd.conf has conf.d beside it, any NAME.conf its NAME.conf.d. Malloc'd. */
static char *drop_in_directory(const char *file)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    const char *slash = strrchr(file, '/');
    const char *name = slash ? slash + 1 : file;

    if (strcmp(name, "rosterd.conf") == 0) {
        buffer_add(&b, file, (size_t)(name - file));
        buffer_add_text(&b, "conf.d");
    } else {
        buffer_format(&b, "%s.d", file);
    }
    return buffer_take(&b);
}

static int is_drop_in(const struct dirent *d)
{
    size_t size = strlen(d->d_name);

    return d->d_name[0] != '.' && size > 5 && strcmp(d->d_name + size - 5, ".conf") == 0;
}

/* By bytes: the order does not depend on the locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int read_drop_ins(struct settings_texts *t, const char *file,
                         struct problem_list *problems, struct error *e)
{
    CLEANUP(freep) char *directory = drop_in_directory(file);
    struct dirent **names = NULL;
    int r = 0;

    if (!directory)
        return error_out_of_memory(e);
    int n = scandir(directory, &names, is_drop_in, by_name);
    if (n < 0 && errno != ENOENT && errno != ENOTDIR)
        r = problem_add(problems, LEVEL_ERROR, directory, 0, 0, "cannot be read: %s",
                        strerror(errno));
    for (int i = 0; i < n; i++) {
        CLEANUP(buffer_done) struct buffer path = {0};
        struct error why = {""};
        buffer_format(&path, "%s/%s", directory, names[i]->d_name);
        free(names[i]);
        if (r < 0)
            continue;
        if (path.failed)
            r = -ENOMEM;
        else if (read_file(t, path.data, &why) < 0)
            r = problem_add(problems, LEVEL_ERROR, path.data, 0, 0, "%s", why.message);
    }
    free(names);
    return r < 0 ? error_out_of_memory(e) : 0;
}

int settings_texts_read(struct settings_texts *ret, const char *file,
                        struct problem_list *problems, struct error *e)
{
    int r = read_file(ret, file, e);

    return r < 0 ? r : read_drop_ins(ret, file, problems, e);
}

int settings_load(struct settings **ret, const char *file, struct problem_list *problems,
                  struct error *e)
{
    CLEANUP(settings_texts_done) struct settings_texts t = {0};
    int r = settings_texts_read(&t, file, problems, e);

    return r < 0 ? r : settings_load_texts(ret, t.items, t.n_items, problems, e);
}
