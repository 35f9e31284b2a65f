/*
 * What a check tries, as commands that a person can run: each search as one of ldapsearch, each
 * request as one of curl. They are noted when they are sent, so they are what was tried.
 * Secrets are files here as there, and what would write is not among them.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/check.h"
#include "daemon/daemon.h"
#include "daemon/report.h"

#define COMMANDS_MAX 60 /* a server may be asked for each group that it does not show */

/* ' TEXT' for a shell. */
static void add_word(struct buffer *b, const char *text)
{
    buffer_add_text(b, " '");
    for (const char *p = text; *p; p++)
        if (*p == '\'')
            buffer_add_text(b, "'\\''");
        else
            buffer_add(b, p, 1);
    buffer_add_text(b, "'");
}

static void add_option(struct buffer *b, const char *option, const char *text)
{
    buffer_format(b, " %s", option);
    add_word(b, text);
}

/* A secret's file without the end of its line, which is no part of it. A name without a slash is
 * a credential of the service. */
static void add_secret(struct buffer *b, const char *file)
{
    buffer_add_text(b, "tr -d '\\r\\n' <");
    if (file[0] != '/') {
        buffer_add_text(b, " \"$CREDENTIALS_DIRECTORY\"/");
        buffer_add_text(b, file);
    } else {
        add_word(b, file);
    }
    buffer_add_text(b, " | ");
}

static void add(struct check_run *c, const char *program, const char *what, struct buffer *command)
{
    size_t i;
    json_t *known;
    if (json_array_size(c->commands) >= COMMANDS_MAX)
        return;
    json_array_foreach (c->commands, i, known)
        if (command->data &&
            text_equal(json_string_value(json_object_get(known, "command")), command->data))
            return;
    json_t *row = json_pack("{s:s, s:o, s:o}", "program", program, "what", report_text(what),
                            "command", report_text(command->data));
    if (command->failed || json_array_append_new(c->commands, row) < 0)
        c->out_of_memory = true;
}

/* -- the directory -- */

static void add_ldap_environment(struct buffer *b, const struct directory_options *o)
{
    const struct {
        const char *name, *value;
    } set[] = {{"LDAPTLS_CACERT", o->tls_ca_file},
               {"LDAPTLS_CACERTDIR", o->tls_ca_directory},
               {"LDAPTLS_CERT", o->tls_certificate_file},
               {"LDAPTLS_KEY", o->tls_key_file},
               {"KRB5_CLIENT_KTNAME", o->keytab}};
    for (size_t i = 0; i < ARRAY_SIZE(set); i++)
        if (set[i].value) {
            CLEANUP(buffer_done) struct buffer quoted = {0};
            add_word(&quoted, set[i].value);
            buffer_format(b, "%s=%s ", set[i].name, quoted.data ? quoted.data + 1 : "");
        }
}

static void add_bind(struct buffer *b, const struct directory_options *o)
{
    switch (o->bind) {
    case DIRECTORY_BIND_SIMPLE:
        buffer_add_text(b, " -x");
        add_option(b, "-D", o->bind_dn ? o->bind_dn : "");
        buffer_add_text(b, " -y /dev/stdin");
        break;
    case DIRECTORY_BIND_EXTERNAL: buffer_add_text(b, " -Q -Y EXTERNAL"); break;
    case DIRECTORY_BIND_GSSAPI: buffer_add_text(b, " -Q -N -Y GSSAPI -O maxssf=0"); break;
    case DIRECTORY_BIND_ANONYMOUS: buffer_add_text(b, " -x"); break;
    }
}

static bool starts_tls(const struct directory_options *o, const char *uri)
{
    return strncmp(uri, "ldap://", 7) == 0 && o->tls != DIRECTORY_TLS_NO;
}

static void add_search(struct buffer *b, const struct directory_search *s,
                       const struct directory_options *o)
{
    static const char *const scopes[] = {"base", "one", "sub"};
    add_option(b, "-b", s->base);
    buffer_format(b, " -s %s", scopes[s->scope >= 0 && s->scope <= 2 ? s->scope : 2]);
    if (s->paged)
        buffer_format(b, " -E pr=%u/noprompt", o->page_size);
    if (s->synchronises)
        buffer_add_text(b, " -E sync=ro");
    add_word(b, s->filter);
    for (const char *const *a = s->attributes; a && *a; a++)
        add_word(b, *a);
}

static void on_search(const struct directory_search *s, void *userdata)
{
    struct check_run *c = userdata;
    const struct directory_options *o = &c->settings->directory;
    CLEANUP(buffer_done) struct buffer b = {0}, what = {0};
    if (o->bind == DIRECTORY_BIND_SIMPLE && o->bind_password_file)
        add_secret(&b, o->bind_password_file);
    add_ldap_environment(&b, o);
    buffer_add_text(&b, "ldapsearch -LLL -o ldif-wrap=no");
    add_option(&b, "-H", s->uri);
    if (starts_tls(o, s->uri))
        buffer_add_text(&b, " -ZZ");
    add_bind(&b, o);
    add_search(&b, s, o);
    buffer_format(&what, "%s%s", s->scope == 0 ? "the entry " : "all below ",
                  *s->base ? s->base : "of the server itself");
    add(c, "ldapsearch", what.data, &b);
}

void check_note_searches(struct check_run *c, struct directory *d)
{
    directory_on_search(d, on_search, c);
}

/* -- the tenant -- */

static void add_curl(struct buffer *b, const struct tenant_options *o)
{
    buffer_add_text(b, "curl -sS --fail-with-body");
    if (o->tls_ca_file)
        add_option(b, "--cacert", o->tls_ca_file);
    if (o->tls_ca_directory)
        add_option(b, "--capath", o->tls_ca_directory);
}

static void add_form(struct buffer *b, const char *name, const char *value)
{
    CLEANUP(buffer_done) struct buffer pair = {0};
    buffer_format(&pair, "%s=%s", name, value);
    add_option(b, "--data-urlencode", pair.data ? pair.data : "");
}

/* The token goes into a file that later commands name, and into no argument. */
static void note_token(struct check_run *c, const char *url)
{
    const struct tenant_options *o = &c->settings->tenant;
    CLEANUP(buffer_done) struct buffer b = {0};
    buffer_add_text(&b, "token=$(umask 077; mktemp) && ");
    add_secret(&b, o->client_secret_file);
    add_curl(&b, o);
    buffer_add_text(&b, " -d grant_type=client_credentials");
    add_form(&b, "client_id", o->client_id);
    buffer_add_text(&b, " --data-urlencode client_secret@-");
    if (o->scope)
        add_form(&b, "scope", o->scope);
    add_word(&b, url);
    buffer_add_text(&b, " | sed -n 's/.*\"access_token\" *: *\"\\([^\"]*\\)\".*/Authorization: "
                        "Bearer \\1/p' >\"$token\"");
    add(c, "curl", "a token, into a file", &b);
}

static void on_request(const char *method, const char *url, void *userdata)
{
    struct check_run *c = userdata;
    const char *host = strstr(url, "://"), *path = host ? strchr(host + 3, '/') : NULL;
    CLEANUP(buffer_done) struct buffer b = {0}, what = {0};
    if (strcmp(method, "GET") != 0)
        return;
    add_curl(&b, &c->settings->tenant);
    buffer_add_text(&b, " -H @\"$token\" -H '" TENANT_ACCEPT "'");
    add_word(&b, url);
    buffer_format(&what, "GET %s", path ? path : url);
    add(c, "curl", what.data, &b);
}

void check_note_requests(struct check_run *c, struct tenant_client *client)
{
    note_token(c, tenant_client_token_url(client));
    tenant_client_on_request(client, on_request, c);
}
