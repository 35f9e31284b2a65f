/*
 * What the tests of the audit share: a state, a file, and what is expected of both.
 */
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "audit/audit.h"
#include "audit/journal.h"
#include "audit/line.h"
#include "audit/view.h"
#include "base/clock.h"
#include "base/log.h"
#include "model/operation.h"
#include "state-fixture.h"
#include "state/trail.h"

static char audit_path[128], rotated_path[128];

static inline int setup(void **state)
{
    struct fixture *f;
    int r = fixture_new(state);

    if (r < 0)
        return r;
    f = *state;
    snprintf(audit_path, sizeof(audit_path), "%s/audit.log", f->folder);
    snprintf(rotated_path, sizeof(rotated_path), "%s/audit.log.1", f->folder);
    return 0;
}

static inline void record(struct fixture *f, const char *event, const char *sentence)
{
    begin(f);
    ok(f, audit_record(f->s, &(struct audit_row){.event = event, .sentence = sentence}, &f->e));
    commit(f);
}

static inline struct audit_export *open_export(struct fixture *f, bool want_older)
{
    struct audit_export *x = NULL;
    bool older = !want_older;

    ok(f, audit_export_open(&x, f->s, audit_path, false, &older, &f->e));
    assert_int_equal(older, want_older);
    return x;
}

static inline void export_all(struct fixture *f)
{
    struct audit_export *x = open_export(f, false);

    ok(f, audit_export_run(x, &f->e));
    audit_export_close(x);
}

struct text {
    char *lines[256];
    size_t n;
};

static inline struct text read_lines(const char *path)
{
    struct text t = {0};
    FILE *in = fopen(path, "re");
    size_t capacity = 0;

    assert_non_null(in);
    while (t.n < 256 && getline(&t.lines[t.n], &capacity, in) > 0) {
        t.lines[t.n][strcspn(t.lines[t.n], "\n")] = '\0';
        t.n++;
        capacity = 0;
    }
    free(t.lines[t.n]);
    t.lines[t.n] = NULL;
    fclose(in);
    return t;
}

static inline void free_lines(struct text *t)
{
    for (size_t i = 0; i < t->n; i++)
        free(t->lines[i]);
}

#define FILES(...)                                                                             \
    (const char *const[]){__VA_ARGS__}, ARRAY_SIZE(((const char *const[]){__VA_ARGS__}))
/* The chain must be whole and have that many lines. */
static inline void whole(struct fixture *f, uint64_t n_lines, const char *const *files,
                         size_t n)
{
    struct audit_verify_result v = {0};

    ok(f, audit_verify(files, n, NULL, &v, &f->e));
    if (v.n_findings)
        fail_msg("%s:%u: %s", v.findings->file, v.findings->line, v.findings->sentence);
    assert_int_equal(v.n_lines, n_lines);
    audit_verify_result_done(&v);
}

/* The chain must break in that file and line, with a sentence that begins so. */
static inline void broken(struct fixture *f, const char *file, unsigned line, const char *kind,
                          const char *const *files, size_t n)
{
    struct audit_verify_result v = {0};

    ok(f, audit_verify(files, n, NULL, &v, &f->e));
    if (!v.n_findings)
        fail_msg("the chain is whole, and should not be: %s in %u", kind, line);
    const struct audit_finding *first = v.findings;
    if (first->line != line || strcmp(first->file, file) != 0 ||
        strncmp(first->sentence, kind, strlen(kind)) != 0)
        fail_msg("%s:%u: %s; expected %u: %s", first->file, first->line, first->sentence, line,
                 kind);
    assert_true(v.n_whole < v.n_lines);
    audit_verify_result_done(&v);
}

static inline void append_bytes(const char *bytes)
{
    FILE *out = fopen(audit_path, "ae");

    assert_non_null(out);
    fputs(bytes, out);
    assert_int_equal(fclose(out), 0);
}

static inline size_t count_text(const char *text)
{
    struct text t = read_lines(audit_path);
    size_t n = 0;

    for (size_t i = 0; i < t.n; i++)
        n += strstr(t.lines[i], text) != NULL;
    free_lines(&t);
    return n;
}

#define audit_test(fn) cmocka_unit_test_setup_teardown(fn, setup, fixture_free)
