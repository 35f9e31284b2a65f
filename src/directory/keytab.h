/* Kerberos keytabs: which principals are in one, and how to offer just one of them. */
#pragma once
#include <stddef.h>

struct error;

/* Copies the keys of one principal ("name@REALM"; without a realm, of any) out of a keytab's
 * bytes. ret: malloc'd, to be wiped. -ENOENT with a sentence that lists who is there; -EBADMSG.
 * Pure. */
int keytab_select(const unsigned char *bytes, size_t size, const char *principal,
                  unsigned char **ret, size_t *ret_size, struct error *e);

/* Before each bind, on the connecting thread: makes the keytab the one that GSSAPI initiates
 * with. GSSAPI takes the first principal of a keytab; with `principal`, a copy in memory that
 * has no other is offered in its place. */
int keytab_offer(const char *path, const char *principal, struct error *e);
/* Once, before any thread: sets KRB5_CLIENT_KTNAME and a credential cache in memory. */
void keytab_prepare_process(const char *path, const char *principal);
