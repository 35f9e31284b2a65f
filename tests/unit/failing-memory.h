/*
 * The allocation of one number fails. For one program: the linker's --wrap of malloc, calloc,
 * realloc, strdup and strndup puts it in.
 */
#pragma once
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static long fail_after = -1; /* allocations until one fails; -1: none does, or one did */

static bool fails(void)
{
    return fail_after >= 0 && fail_after-- == 0;
}

#define WRAP(type, name, parameters, arguments)                                                \
    type __real_##name parameters;                                                             \
    type __wrap_##name parameters;                                                             \
    type __wrap_##name parameters                                                              \
    {                                                                                          \
        return fails() ? NULL : __real_##name arguments;                                       \
    }

WRAP(void *, malloc, (size_t size), (size))
WRAP(void *, calloc, (size_t n, size_t size), (n, size))
WRAP(void *, realloc, (void *p, size_t size), (p, size))
WRAP(char *, strdup, (const char *text), (text))
WRAP(char *, strndup, (const char *text, size_t size), (text, size))
