/* What every unit test includes: cmocka insists on headers before its own. */
#pragma once
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* A row of a table names itself when it fails. */
#define assert_row(row, condition)                                                             \
    do {                                                                                       \
        if (!(condition))                                                                      \
            fail_msg("row \"%s\": %s", (row), #condition);                                     \
    } while (0)
