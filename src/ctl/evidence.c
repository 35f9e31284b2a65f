/*
 * The rows of a report, made while the files are read, so that what is kept is text and not more
 * of it than a page takes; CSV files get every row at once.
 */
#include "config.h"

#include "ctl/evidence.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "render/output.h"
#include "render/render.h"

void evidence_done(struct evidence *v)
{
    for (size_t i = 0; i < AUDIT_LISTS; i++) {
        buffer_done(&v->rows[i]);
        table_done(&v->tables[i]);
        if (v->files[i])
            (void)fclose(v->files[i]);
    }
    buffer_done(&v->cell);
    json_decref(v->codes);
    json_decref(v->lists);
    audit_report_done(&v->report);
}

static void csv_cell(FILE *out, const char *text, bool first)
{
    if (!first)
        (void)putc_unlocked(',', out);
    (void)putc_unlocked('"', out);
    /* Inert: a spreadsheet takes these for the beginning of a formula. */
    if (*text && strchr("=+-@\t\r|%", *text))
        (void)putc_unlocked('\'', out);
    for (size_t n; *text; text += n) {
        n = strcspn(text, "\"");
        if (text[n] == '"')
            (void)fwrite_unlocked(text, 1, ++n, out);
        else
            (void)fwrite_unlocked(text, 1, n, out);
        if (text[n - 1] == '"')
            (void)putc_unlocked('"', out);
    }
    (void)putc_unlocked('"', out);
}

static FILE *open_csv(struct evidence *v, const char *name, struct error *e)
{
    char path[4096];
    FILE *out;

    if (snprintf(path, sizeof(path), "%s/%s.csv", v->csv, name) >= (int)sizeof(path)) {
        error_set(e, -ENAMETOOLONG, "%s is too long a path", v->csv);
        return NULL;
    }
    out = fopen(path, "we");
    if (!out)
        error_set(e, -errno, "%s cannot be written: %s", path, strerror(errno));
    else
        (void)fputs("\xef\xbb\xbf", out); /* or spreadsheets take the text for another encoding */
    return out;
}

static int close_csv(struct evidence *v, FILE *out, struct error *e)
{
    bool fine = !ferror(out);

    if (fclose(out) != 0 || !fine)
        return error_set(e, -EIO, "%s cannot be written: %s", v->csv, strerror(errno));
    return 0;
}

static int open_files(struct evidence *v, struct error *e)
{
    if (mkdir(v->csv, 0750) < 0 && errno != EEXIST)
        return error_set(e, -errno, "%s cannot be made: %s", v->csv, strerror(errno));
    for (size_t i = 0; i < AUDIT_LISTS; i++) {
        FILE *out = v->files[i] = open_csv(v, evidence_lists[i].name, e);
        bool first = true;

        if (!out)
            return -EIO;
        for (size_t k = 0; k < EVIDENCE_COLUMNS; k++)
            if (evidence_lists[i].columns & 1U << k) {
                csv_cell(out, evidence_column_names[k], first);
                first = false;
            }
        (void)fputs("\r\n", out);
    }
    return 0;
}

static void csv_row(struct evidence *v, enum audit_list list, const json_t *view,
                    const json_t *approval)
{
    bool first = true;

    for (size_t k = 0; k < EVIDENCE_COLUMNS; k++) {
        if (!(evidence_lists[list].columns & 1U << k))
            continue;
        evidence_cell(&v->cell, view, approval, (enum evidence_column)k);
        if (!v->cell.failed)
            csv_cell(v->files[list], v->cell.data, first);
        first = false;
    }
    (void)fputs("\r\n", v->files[list]);
}

static int add_view(struct evidence *v, const char *list, const json_t *view)
{
    json_t *rows = json_object_get(v->lists, list);

    if (!rows) {
        rows = json_array();
        json_object_set_new(v->lists, list, rows);
    }
    return json_array_append(rows, (json_t *)(uintptr_t)view) < 0 ? -ENOMEM : 0;
}

static int take_row(enum audit_list list, const json_t *view, const json_t *approval,
                    void *userdata)
{
    struct evidence *v = userdata;
    const char *code = member_text(view, "code");

    if (v->files[list])
        csv_row(v, list, view, approval);
    if (code && evidence_lists[list].columns & 1U << COLUMN_CODE)
        json_object_set_new(v->codes, code, json_true());
    if (v->form == EVIDENCE_NONE || v->n_rows[list]++ >= EVIDENCE_ROWS)
        return v->cell.failed ? -ENOMEM : 0;
    if (v->form == EVIDENCE_JSON)
        return add_view(v, evidence_lists[list].name, view);
    if (v->form == EVIDENCE_HTML)
        html_row(&v->rows[list], &evidence_lists[list], view, approval, &v->cell);
    else
        evidence_text_row(v, list, view, approval);
    return v->rows[list].failed || v->tables[list].failed || v->cell.failed ? -ENOMEM : 0;
}

static int write_delays(struct evidence *v, struct error *e)
{
    FILE *out = open_csv(v, "delays", e);

    if (!out)
        return -EIO;
    (void)fputs("\"Who\",\"Changes\",\"Median (ms)\",\"99 of 100 (ms)\",\"Worst (ms)\","
                "\"After an approval\"\r\n",
                out);
    for (size_t i = 0; i < AUDIT_HASTES; i++) {
        const struct audit_delays *d = &v->report.delays[i];

        (void)fprintf(out, "\"%s\",%zu,%u,%u,%u,%llu\r\n", evidence_haste_names[i], d->n,
                      audit_delay(d, 500), audit_delay(d, 990), audit_delay(d, 1000),
                      (unsigned long long)d->n_approved);
    }
    return close_csv(v, out, e);
}

int evidence_gather(struct evidence *v, const char *const *files, size_t n_files, struct error *e)
{
    struct audit_filter meant = {
        .since = v->since, .until = v->until, .brief = v->form != EVIDENCE_JSON};
    int r = v->csv ? open_files(v, e) : 0;

    v->codes = json_object();
    v->lists = json_object();
    if (!v->codes || !v->lists)
        return error_out_of_memory(e);
    if (r == 0)
        r = audit_report(&v->report, files, n_files, &meant, &v->trusted, take_row, v, e);
    if (r == 0 && v->csv)
        r = write_delays(v, e);
    for (size_t i = 0; i < AUDIT_LISTS && r == 0; i++) {
        FILE *out = v->files[i];

        v->files[i] = NULL;
        if (out)
            r = close_csv(v, out, e);
    }
    return r;
}

json_t *evidence_json(const struct evidence *v, json_t *verdict_taken)
{
    json_t *delays = json_object();
    uint64_t n_left_out = 0;

    for (size_t i = 0; i < AUDIT_HASTES; i++) {
        const struct audit_delays *d = &v->report.delays[i];

        json_object_set_new(delays, evidence_haste_names[i],
                            json_pack("{s:I, s:I, s:I, s:I, s:I}", "changes", (json_int_t)d->n,
                                      "median_ms", (json_int_t)audit_delay(d, 500), "p99_ms",
                                      (json_int_t)audit_delay(d, 990), "worst_ms",
                                      (json_int_t)audit_delay(d, 1000), "after_approval",
                                      (json_int_t)d->n_approved));
    }
    for (size_t i = 0; i < AUDIT_LISTS; i++)
        n_left_out += v->n_rows[i] > EVIDENCE_ROWS ? v->n_rows[i] - EVIDENCE_ROWS : 0;
    return json_pack("{s:o, s:O, s:O, s:o, s:I}", "verdict", verdict_taken, "days", v->report.days,
                     "lists", v->lists, "delays", delays, "left_out", (json_int_t)n_left_out);
}
