/* Rotated files come in any order (a shell's *.log* sorts .10 before .2), so they are sorted by
 * what they hold and not by their names. Compressed ones are recognised and refused. */
#include "config.h"

#include "audit/files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "audit/line.h"
#include "base/error.h"
#include "base/memory.h"

void audit_files_done(struct audit_files *f)
{
    for (size_t i = 0; i < f->n_paths; i++)
        free(f->paths[i]);
    free(f->paths);
    *f = (struct audit_files){0};
}

static int cannot_read(const char *path, struct error *e)
{
    int r = errno ? -errno : -EIO;

    return error_set(e, r, "The audit file %s cannot be read: %s", path, strerror(-r));
}

void line_reader_done(struct line_reader *l)
{
    if (l->in)
        fclose(l->in);
    free(l->line);
    *l = (struct line_reader){0};
}

int line_reader_next(struct line_reader *l, struct error *e)
{
    for (;;) {
        ssize_t n;

        if (l->file >= l->files->n_paths)
            return 0;
        if (!l->in) {
            l->number = 0;
            l->in = fopen(l->files->paths[l->file], "re");
            if (!l->in)
                return cannot_read(l->files->paths[l->file], e);
        }
        errno = 0;
        n = getline(&l->line, &l->capacity, l->in);
        if (n > 0) {
            l->number++;
            l->torn = l->line[n - 1] != '\n';
            l->size = (size_t)n - !l->torn;
            l->line[l->size] = '\0';
            return 1;
        }
        if (ferror(l->in) || errno == ENOMEM)
            return cannot_read(l->files->paths[l->file], e);
        fclose(l->in);
        l->in = NULL;
        l->file++;
    }
}

struct place {
    char *path;
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

/* The number of the first line, counted back from the first line that can be read. *ret_empty:
 * there is no line at all. */
static int first_seq(const char *path, int64_t *ret, bool *ret_empty, struct error *e)
{
    struct audit_files one = {.paths = (char **)&path, .n_paths = 1};
    CLEANUP(line_reader_done) struct line_reader l = {.files = &one};
    struct line_chain chain;
    int r;

    *ret_empty = true;
    *ret = 0;
    while ((r = line_reader_next(&l, e)) > 0) {
        if (l.number == 1 && l.size >= 2 &&
            (memcmp(l.line, "\x1f\x8b", 2) == 0 || memcmp(l.line, "\x28\xb5", 2) == 0 ||
             memcmp(l.line, "\xfd\x37", 2) == 0))
            return error_set(e, -EINVAL, "%s is compressed: uncompress it first", path);
        *ret_empty = false;
        if (line_parse(l.line, l.size, &chain)) {
            *ret = chain.seq - l.number + 1;
            return 0;
        }
    }
    return r;
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

        r = first_seq(paths[i], &places[n].seq, &empty, e);
        places[n].path = (char *)paths[i];
        places[n].given = i;
        n += !empty;
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
