/* Whether a copy of the directory's options shares nothing with them. */
#pragma once
#include <stddef.h>
#include <string.h>

#include "base/memory.h"
#include "config/keys.h"
#include "config/settings.h"
#include "unit.h"

/* The directory keeps options of its own: nothing of them may be another's. */
static void expect_a_copy(const struct settings *s)
{
    config_parse_fn *const numbers[] = {config_parse_duration, config_parse_bytes,
                                        config_parse_unsigned, config_parse_choice,
                                        config_parse_yes_no};
    struct directory_options copy;
    assert_int_equal(directory_options_copy(&copy, &s->directory), 0);
    for (size_t i = 0; i < config_n_keys; i++) {
        const struct config_key *key = &config_keys[i];
        bool is_number = strcmp(key->section, "directory") != 0;
        for (size_t k = 0; k < ARRAY_SIZE(numbers); k++)
            is_number = is_number || key->parse == numbers[k];
        if (is_number)
            continue;
        const void *text, *copied;
        memcpy(&text, (const char *)s + key->slot, sizeof(text));
        memcpy(&copied, (const char *)&copy + key->slot - offsetof(struct settings, directory),
               sizeof(copied));
        if (!text || text == copied)
            fail_msg("%s is not copied", key->name);
    }
    directory_options_done(&copy);
}
