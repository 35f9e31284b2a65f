/*
 * The service that a configuration belongs to, as its unit files describe it: which user it
 * runs as and which credentials it is given (systemd.exec(5), User=, LoadCredential=). Root can
 * read what the service cannot, so a check that is to tell whether the service would start
 * becomes that user first.
 */
#pragma once
#include <stddef.h>
#include <sys/types.h>

#include "base/text.h"

struct error;

struct service {
    char unit[300]; /* "rosterd.service", "rosterd@berlin.service" */
    char *user;
    uid_t uid;
    gid_t gid;
    struct string_list credentials; /* "ID:PATH" each, as in the unit */
    char folder[64];                /* $CREDENTIALS_DIRECTORY of the child; "" without any */
};

/* config_file is no service's (it does not stand in the folder of their configurations), or no
 * unit names a user that this machine knows. */
#define SERVICE_NONE 1
/* root: "" or where the tree of unit files begins. */
int service_find(struct service *ret, const char *config_file, const char *root, struct error *e);
/* Copies the credentials into a private folder of the user; needs root. */
int service_offer_credentials(struct service *s, struct error *e);
/* In the child, before exec: becomes the user for good. */
int service_become(const struct service *s, struct error *e);
void service_done(struct service *s); /* removes the folder */
