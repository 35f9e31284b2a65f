/*
 * Small blocks of some sizes, each thread's own, that are used again and never given back: of a
 * program's objects as many stay as it once had at a time. A block knows its size by the word in
 * front of it.
 */
#include "config.h"

#include "base/json-memory.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define UNIT   16U
#define LARGE  0U  /* malloc()'s */
#define SIZES  17U /* the others have 1 to 16 units, the word included */
#define CHUNK  (64U * 1024)

#if !defined(__SANITIZE_ADDRESS__)
struct block {
    uint64_t n_units; /* LARGE, or how many */
    struct block *next; /* while nobody has it; else what is in it begins here */
};
#define WORD offsetof(struct block, next)

/* Chunks are listed, so that whoever looks for lost memory finds them. */
struct chunk {
    struct chunk *next;
    uint64_t aligned;
};

static struct chunk *chunks;
static __thread struct block *unused[SIZES];
static __thread char *fresh, *fresh_end;

static struct block *take_fresh(size_t size)
{
    struct block *b;

    if ((size_t)(fresh_end - fresh) < size) {
        struct chunk *c = malloc(CHUNK);

        if (!c)
            return NULL;
        c->next = __atomic_load_n(&chunks, __ATOMIC_RELAXED);
        while (!__atomic_compare_exchange_n(&chunks, &c->next, c, false, __ATOMIC_RELEASE,
                                            __ATOMIC_RELAXED))
            ;
        fresh = (char *)(c + 1);
        fresh_end = (char *)c + CHUNK;
    }
    b = (struct block *)(void *)fresh;
    fresh += size;
    return b;
}

static void *take(size_t size)
{
    size_t n = (size + WORD + UNIT - 1) / UNIT;
    struct block *b = n < SIZES ? unused[n] : malloc(size + WORD);

    if (n >= SIZES)
        n = LARGE;
    else if (b)
        unused[n] = b->next;
    else
        b = take_fresh(n * UNIT);
    if (!b)
        return NULL;
    b->n_units = n;
    return (char *)b + WORD;
}

static void give_back(void *p)
{
    struct block *b = p ? (struct block *)(void *)((char *)p - WORD) : NULL;

    if (!b)
        return;
    if (b->n_units == LARGE) {
        free(b);
        return;
    }
    b->next = unused[b->n_units];
    unused[b->n_units] = b;
}

void json_memory_pool(void)
{
    json_set_alloc_funcs(take, give_back);
}
#else
/* Where mistakes with memory are looked for each block is a block of its own. */
void json_memory_pool(void)
{
}
#endif
