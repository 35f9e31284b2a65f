/*
 * Saying what was done to the lines of a chain that does not hold: all of them are looked at
 * together. The finding of each stands where the line stands.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>

#include "audit/locate.h"
#include "audit/verify-internal.h"
#include "base/error.h"
#include "base/memory.h"

/* Does the signature of a checkpoint speak for its prev? With the key that its file ends with:
 * good enough for saying which of two lines was changed. */
static bool is_signed(const struct verifier *v, const struct line_chain *l, const char *line)
{
    if (!verify_is_event(l, line, "checkpoint"))
        return false;
    json_auto_t *object = json_loads(line, 0, NULL);
    struct note n;

    return v->key[0] && verify_signature_fits(v, l, object, &n);
}

static int read_all(struct verifier *v, struct located_list *all, struct error *e)
{
    CLEANUP(line_reader_done) struct line_reader l = {.files = v->files, .passes_damage = true};
    int r;

    while ((r = line_reader_next(&l, e)) > 0) {
        struct located x = {.file = l.file, .line = l.number, .torn = l.torn};
        struct line_chain c;

        r = l.torn ? 0 : line_parse(l.line, l.size, &c);
        if (r < 0)
            return error_set(e, r, "SHA-256 failed");
        if (r > 0) {
            x.parsed = true;
            x.seq = c.seq;
            x.prev = c.prev;
            x.link = c.link;
            x.version = c.version;
            x.signed_prev = is_signed(v, &c, l.line);
            if (c.version == LINE_NEW && chain_content(c.head, c.head_size, &x.content) < 0)
                return error_set(e, -EIO, "SHA-256 failed");
        }
        if (locate_add(all, &x) < 0)
            return error_out_of_memory(e);
    }
    return r;
}

static int tell(struct verifier *v, const struct located *x)
{
    int64_t n = x->seq;
    int r = 0;

    if (x->gap_before && x->gap + 2 == n)
        r = verify_found(v, x->file, x->line, n,
                         "missing: line %" PRId64 " was removed before this one", n - 1);
    else if (x->gap_before)
        r = verify_found(v, x->file, x->line, n,
                         "missing: the lines %" PRId64 " to %" PRId64
                         " were removed before this one",
                         x->gap + 1, n - 1);
    if (r < 0)
        return r;
    switch (x->kind) {
    case LOCATED_FINE:
    case LOCATED_AFTER_GAP: return 0;
    case LOCATED_CHANGED:
        return verify_found(
            v, x->file, x->line, n,
            "changed: line %" PRId64 " is not what it was when the next one was written", n);
    case LOCATED_NUMBER:
        return verify_found(v, x->file, x->line, n,
                            "changed: this is line %" PRId64 ", and its number was changed", n);
    case LOCATED_NO_LINE:
        return verify_found(
            v, x->file, x->line, n,
            "changed: this is not an audit line any more; line %" PRId64 " belongs here", n);
    case LOCATED_DOUBTFUL:
        return verify_found(
            v, x->file, x->line, n,
            "changed: line %" PRId64
            " is not what the next line says of it; one of the two was edited, or both, "
            "or lines were removed and the rest numbered anew",
            n);
    case LOCATED_INSERTED:
        if (!x->parsed)
            return verify_found(v, x->file, x->line, 0,
                                "inserted: this is not an audit line, and none is missing here");
        return verify_found(
            v, x->file, x->line, n,
            "inserted: a second line %" PRId64 ", which the lines around it do not know", n);
    case LOCATED_REPEATED:
        return verify_found(v, x->file, x->line, n, "inserted: line %" PRId64 " is here twice", n);
    case LOCATED_REORDERED:
        return verify_found(v, x->file, x->line, n,
                            "reordered: line %" PRId64 " stands where another one belongs", n);
    case LOCATED_TORN:
        return verify_found(
            v, x->file, x->line, n,
            "torn: the line has no end (a crash or a full disk cut it, or rosterd is "
            "just writing it); rosterd repairs that when it starts");
    }
    return 0;
}

/* The first line of all names no line before it. */
static void check_very_first(struct located_list *all)
{
    static const struct chain_hash none;

    for (size_t i = 0; i < all->n_items; i++)
        if (all->items[i].parsed && all->items[i].seq == 1 && all->items[i].kind == LOCATED_FINE &&
            !chain_equal(&all->items[i].prev, &none))
            all->items[i].kind = LOCATED_CHANGED;
}

int verify_find_breaks(struct verifier *v, struct error *e)
{
    CLEANUP(located_list_done) struct located_list all = {0};
    int r = read_all(v, &all, e);

    if (r == 0)
        r = locate(&all, e);
    if (r == 0)
        check_very_first(&all);
    for (size_t i = 0; r == 0 && i < all.n_items; i++)
        r = tell(v, &all.items[i]) < 0 ? error_out_of_memory(e) : 0;
    return r;
}
