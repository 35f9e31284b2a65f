/*
 * test: what the rules of a configuration make of people that are written down (*.case). No
 * server, no daemon, no state; whoever can read the files can run it.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "config/settings.h"
#include "ctl/verbs.h"
#include "mapping/case.h"

#define CASE_MAX (1024 * 1024)

struct test {
    struct ctl *c;
    const struct settings *settings;
    json_t *cases;
    long long n_failed;
};

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_case(const struct dirent *d)
{
    size_t size = strlen(d->d_name);

    return d->d_name[0] != '.' && size > 5 && strcmp(d->d_name + size - 5, ".case") == 0;
}

/* The cases of a folder, in order of their names. */
static int add_folder(struct string_list *files, const char *folder, struct error *e)
{
    struct dirent **found = NULL;
    int n = scandir(folder, &found, is_case, by_name), r = 0;

    if (n < 0)
        return error_set(e, -errno, "%s: %s: name files or a folder that hold cases", folder,
                         strerror(errno));
    for (int i = 0; i < n; i++) {
        char path[PATH_MAX];
        (void)snprintf(path, sizeof(path), "%s/%s", folder, found[i]->d_name);
        if (r == 0 && string_list_add(files, path) < 0)
            r = error_out_of_memory(e);
        free(found[i]);
    }
    free(found);
    return r == 0 && n == 0 ? error_set(e, -ENOENT, "%s has no *.case", folder) : r;
}

/* Without arguments: what lies in the folder "cases" beside the configuration. */
static int find_files(const struct ctl *c, struct string_list *files, struct error *e)
{
    struct stat st;
    int r = 0;

    if (c->n_arguments == 0) {
        char folder[PATH_MAX];
        const char *slash = strrchr(c->config_file, '/');
        (void)snprintf(folder, sizeof(folder), "%.*scases",
                       slash ? (int)(slash - c->config_file) + 1 : 0, c->config_file);
        return add_folder(files, folder, e);
    }
    for (size_t i = 0; i < c->n_arguments && r == 0; i++) {
        const char *path = c->arguments[i];
        if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
            r = add_folder(files, path, e);
        else if (string_list_add(files, path) < 0)
            r = error_out_of_memory(e);
    }
    return r;
}

static int read_file(const char *path, struct buffer *b, struct error *e)
{
    char chunk[16384];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), r = 0;

    if (fd < 0)
        return error_set(e, -errno, "%s: %s", path, strerror(errno));
    for (ssize_t n; r == 0 && (n = read(fd, chunk, sizeof(chunk))) != 0;) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            r = error_set(e, -errno, "%s: %s", path, strerror(errno));
        else
            buffer_add(b, chunk, (size_t)n);
        if (r == 0 && b->size > CASE_MAX)
            r = error_set(e, -EFBIG, "%s is not a case: it is larger than 1 MiB", path);
    }
    (void)close(fd);
    return r == 0 && b->failed ? error_out_of_memory(e) : r;
}

static json_t *differences_of(const struct case_differences *d)
{
    json_t *array = json_array();

    for (size_t i = 0; i < d->n_items; i++) {
        const struct case_difference *x = &d->items[i];
        (void)json_array_append_new(array, json_pack("{s:s, s:s?, s:s?, s:s?, s:s?, s:i}", "field",
                                                     x->field, "expected", x->expected, "got",
                                                     x->got, "rule", x->source.rule, "file",
                                                     x->source.file, "line", (int)x->source.line));
    }
    return array;
}

static json_t *steps_of(const struct verdict *v)
{
    json_t *array = json_array();

    for (size_t i = 0; i < v->n_steps; i++) {
        const struct verdict_step *s = &v->steps[i];
        (void)json_array_append_new(
            array, json_pack("{s:s?, s:s?, s:i, s:b, s:s}", "rule", s->rule, "file", s->file,
                             "line", (int)s->line, "matched", s->matched, "sentence", s->sentence));
    }
    return array;
}

/* One file: its verdict against what it expects. A file that cannot be read is no failed case. */
static int test_file(struct test *t, const char *path, struct error *e)
{
    CLEANUP(buffer_done) struct buffer text = {0};
    CLEANUP(case_done) struct mapping_case c = {0};
    CLEANUP(verdict_done) struct verdict v = {0};
    CLEANUP(case_differences_done) struct case_differences d = {0};
    int r = read_file(path, &text, e);

    if (r < 0)
        return r;
    r = case_parse(&c, text.data ? text.data : "", text.size, e);
    if (r == 0)
        r = case_judge(&c, &t->settings->mapping, true, &v, e);
    if (r < 0)
        return error_wrap(e, r, "%s", path);
    if (case_compare(&c, &v, &d) < 0)
        return error_out_of_memory(e);
    t->n_failed += d.n_items > 0;
    json_t *row = json_pack("{s:s, s:b, s:o, s:s?, s:o}", "file", path, "passed", d.n_items == 0,
                            "differences", differences_of(&d), "sentence", v.sentence, "steps",
                            d.n_items > 0 ? steps_of(&v) : json_array());
    return json_array_append_new(t->cases, row) < 0 ? error_out_of_memory(e) : 0;
}

static int load(struct ctl *c, struct settings **ret)
{
    CLEANUP(problem_list_done) struct problem_list problems = {0};
    struct error e = {""};
    int r = settings_load(ret, c->config_file, &problems, &e);

    CLEANUP(freep) char *text = r < 0 ? problem_list_to_text(&problems) : NULL;
    if (text)
        (void)fputs(text, stderr);
    return r < 0 ? ctl_complain(c, EXIT_FAILED, "failed", "%s", e.message) : EXIT_FINE;
}

int ctl_test(struct ctl *c)
{
    CLEANUP(settings_freep) struct settings *settings = NULL;
    CLEANUP(string_list_done) struct string_list files = {0};
    json_auto_t *cases = json_array();
    struct error e = {""};
    int r = load(c, &settings);

    if (r != EXIT_FINE)
        return r;
    struct test t = {.c = c, .settings = settings, .cases = cases};
    r = find_files(c, &files, &e);
    for (size_t i = 0; i < files.n_items && r == 0; i++)
        r = test_file(&t, files.items[i], &e);
    if (r < 0)
        return ctl_complain(c, EXIT_FAILED, "failed", "%s", e.message);
    json_auto_t *answer = json_pack("{s:O, s:I, s:I}", "cases", cases, "passed",
                                    (json_int_t)files.n_items - t.n_failed, "failed", t.n_failed);
    return ctl_show(c, answer, c->all ? render_test_whole : render_test);
}
