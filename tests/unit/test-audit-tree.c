/*
 * Trees of checkpoints and proofs by them: vectors, every leaf of every tree, proofs of all lines
 * of random histories, and forged ones.
 */
#include "config.h"

#include "audit-test.h"

#include "audit/recall.h"
#include "base/base64.h"
#include "base/buffer.h"

static void leaf(size_t i, struct chain_hash *ret)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "%zu", i);

    assert_int_equal(digest_raw(ret->bytes, &(struct digest_part){text, (size_t)n}, 1), 0);
}

/* Those of docs/audit-format.md, which a program in another language computed. */
static void test_vectors(void **state)
{
    static const struct {
        size_t n;
        const char *root;
    } rows[] = {{1, "X-zrZv_IbzjZUnhsbWlsecLbwjndTpG0ZynXOif7V-k"},
                {2, "geC71-F7kn5P45CdUse5fiDmKVfEOuSc3ETapvckgvw"},
                {3, "WG9G9P68VOonCEQ1Edn-NSYsF8mbody5P2Uuu8U70bs"},
                {7, "7-Go2ctO463SPpPQu67EmHLlHYXq_fbZMXia7Sjt5oQ"},
                {13, "k-P_OVjsR0Ke6LVzsoSnnyFJ4cmzGqXpsOxnUEnMLeM"},
                {64, "lO66Uu4n8zYbqA7WYdm3SKo1vDux40irlSDSeEH78L8"}};
    struct chain_hash leaves[TREE_LEAVES_MAX], root;
    char text[CHAIN_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < TREE_LEAVES_MAX; i++)
        leaf(i, &leaves[i]);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_int_equal(tree_root(leaves, rows[i].n, &root), 0);
        chain_text(text, &root);
        assert_string_equal(text, rows[i].root);
    }
}

/* Each leaf leads to the root from its own place and from no other. */
static void test_every_leaf(void **state)
{
    struct chain_hash leaves[TREE_LEAVES_MAX], path[TREE_DEPTH_MAX], root, end;

    (void)state;
    for (size_t i = 0; i < TREE_LEAVES_MAX; i++)
        leaf(i, &leaves[i]);
    for (size_t n = 1; n <= TREE_LEAVES_MAX; n++) {
        assert_int_equal(tree_root(leaves, n, &root), 0);
        for (size_t i = 0; i < n; i++) {
            size_t n_path = 99;

            assert_int_equal(tree_path(leaves, n, i, path, &n_path), 0);
            assert_true(n_path <= TREE_DEPTH_MAX);
            assert_int_equal(tree_climb(&leaves[i], n, i, path, n_path, &end), 0);
            assert_true(chain_equal(&end, &root));
            for (size_t k = 0; k < n; k++)
                if (k != i && tree_climb(&leaves[i], n, k, path, n_path, &end) == 0)
                    assert_false(chain_equal(&end, &root));
            if (n_path)
                assert_int_equal(tree_climb(&leaves[i], n, i, path, n_path - 1, &end), -EBADMSG);
            if (n_path < TREE_DEPTH_MAX)
                assert_int_equal(tree_climb(&leaves[i], n, i, path, n_path + 1, &end), -EBADMSG);
        }
        assert_int_equal(tree_climb(&leaves[0], n, n, path, 0, &end), -EBADMSG);
    }
    assert_int_equal(tree_climb(&leaves[0], TREE_LEAVES_MAX + 1, 0, path, 6, &end), -EBADMSG);
    assert_int_equal(tree_climb(&leaves[0], 0, 0, path, 0, &end), -EBADMSG);
}

static char key_path[160];

static struct audit_export *open_signed(struct fixture *f)
{
    struct audit_export *x = NULL;
    bool older;

    snprintf(key_path, sizeof(key_path), "%s/audit.key", f->folder);
    ok(f, audit_export_open(&x, f->s, audit_path, false, &older, &f->e));
    ok(f, audit_export_sign(x, key_path, &f->e));
    return x;
}

/* The third and the fourth line of a proof: contents and path. */
static const char *line_of(const char *proof, size_t n, size_t *ret_size)
{
    for (; n > 0; n--)
        proof = strchr(proof, '\n') + 1;
    *ret_size = strcspn(proof, "\n");
    return proof;
}

static size_t n_contents(const char *proof)
{
    size_t size;

    (void)line_of(proof, 2, &size);
    return size / 4 * 3 / DIGEST_SIZE;
}

struct history {
    struct fixture *f;
    struct audit_export *x;
    char *paths[64];
    size_t n_paths;
    uint64_t now;
};

static void go_on(struct history *h, uint64_t usec)
{
    h->now += usec;
    clock_freeze(h->now, h->now);
}

static void rotate(struct history *h)
{
    char *name;

    ok(h->f, audit_export_run(h->x, &h->f->e));
    assert_true(asprintf(&name, "%s.%zu", audit_path, h->n_paths) > 0);
    assert_int_equal(rename(audit_path, name), 0);
    h->paths[h->n_paths++] = name;
}

/* Some lines in one transaction; one in ten is undone. */
static void write_some(struct history *h)
{
    struct fixture *f = h->f;

    begin(f);
    for (int n = rand() % 9; n >= 0; n--) {
        struct audit_row row = {.event = "skip", .sentence = "x"};

        if (rand() % 5)
            row.entry_id = "id-1";
        if (rand() % 40 == 0)
            row.event = rand() % 2 ? "start" : "stop";
        ok(f, audit_record(f->s, &row, &f->e));
    }
    if (rand() % 10)
        commit(f);
    else
        state_rollback(f->s);
    if (rand() % 2)
        ok(f, audit_export_run(h->x, &f->e));
}

/* Stops, with a note of how far the file got or without; the lines are all in the state. */
static void begin_again(struct history *h)
{
    h->x = audit_export_close(h->x);
    reopen(h->f);
    h->x = open_signed(h->f);
}

static void write_history(struct history *h, int steps)
{
    for (int i = 0; i < steps; i++) {
        int what = rand() % 40;

        go_on(h, USEC_PER_SEC);
        if (what == 0)
            begin_again(h);
        else if (what == 1 && h->n_paths < 20)
            rotate(h);
        else if (what == 2)
            go_on(h, 3700 * USEC_PER_SEC);
        else if (what == 3)
            ok(h->f, audit_export_renew_key(h->x, &h->f->e));
        else
            write_some(h);
    }
    ok(h->f, audit_export_run(h->x, &h->f->e));
    h->paths[h->n_paths++] = strdup(audit_path);
}

static void history_done(struct history *h)
{
    audit_export_close(h->x);
    for (size_t i = 0; i < h->n_paths; i++)
        free(h->paths[i]);
    clock_freeze(0, 0);
}

/* Every line up to the last checkpoint has a proof, without contents and below 3 KiB; the ones
 * behind it are told to wait. */
static void test_random_histories(void **state)
{
    struct fixture *f = *state;
    struct history h = {.f = f, .now = 1800000000 * USEC_PER_SEC};
    struct audit_verify_result v = {0};
    size_t largest = 0, n_proofs = 0;

    srand(7);
    go_on(&h, 1);
    h.x = open_signed(f);
    write_history(&h, 220);
    const char *const *paths = (const char *const *)h.paths;
    ok(f, audit_verify(paths, h.n_paths, NULL, &v, &f->e));
    if (v.n_findings)
        fail_msg("%s:%u: %s", v.findings->file, v.findings->line, v.findings->sentence);
    assert_true(v.n_lines > 500 && v.n_checkpoints > 20);
    for (int64_t seq = 1; seq <= (int64_t)v.last_seq; seq++) {
        CLEANUP(buffer_done) struct buffer b = {0};
        struct audit_proof proof = {0};
        int r = audit_prove(seq, paths, h.n_paths, &b, &f->e);

        if (seq >= v.last_checkpoint) {
            assert_int_equal(r, -ENODATA);
            continue;
        }
        ok(f, r);
        ok(f, audit_verify_proof(b.data, NULL, &proof, &f->e));
        assert_int_equal(proof.seq, seq);
        assert_true(proof.checkpoint >= seq && proof.checkpoint < seq + 64);
        assert_int_equal(n_contents(b.data), 0);
        largest = b.size > largest ? b.size : largest;
        n_proofs++;
        free(proof.line);
    }
    print_message("%zu proofs of %llu lines, %llu checkpoints; the largest has %zu bytes\n",
                  n_proofs, (unsigned long long)v.n_lines, (unsigned long long)v.n_checkpoints,
                  largest);
    assert_true(largest < 1600); /* one of a create is longer, and still below 3 KiB */
    audit_verify_result_done(&v);
    history_done(&h);
}

/* Where the state was lost, the lines of the file before it are not known: the tree begins behind
 * them, and they lead to it by the chain. */
static void test_before_the_tree(void **state)
{
    struct fixture *f = *state;
    struct audit_export *x = open_signed(f);
    struct audit_proof proof = {0};
    bool created;

    record(f, "start", "x"); /* 1, and the checkpoint 2 */
    for (int i = 0; i < 40; i++)
        record(f, "skip", "x"); /* to 42 */
    ok(f, audit_export_run(x, &f->e));
    audit_export_close(x);
    f->s = state_close(f->s);
    assert_int_equal(unlink(f->path), 0);
    ok(f, state_open(&f->s, f->path, &created, &f->e));
    x = open_signed(f); /* 43: a repair */
    record(f, "start", "x");
    ok(f, audit_export_run(x, &f->e));
    audit_export_close(x);
    whole(f, 45, FILES(audit_path));
    for (int64_t seq = 1; seq < 45; seq++) {
        CLEANUP(buffer_done) struct buffer b = {0};

        ok(f, audit_prove(seq, FILES(audit_path), &b, &f->e));
        ok(f, audit_verify_proof(b.data, NULL, &proof, &f->e));
        assert_int_equal(proof.seq, seq);
        assert_int_equal(proof.checkpoint, seq < 2 ? 1 : 44);
        assert_int_equal(n_contents(b.data), seq >= 2 && seq < 42 ? 42 - seq : 0);
        free(proof.line);
    }
}

static bool is_proof(const char *text)
{
    struct audit_proof proof = {0};
    struct error e;
    int r = audit_verify_proof(text, NULL, &proof, &e);

    free(proof.line);
    if (r < 0 && r != -EBADMSG)
        fail_msg("%d: %s", r, e.message);
    return r == 0;
}

static char *proof_of(struct fixture *f, int64_t seq)
{
    CLEANUP(buffer_done) struct buffer b = {0};

    ok(f, audit_prove(seq, FILES(audit_path), &b, &f->e));
    return buffer_take(&b);
}

/* Any byte that is another one, is missing or is one too many. */
static void change_every_byte(const char *proof)
{
    static const char others[] = "\x01 \n09AzZ+/=-_\"}\xff";
    size_t size = strlen(proof);
    char *copy = malloc(size + 2);

    for (size_t i = 0; i < size; i++) {
        memcpy(copy, proof, size + 1);
        copy[i] ^= 1;
        if (copy[i] && is_proof(copy))
            fail_msg("byte %zu: %s", i, copy);
        copy[i] = others[i % (sizeof(others) - 1)];
        if (copy[i] != proof[i] && is_proof(copy))
            fail_msg("byte %zu: %s", i, copy);
        memmove(copy + i, proof + i + 1, size - i);
        if (is_proof(copy))
            fail_msg("without byte %zu: %s", i, copy);
        memcpy(copy, proof, i);
        copy[i] = others[i % (sizeof(others) - 1)];
        memcpy(copy + i + 1, proof + i, size - i + 1);
        if (is_proof(copy))
            fail_msg("one more at %zu: %s", i, copy);
    }
    free(copy);
}

static void put_lines(char *to, const char *const *from, const size_t *which)
{
    for (size_t i = 0; i < 12; i++) {
        size_t size;
        const char *line = line_of(from[which[i]], i, &size);

        memcpy(to, line, size + 1);
        to += size + 1;
    }
    *to = '\0';
}

/* Lines of two proofs mixed, lines left out or twice, and paths that are cut, made longer or come
 * from elsewhere. */
static void test_forged(void **state)
{
    struct fixture *f = *state;
    struct audit_export *x = open_signed(f);
    char mixed[8192];

    record(f, "start", "x");
    begin(f);
    for (int i = 0; i < 140; i++) {
        char id[24];

        snprintf(id, sizeof(id), "id-%d", i);
        ok(f, audit_record(f->s, &(struct audit_row){.event = "skip", .entry_id = id}, &f->e));
    }
    commit(f);
    ok(f, audit_export_run(x, &f->e));
    audit_export_close(x);
    CLEANUP(freep) char *a = proof_of(f, 17), *b = proof_of(f, 18);
    CLEANUP(freep) char *c = proof_of(f, 90), *d = proof_of(f, 1);
    const char *const all[] = {a, b, c, d};
    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        assert_true(is_proof(all[i]));
        change_every_byte(all[i]);
    }
    srand(3);
    for (int i = 0; i < 20000; i++) {
        size_t which[12], n_same = 0;

        for (size_t k = 0; k < 12; k++)
            which[k] = (size_t)rand() % (rand() % 4 ? 2 : 4);
        put_lines(mixed, all, which);
        for (size_t k = 0; k < 4; k++)
            n_same += strcmp(mixed, all[k]) == 0;
        if (!n_same && is_proof(mixed))
            fail_msg("mixed: %s", mixed);
    }
    /* Without what it tells of the person it is still one; with another's it is none. */
    char *p = strstr(a, ",\"p\":{"), *end = strchr(a, '\n');
    end = strchr(end + 1, '\n');
    snprintf(mixed, sizeof(mixed), "%.*s}%s", (int)(p - a), a, end);
    assert_true(is_proof(mixed));
}

/* A signed tree that is not over the lines before it: its key's owner made it so. */
static void test_another_tree(void **state)
{
    struct fixture *f = *state;
    struct audit_export *x = open_signed(f);
    struct audit_verify_result v = {0};

    record(f, "start", "x");
    record(f, "skip", "x");
    ok(f, audit_export_run(x, &f->e));
    /* The composer is made to believe that another line stood there. */
    begin(f);
    uint64_t epoch;
    struct audit_memory *m = trail_attached(f->s, &epoch);
    m->window.links[0].bytes[0] ^= 1;
    ok(f, audit_record(f->s, &(struct audit_row){.event = "stop"}, &f->e));
    commit(f);
    ok(f, audit_export_run(x, &f->e));
    audit_export_close(x);
    ok(f, audit_verify(FILES(audit_path), NULL, &v, &f->e));
    assert_int_equal(v.n_findings, 1);
    assert_int_equal(v.findings->line, 5);
    assert_non_null(strstr(v.findings->sentence, "signature: the tree that line 5 signs"));
    audit_verify_result_done(&v);
    CLEANUP(buffer_done) struct buffer b = {0};
    assert_int_equal(audit_prove(3, FILES(audit_path), &b, &f->e), -EBADMSG);
    assert_non_null(strstr(f->e.message, "they prove nothing"));
    assert_int_equal(b.size, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),     cmocka_unit_test(test_every_leaf),
        audit_test(test_random_histories), audit_test(test_before_the_tree),
        audit_test(test_forged),           audit_test(test_another_tree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
