/* What every unit test includes: cmocka insists on its headers and their order. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* A row of a table names itself when it fails. */
#define assert_row(row, condition)                                                             \
    do {                                                                                       \
        if (!(condition)) {                                                                    \
            print_error("row \"%s\": %s\n", (row), #condition);                                \
            fail();                                                                            \
        }                                                                                      \
    } while (0)
