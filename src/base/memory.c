/*
 * Growing an array. Nothing here knows what the elements are; it refuses sizes that overflow
 * instead of wrapping round.
 */
#include "config.h"

#include "base/memory.h"

#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <string.h>

#define FIRST_CAPACITY 8
#define KEPT_MAX       ((size_t)2 * 1024 * 1024)

int memory_grow(void *items, size_t *capacity, size_t needed, size_t size)
{
    size_t grown = *capacity;
    void *old, *new;

    if (needed <= *capacity)
        return 0;
    if (size == 0 || needed > SIZE_MAX / 2 / size)
        return -ENOMEM;
    if (grown < FIRST_CAPACITY)
        grown = FIRST_CAPACITY;
    while (grown < needed)
        grown *= 2;
    if (grown > SIZE_MAX / 2 / size)
        grown = needed;

    /* `items` points to a pointer to some type; memcpy reads it without breaking aliasing. */
    memcpy(&old, items, sizeof(old));
    new = realloc(old, grown * size);
    if (!new)
        return -ENOMEM;
    memcpy(items, &new, sizeof(new));
    *capacity = grown;
    return 0;
}

void memory_rest(void)
{
    if (mallinfo2().fordblks > KEPT_MAX)
        (void)malloc_trim(0);
}
