/* Rotated files come in any order (a shell's *.log* sorts .10 before .2), so they are sorted by
 * what they hold and not by their names. Those that gzip compressed are read as they are; other
 * compressions are recognised and refused. */
#include "config.h"

#include "audit/files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "audit/bytes.h"
#include "audit/line.h"
#include "base/error.h"
#include "base/memory.h"

#define BLOCK         (128 * 1024)
#define LINE_MAX_SIZE (64 << 20)

void audit_files_done(struct audit_files *f)
{
    for (size_t i = 0; i < f->n_paths; i++)
        free(f->paths[i]);
    free(f->paths);
    *f = (struct audit_files){0};
}

static int cannot_read(const char *path, int r, struct error *e)
{
    return error_set(e, r, "the audit file %s cannot be read: %s", path, strerror(-r));
}

static void close_file(struct line_reader *l)
{
    l->in = bytes_free(l->in);
}

void line_reader_done(struct line_reader *l)
{
    close_file(l);
    free(l->line);
    free(l->block);
    *l = (struct line_reader){0};
}

static void (*watcher)(uint64_t done, uint64_t total);

void audit_files_watch(void (*fn)(uint64_t done, uint64_t total))
{
    watcher = fn;
}

static uint64_t size_of(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static void tell_watcher(const struct line_reader *l)
{
    uint64_t before = 0, total = 0;
    for (size_t i = 0; i < l->files->n_paths; i++) {
        uint64_t size = size_of(l->files->paths[i]);
        before += i < l->file ? size : 0;
        total += size;
    }
    watcher(before + bytes_offset(l->in), total);
}

static int open_next(struct line_reader *l, struct error *e)
{
    const char *path = l->files->paths[l->file];
    int r;

    l->number = 0;
    l->ended = false;
    l->block_at = l->block_size = 0;
    if (!l->block)
        l->block = malloc(BLOCK);
    r = l->block ? bytes_open(&l->in, path) : -ENOMEM;
    return r < 0 ? cannot_read(path, r, e) : 0;
}

static void note_end(struct line_reader *l)
{
    if (bytes_are_cut(l->in)) {
        l->n_cut++;
        l->cut_file = l->file;
    }
    if (bytes_behind(l->in)) {
        l->n_behind++;
        l->behind_file = l->file;
        l->behind_bytes = bytes_behind(l->in);
    }
}

static int note_damage(struct line_reader *l, struct error *e)
{
    if (!l->passes_damage)
        return error_set(e, -EIO, "%s cannot be uncompressed: it is damaged after line %u",
                         l->files->paths[l->file], l->number);
    l->n_damaged++;
    l->damaged_file = l->file;
    return 0;
}

/* 1: there are bytes; 0: the end. */
static int fill(struct line_reader *l, struct error *e)
{
    ssize_t n = l->ended ? 0 : bytes_read(l->in, l->block, BLOCK);
    int r = 0;

    l->block_at = 0;
    l->block_size = n > 0 ? (size_t)n : 0;
    if (watcher)
        tell_watcher(l);
    if (n > 0)
        return 1;
    if (n == -EBADMSG)
        r = note_damage(l, e);
    else if (n < 0)
        r = cannot_read(l->files->paths[l->file], (int)n, e);
    else if (!l->ended)
        note_end(l);
    l->ended = true;
    return r;
}

static int add(struct line_reader *l, size_t n)
{
    if (memory_grow(&l->line, &l->capacity, l->size + n + 1, 1) < 0)
        return -ENOMEM;
    memcpy(l->line + l->size, l->block + l->block_at, n);
    l->size += n;
    l->block_at += n;
    return 0;
}

/* One line with its newline, or what stands behind the last one. 1, 0: the end, -errno. */
static int read_line(struct line_reader *l, struct error *e)
{
    l->size = 0;
    for (;;) {
        const char *newline;
        size_t n;

        if (l->block_at == l->block_size) {
            int r = fill(l, e);

            if (r < 0 || (r == 0 && l->size == 0))
                return r;
            if (r == 0)
                return 1;
        }
        newline = memchr(l->block + l->block_at, '\n', l->block_size - l->block_at);
        n = newline ? (size_t)(newline - l->block) + 1 - l->block_at : l->block_size - l->block_at;
        if (l->size + n > LINE_MAX_SIZE)
            return error_set(e, -EMSGSIZE,
                             "%s:%u: this line is longer than %d MiB, so this is not an audit file",
                             l->files->paths[l->file], l->number + 1, LINE_MAX_SIZE >> 20);
        if (add(l, n) < 0)
            return error_out_of_memory(e);
        if (newline)
            return 1;
    }
}

/* What mail gateways and editors add to a text is no change of what the line says. */
static void take_off(struct line_reader *l)
{
    l->torn = l->line[l->size - 1] != '\n';
    l->size -= !l->torn;
    l->carriage = l->size > 0 && !l->torn && l->line[l->size - 1] == '\r';
    l->size -= l->carriage;
    l->byte_order = l->number == 1 && l->size >= 3 && memcmp(l->line, "\xef\xbb\xbf", 3) == 0;
    if (l->byte_order)
        memmove(l->line, l->line + 3, l->size -= 3);
    l->line[l->size] = '\0';
}

int line_reader_next(struct line_reader *l, struct error *e)
{
    while (l->file < l->files->n_paths) {
        int r = l->in ? 0 : open_next(l, e);

        if (r == 0)
            r = read_line(l, e);
        if (r < 0)
            return r;
        if (r > 0) {
            l->number++;
            take_off(l);
            return 1;
        }
        close_file(l);
        l->file++;
    }
    return 0;
}

struct place {
    char *path;
    dev_t device;
    ino_t inode;
    int64_t seq; /* of the first line */
    size_t given;
};

static int compare_places(const void *a, const void *b)
{
    const struct place *x = a, *y = b;

    if (x->seq != y->seq)
        return x->seq < y->seq ? -1 : 1;
    return x->given < y->given ? -1 : 1;
}

#define ASKED 3 /* lines, which outvote one whose number was changed */

static int64_t agreed(const int64_t *first, size_t n)
{
    if (n == ASKED && first[1] == first[2])
        return first[1];
    return n ? first[0] : 0;
}

static int refuse_encoding(const struct line_reader *l, const char *path, struct error *e)
{
    if (l->size < 2)
        return 0;
    if (memcmp(l->line, "\x28\xb5", 2) == 0 || memcmp(l->line, "\xfd\x37", 2) == 0)
        return error_set(e, -EINVAL, "%s is compressed, and not by gzip: uncompress it first",
                         path);
    if (memcmp(l->line, "\xff\xfe", 2) == 0 || memcmp(l->line, "\xfe\xff", 2) == 0)
        return error_set(e, -EINVAL,
                         "%s is UTF-16, as some programs of Windows write: save it as UTF-8", path);
    return 0;
}

/* A file is read more than once. */
static int refuse_pipe(const char *path, struct error *e)
{
    struct stat st;

    if (stat(path, &st) < 0 || !(S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)))
        return 0;
    return error_set(e, -EINVAL,
                     "%s is a pipe, and audit files are read more than once: write it into a file "
                     "first (files that gzip compressed are read as they are)",
                     path);
}

/* The number of the first line, counted back from the first lines that can be read. *ret_empty:
 * there is no line at all. */
static int first_seq(const char *path, int64_t *ret, bool *ret_empty, struct error *e)
{
    struct audit_files one = {.paths = (char **)&path, .n_paths = 1};
    CLEANUP(line_reader_done) struct line_reader l = {.files = &one, .passes_damage = true};
    int64_t first[ASKED];
    struct line_chain chain;
    size_t n = 0;
    int r;

    *ret_empty = true;
    r = refuse_pipe(path, e);
    if (r < 0)
        return r;
    while (n < ASKED && (r = line_reader_next(&l, e)) != 0) {
        if (r > 0 && l.number == 1)
            r = refuse_encoding(&l, path, e);
        if (r < 0)
            return r;
        *ret_empty = false;
        if (line_look(l.line, l.size, &chain) > 0)
            first[n++] = chain.seq - l.number + 1;
    }
    if (l.n_cut || l.n_behind || l.n_damaged)
        *ret_empty = false; /* there is something to be told of it */
    *ret = agreed(first, n);
    return 0;
}

bool audit_files_is_one(const char *path, int64_t *ret_first)
{
    struct audit_files one = {.paths = (char **)&path, .n_paths = 1};
    CLEANUP(line_reader_done) struct line_reader l = {.files = &one};
    struct line_chain chain;
    struct error ignored = {0};
    struct stat st;

    if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
        return false;
    for (size_t i = 0; i < ASKED && line_reader_next(&l, &ignored) > 0; i++)
        if (line_look(l.line, l.size, &chain) > 0) {
            *ret_first = chain.seq - l.number + 1;
            return true;
        }
    return false;
}

/* The same file under two names or given twice. */
static bool is_known(struct place *places, size_t n, struct place *p)
{
    struct stat st;

    if (stat(p->path, &st) < 0)
        return false; /* opening it has said why */
    p->device = st.st_dev;
    p->inode = st.st_ino;
    for (size_t i = 0; i < n; i++)
        if (places[i].device == p->device && places[i].inode == p->inode)
            return true;
    return false;
}

int audit_files_order(struct audit_files *ret, const char *const *paths, size_t n_paths,
                      struct error *e)
{
    CLEANUP(audit_files_done) struct audit_files files = {0};
    struct place *places = calloc(n_paths + 1, sizeof(*places));
    size_t n = 0;
    int r = 0;

    files.paths = calloc(n_paths + 1, sizeof(*files.paths));
    for (size_t i = 0; r == 0 && places && i < n_paths; i++) {
        bool empty;

        places[n] = (struct place){.path = (char *)paths[i], .given = i};
        r = first_seq(paths[i], &places[n].seq, &empty, e);
        n += r == 0 && !empty && !is_known(places, n, &places[n]);
    }
    if (places && n > 1)
        qsort(places, n, sizeof(*places), compare_places);
    if (!places || !files.paths)
        r = error_out_of_memory(e);
    for (size_t i = 0; r == 0 && i < n; i++) {
        files.paths[i] = strdup(places[i].path);
        if (!files.paths[i])
            r = error_out_of_memory(e);
        else
            files.n_paths++;
    }
    free(places);
    if (r < 0)
        return r;
    *ret = files;
    files = (struct audit_files){0};
    return 0;
}
