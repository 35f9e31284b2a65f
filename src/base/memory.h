/* Ownership in two macros: CLEANUP releases a local at the end of its scope, TAKE hands it
 * over. */
#pragma once
#include <stdlib.h>

#define CLEANUP(fn) __attribute__((cleanup(fn)))

/* Returns the value of p and leaves NULL behind, so that p's cleanup releases nothing. */
#define TAKE(p)                                                                                    \
    ({                                                                                             \
        __auto_type take_ptr_ = &(p);                                                              \
        __auto_type take_value_ = *take_ptr_;                                                      \
        *take_ptr_ = NULL;                                                                         \
        take_value_;                                                                               \
    })

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Defines `static inline void fnp(type **p)` for CLEANUP from a free function that accepts
 * NULL. */
#define DEFINE_CLEANUP(type, fn)                                                                   \
    static inline void fn##p(type *p)                                                              \
    {                                                                                              \
        if (*p)                                                                                    \
            fn(*p);                                                                                \
    }

DEFINE_CLEANUP(char *, free) /* freep: for strings */

/* Grows *items (elements of `size` bytes) so that at least `needed` fit; *capacity counts
 * elements. Returns 0 or -ENOMEM, with *items untouched. */
int memory_grow(void *items, size_t *capacity, size_t needed, size_t size);
/* Gives back to the system what the C library keeps for later, if that is much. */
void memory_rest(void);
