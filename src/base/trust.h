/* Whether the CAs that vouched for a connection are those of now. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* By which files that were replaced or written to are told from what they were; of a folder
 * only the list of what is in it counts. Either may be NULL, and one that is not there is told
 * from one that is. */
struct trust {
    uint64_t words[12];
};
struct trust trust_of(const char *ca_file, const char *ca_directory);
bool trust_equal(const struct trust *a, const struct trust *b);
