/* Whether the CAs that vouched for a connection are those of now. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* By which files that were replaced or written to are told from what they were, those in a
 * folder as well. Either may be NULL, and one that is not there is told from one that is. */
struct trust {
    uint64_t file[6], folder[7];
    uint64_t looked_usec; /* into the folder, which takes longer */
    bool told;            /* that nobody can be trusted by them any more */
};
struct trust trust_of(const char *ca_file, const char *ca_directory);
/* Whether they are others now, by which somebody can be trusted: files that are not there, or
 * are just being written, are no reason to part from whom one trusts, which is logged once of
 * the connections to `peer`. For whoever asks often: into a folder it is looked once a second.
 */
bool trust_has_changed(struct trust *t, const char *ca_file, const char *ca_directory,
                       const char *peer, struct trust *ret);
