/* The key that signs checkpoints (Ed25519), and signed notes as C2SP describes them
 * (c2sp.org/signed-note). */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct buffer;
struct error;
struct signer;

#define SIGNER_NAME_MAX 128
#define SIGNER_VKEY_MAX (SIGNER_NAME_MAX + 64)
#define SIGNER_SIG_MAX  96 /* base64 of four bytes of the key's id and 64 of the signature */

/* The key in $CREDENTIALS_DIRECTORY/audit-key, else in the file at path, which is made (0600)
 * when it is not there. */
int signer_open(struct signer **ret, const char *path, struct error *e);
/* Is it the service's credential, which rosterd cannot write? */
bool signer_is_credential(const struct signer *s);
/* Makes a new key beside the one at path, durable. */
int signer_prepare(struct signer **ret, const char *path, struct error *e);
/* What was prepared takes the place of the key at path if it is the one of that vkey, which is
 * known to have taken over; otherwise (or vkey NULL) it is removed. 0 as well when nothing was.
 * What cannot be read now stays. */
int signer_settle(const char *path, const char *vkey, struct error *e);
struct signer *signer_free(struct signer *s);
/* NAME+ID+KEY: what a verifier needs. Borrowed. */
const char *signer_vkey(const struct signer *s);
const char *signer_name(const struct signer *s);
int signer_sign(const struct signer *s, const char *text, size_t size,
                char ret[static SIGNER_SIG_MAX + 1], struct error *e);

/* Is `sig` the signature over the text of the key that vkey names? Anything malformed: no. */
bool signer_verify(const char *vkey, const char *text, size_t size, const char *sig);
/* The name in front of a vkey; false when it is none. */
bool signer_vkey_name(const char *vkey, char ret[static SIGNER_NAME_MAX + 1]);

static inline void signer_freep(struct signer **s)
{
    if (*s)
        signer_free(*s);
}
