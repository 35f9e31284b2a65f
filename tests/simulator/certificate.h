/* Certificates for rehearsals. */
#pragma once

/* Makes ca.pem, server.pem and server.key in the folder unless all are there: a CA, and a
 * certificate by it for 127.0.0.1 and localhost. 0, or -1 with a message on stderr. */
int certificate_make(const char *folder);
