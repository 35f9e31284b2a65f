/*
 * What the kinds of tenants build their requests of. Logins and ids are percent-encoded into the
 * path.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/secret.h"
#include "tenant/call.h"

void call_request_done(struct call_request *r)
{
    free(r->url);
    if (r->body) {
        explicit_bzero(r->body, r->body_size); /* may hold a password */
        free(r->body);
    }
    free(r->login);
    free(r->id);
    free(r->version);
    free(r->value);
    secret_wipe_string(r->password);
    *r = (struct call_request){0};
}

int call_text(char **to, const char *text, struct error *e)
{
    *to = strdup(text);
    return *to ? 0 : error_out_of_memory(e);
}

int call_url(char **ret, const struct tenant_client *c, const char *path, const char *name,
             struct error *e)
{
    CLEANUP(freep) char *escaped = NULL;
    if (name && (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0))
        return error_set(e, -EINVAL, "'%s' cannot name a user of the tenant", name);
    if (name && !(escaped = http_escape(name)))
        return error_out_of_memory(e);
    if (asprintf(ret, "%s%s%s%s", http_base_url(c->http), path, name ? "/" : "",
                 name ? escaped : "") < 0) {
        *ret = NULL;
        return error_out_of_memory(e);
    }
    return 0;
}

int call_other_subject(struct error *e)
{
    return error_set(e, -EBADMSG, "the answer is about another user than the one asked for");
}
