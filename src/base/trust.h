/* Whether the CAs that vouched for a connection are those of now. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* By which files that were replaced or written to are told from what they were, those in a
 * folder as well. Either may be NULL, and one that is not there is told from one that is. */
struct trust {
    uint64_t file[6], folder[7];
    uint64_t looked_usec; /* into the folder, which takes longer */
};
struct trust trust_of(const char *ca_file, const char *ca_directory);
/* The same a while later; whether it differs from what it was. For whoever asks often: into a
 * folder it is looked once a second. */
bool trust_has_changed(const struct trust *before, const char *ca_file,
                       const char *ca_directory, struct trust *ret);
/* Whether anybody may be trusted by them: a file that is not there, or is just being written,
 * is no reason to part from whom one trusts. */
bool trust_is_usable(const char *ca_file, const char *ca_directory);
