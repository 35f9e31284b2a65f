/*
 * The audit's files, without a daemon: they are looked at years later and on other machines.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "audit/audit.h"
#include "audit/files.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/meter.h"
#include "base/text.h"
#include "config/settings.h"
#include "ctl/evidence.h"
#include "ctl/verbs.h"

static json_t *finding_of(const struct audit_finding *f)
{
    return json_pack("{s:s, s:i, s:I, s:s}", "file", f->file, "line", (int)f->line, "seq",
                     (json_int_t)f->seq, "sentence", f->sentence);
}

static json_t *verdict_of(const struct audit_verify_result *v)
{
    const struct audit_finding *first = v->n_findings ? v->findings : NULL;
    json_t *findings = json_array();

    for (size_t i = 0; i < v->n_findings; i++)
        json_array_append_new(findings, finding_of(&v->findings[i]));
    return json_pack(
        "{s:b, s:I, s:I, s:I, s:I, s:s, s:s, s:s, s:s?, s:i, s:s, s:o, s:I, s:I, s:I, s:I, s:I, "
        "s:I, s:I, s:s?, s:s?, s:I, s:I, s:I}",
        "whole", first == NULL, "lines", (json_int_t)v->n_lines, "lines_before",
        (json_int_t)v->n_whole, "first_seq", (json_int_t)v->first_seq, "last_seq",
        (json_int_t)v->last_seq, "first_time", v->first_time, "last_time", v->last_time,
        "last_hash", v->last_hash, "file", first ? first->file : NULL, "line",
        first ? (int)first->line : 0, "sentence", first ? first->sentence : "", "findings",
        findings, "more_findings", (json_int_t)v->n_more, "checkpoints",
        (json_int_t)v->n_checkpoints, "last_checkpoint", (json_int_t)v->last_checkpoint, "unsigned",
        (json_int_t)v->n_unsigned, "erased", (json_int_t)v->n_erased, "erased_unsigned",
        (json_int_t)v->n_erased_unsigned, "old_form", (json_int_t)v->n_old, "key",
        v->key[0] ? v->key : NULL, "last_checkpoint_time",
        v->last_checkpoint_time[0] ? v->last_checkpoint_time : NULL, "carriage_returns",
        (json_int_t)v->n_carriage, "byte_order_marks", (json_int_t)v->n_byte_order, "unknown",
        (json_int_t)v->n_unknown);
}

/* The checkpoint that was kept elsewhere, and whether these files are what it speaks of; of older
 * lines they have it says nothing. */
static json_t *kept_of(const struct audit_verify_result *v)
{
    return json_pack("{s:I, s:b}", "line", (json_int_t)v->note_seq, "fits", v->note_fits);
}

/* A word, or the first line of the file that it names. */
static char *word_or_file(const char *word)
{
    char text[4096] = "";
    FILE *in = word && strchr(word, '+') ? NULL : word ? fopen(word, "re") : NULL;
    size_t n = in ? fread(text, 1, sizeof(text) - 1, in) : 0;

    if (in)
        fclose(in);
    text[n] = '\0';
    return in ? strdup(text) : word ? strdup(word) : NULL;
}

/* The key that is trusted, or NULL. */
static char *key_of(const struct ctl *c)
{
    char *key = word_or_file(c->key);

    if (key)
        key[strcspn(key, "\n")] = '\0';
    return key;
}

static char *read_file(struct ctl *c, const char *path)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    char block[4096];
    FILE *in = fopen(path, "re");

    for (size_t n; in && (n = fread(block, 1, sizeof(block), in)) > 0;)
        buffer_add(&b, block, n);
    if (!in || ferror(in))
        ctl_complain(c, EXIT_FAILED, "failed", "%s cannot be read: %s", path, strerror(errno));
    if (in)
        fclose(in);
    return in ? buffer_take(&b) : NULL;
}

static int verify_proof(struct ctl *c, const char *key)
{
    CLEANUP(freep) char *text = read_file(c, c->proof);
    struct audit_proof proof = {0};
    struct output *o = &c->output;
    struct error e = {""};

    if (!text)
        return EXIT_FAILED;
    int r = audit_verify_proof(text, key, &proof, &e);
    CLEANUP(freep) char *line = proof.line;
    if (r == -EBADMSG)
        return ctl_complain(c, EXIT_FOUND, "not-proved", "%s", e.message);
    if (r < 0)
        return ctl_complain(c, EXIT_FAILED, "failed", "%s", e.message);
    if (c->json)
        return ctl_print_json(c,
                              json_pack("{s:b, s:I, s:I, s:s}", "proved", 1, "seq",
                                        (json_int_t)proof.seq, "checkpoint",
                                        (json_int_t)proof.checkpoint, "key", proof.key),
                              JSON_INDENT(2));
    output_colour(o, COLOUR_GREEN, "proved");
    output_format(o, ": line %lld was in the audit when line %lld was signed (%s) by\n  %s\n",
                  (long long)proof.seq, (long long)proof.checkpoint, proof.time, proof.key);
    if (!key)
        output_format(o, "  compare that key with the one that you know, or give it: --key\n");
    if (proof.erased)
        output_format(o, "what the line told of a person is not in the proof\n");
    return EXIT_FINE;
}

static int prove(struct ctl *c, const char *const *files, size_t n_files, const char *word)
{
    struct error e = {""};
    int64_t seq;

    if (text_parse_signed(word, &seq) < 0 || seq < 1)
        return ctl_misuse(c, "'%s' is not a line number", word);
    c->output.verbatim = true;
    int r = audit_prove(seq, files, n_files, &c->output.text, &e);
    return r < 0 ? ctl_complain(c, EXIT_FAILED, "failed", "%s", e.message) : EXIT_FINE;
}

static int verify(struct ctl *c, const char *const *files, size_t n_files)
{
    CLEANUP(audit_verify_result_done) struct audit_verify_result result = {0};
    CLEANUP(freep) char *key = key_of(c), *note = word_or_file(c->checkpoint);
    struct audit_verify_options options = {.key = key, .note = note};
    struct error e = {""};

    if (c->proof)
        return verify_proof(c, key);
    int r = audit_verify(files, n_files, &options, &result, &e);
    if (r < 0)
        return ctl_complain(c, EXIT_FAILED, "failed", "%s", e.message);
    json_auto_t *verdict = verdict_of(&result);
    if (!verdict)
        return ctl_complain(c, EXIT_FAILED, "failed", "out of memory");
    json_object_set_new(verdict, "key_given", json_boolean(key != NULL));
    if (note)
        json_object_set_new(verdict, "kept", kept_of(&result));
    return ctl_show(c, verdict, render_audit_verify);
}

static int write_file(struct ctl *c, const char *path, const struct buffer *b)
{
    if (b->failed)
        return ctl_complain(c, EXIT_FAILED, "failed", "out of memory");
    FILE *out = fopen(path, "we");
    bool fine = out && (b->size == 0 || fwrite(b->data, 1, b->size, out) == b->size);

    if (out && fclose(out) != 0)
        fine = false;
    if (!fine)
        return ctl_complain(c, EXIT_FAILED, "failed", "%s cannot be written: %s", path,
                            strerror(errno));
    output_format(&c->output, "%s\n", path);
    return EXIT_FINE;
}

static int report(struct ctl *c, const char *const *files, size_t n_files)
{
    CLEANUP(evidence_done)
    struct evidence v = {.form = c->html   ? EVIDENCE_HTML
                                 : c->csv  ? EVIDENCE_NONE
                                 : c->json ? EVIDENCE_JSON
                                           : EVIDENCE_TEXT,
                         .csv = c->csv,
                         .since = c->since,
                         .until = c->until};
    CLEANUP(freep) char *key = key_of(c), *note = word_or_file(c->checkpoint);
    struct error e = {""};
    int result = EXIT_FINE;

    v.trusted = (struct audit_verify_options){.key = key, .note = note};
    if (evidence_gather(&v, files, n_files, &e) < 0)
        return ctl_complain(c, EXIT_FAILED, "failed", "%s", e.message);
    if (c->html) {
        CLEANUP(buffer_done) struct buffer b = {0};
        evidence_html(&b, &v);
        result = write_file(c, c->html, &b);
    }
    if (c->csv)
        output_format(&c->output, "%s\n", c->csv);
    if (v.form == EVIDENCE_JSON)
        result = ctl_print_json(c, evidence_json(&v, verdict_of(&v.report.verdict)),
                                JSON_INDENT(2) | JSON_SORT_KEYS);
    else if (v.form == EVIDENCE_TEXT)
        evidence_text(&c->output, &v);
    return result != EXIT_FINE ? result : v.report.verdict.n_findings ? EXIT_FOUND : EXIT_FINE;
}

static int render_key(struct output *o, const json_t *answer)
{
    output_text(o, member_text(answer, "key"));
    output_format(o, "\n");
    return EXIT_FINE;
}

/* The private part is the service's alone, so the daemon is asked. */
static int key(struct ctl *c)
{
    json_auto_t *answer = NULL;
    int r = ctl_ask(c, c->new ? "audit-key-new" : "audit-key", json_object(), &answer);

    return r != EXIT_FINE ? r : ctl_show(c, answer, render_key);
}

static int render_erased(struct output *o, const json_t *answer)
{
    long long n = member_number(answer, "lines"), files = member_number(answer, "files");
    long long old = member_number(answer, "old_form");

    output_format(o, "What %lld line%s in %lld file%s told of that person was erased.\n", n,
                  n == 1 ? "" : "s", files, files == 1 ? "" : "s");
    if (old)
        output_format(o,
                      "%lld line%s of the form before version 1 cannot be erased without "
                      "breaking the chain, and still tell%s of them.\n",
                      old, old == 1 ? "" : "s", old == 1 ? "s" : "");
    output_format(o, "Not touched: the journal, copies, exports and backups of the audit, and the "
                     "state, which holds whoever is in the directory or has a user.\n");
    return EXIT_FINE;
}

static int erase(struct ctl *c)
{
    json_auto_t *answer = NULL;

    if (c->n_arguments != 2)
        return ctl_misuse(c, "audit erase takes a person: an id, a DN or a login");
    int r = ctl_ask(c, "audit-erase", json_pack("{s:s}", "person", c->arguments[1]), &answer);
    return r != EXIT_FINE ? r : ctl_show(c, answer, render_erased);
}

static struct meter meter;

static void show_reading(uint64_t done, uint64_t total)
{
    meter_show(&meter, "Reading the audit", done, total, METER_BYTES);
}

static int run_audit(struct ctl *c)
{
    const char *what = c->arguments[0];
    CLEANUP(freep) char *otherwise = NULL;
    const char *const *files = (const char *const *)c->arguments + 1;
    size_t n_files = c->n_arguments - 1;

    if (strcmp(what, "key") == 0)
        return key(c);
    if (strcmp(what, "erase") == 0)
        return erase(c);
    bool proving = strcmp(what, "prove") == 0;
    if (proving && n_files == 0)
        return ctl_misuse(c, "audit prove takes a line's number");
    if (proving) {
        files++;
        n_files--;
    }
    if (n_files == 0) {
        otherwise = settings_peek(c->config_file, "audit", "file");
        if (!otherwise)
            return ctl_complain(c, EXIT_FAILED, "failed", "out of memory");
        files = (const char *const *)&otherwise;
        n_files = 1;
    }
    if (strcmp(what, "verify") == 0)
        return verify(c, files, n_files);
    if (strcmp(what, "show") == 0)
        return ctl_audit_show(c, files, n_files);
    if (proving)
        return prove(c, files, n_files, c->arguments[1]);
    if (strcmp(what, "report") == 0)
        return report(c, files, n_files);
    if (strcmp(what, "export") == 0)
        return ctl_export(c, files, n_files);
    if (strcmp(what, "who") == 0)
        return ctl_audit_who(c, files, n_files);
    return ctl_misuse(c, "audit takes: verify, show, who, report, export, prove, erase, key");
}

int ctl_audit(struct ctl *c)
{
    audit_files_watch(show_reading);
    int r = run_audit(c);
    audit_files_watch(NULL);
    meter_end(&meter);
    return r;
}
