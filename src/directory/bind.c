/*
 * Proves to the server who we are: simple, SASL EXTERNAL (client certificate or Unix socket),
 * or SASL GSSAPI. A refused password is told apart from a server that is out of order, because
 * trying again quickly would lock the account. It runs on a thread that may block.
 */
#include "config.h"

#include "directory/bind.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/secret.h"
#include "directory/keytab.h"
#include "directory/libldap.h"
#include "directory/options.h"

static bool is_refusal(int code)
{
    switch (code) {
    case LDAP_INVALID_CREDENTIALS:
    case LDAP_INAPPROPRIATE_AUTH:
    case LDAP_STRONG_AUTH_REQUIRED:
    case LDAP_AUTH_METHOD_NOT_SUPPORTED:
    case LDAP_INSUFFICIENT_ACCESS:
    case LDAP_CONFIDENTIALITY_REQUIRED:
    case LDAP_NO_SUCH_OBJECT:
    case LDAP_INVALID_DN_SYNTAX:
    case LDAP_UNWILLING_TO_PERFORM: return true;
    default: return false;
    }
}

/* What Active Directory means by "data NNN" behind a refused bind. */
static const struct {
    const char *data, *sentence;
} microsoft[] = {
    {", data 525,", "there is no such account"},
    {", data 52e,", "the name or the password is wrong"},
    {", data 530,", "the account may not log in at this time"},
    {", data 531,", "the account may not log in from this machine"},
    {", data 532,", "the account's password has expired: set a new one"},
    {", data 533,", "the account is disabled"},
    {", data 701,", "the account has expired"},
    {", data 773,", "the account must change its password: set a new one"},
    {", data 775,", "the account is locked"},
};

static const char *explanation(int code, const char *said, const char **ret_data)
{
    if (code != LDAP_INVALID_CREDENTIALS)
        return NULL;
    for (size_t i = 0; said && i < ARRAY_SIZE(microsoft); i++) {
        *ret_data = microsoft[i].data;
        if (strstr(said, *ret_data))
            return microsoft[i].sentence;
    }
    return NULL;
}

/* password: NULL: there is none. */
static int answer(LDAP *ld, int code, const char *what, const struct bind_request *q,
                  const struct secret *password, bool *ret_refused, struct error *e)
{
    if (code == LDAP_SUCCESS)
        return 0;
    *ret_refused = is_refusal(code);
    if (code == LDAP_INVALID_DN_SYNTAX && q->dn && !strchr(q->dn, '='))
        return error_set(e, -EINVAL,
                         "%s: this server takes no name such as %s, only a DN: write the "
                         "account's DN into [directory] bind_dn",
                         q->uri, q->dn);
    CLEANUP(libldap_memory_freep) char *said = NULL;
    ldap_get_option(ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &said);
    const char *data = NULL, *why = explanation(code, said, &data);
    if (why)
        return error_set(e, -EACCES, "%s: the server refuses the bind %s: %s (LDAP code %d%.*s)",
                         q->uri, what, why, code, (int)strlen(data) - 1, data);
    /* The bind is the first request: libldap connects for it. */
    if (code == LDAP_SERVER_DOWN || code == LDAP_CONNECT_ERROR)
        return libldap_error_of(e, ld, password, code, "%s: no %sconnection", q->uri,
                                q->tls ? "TLS " : "");
    return libldap_error_of(e, ld, password, code, "%s: the server %s the bind %s", q->uri,
                            *ret_refused ? "refuses" : "did not complete", what);
}

/* Behaves as ldap_sasl_bind_s(), and hears what the password policy says beside the result
 * (draft-behera-ldap-password-policy): a server may let in whoever must change the password,
 * and refuse everything else. Who does not know the control ignores it. */
static int bind_with_policy(LDAP *ld, const char *dn, struct berval *credentials,
                            bool *ret_must_change)
{
    CLEANUP(libldap_control_freep) LDAPControl *ask = NULL;
    CLEANUP(libldap_message_freep) LDAPMessage *m = NULL;
    CLEANUP(libldap_controls_freep) LDAPControl **answers = NULL;
    int id = 0, code = LDAP_OTHER;
    if (ldap_create_passwordpolicy_control(ld, &ask) != LDAP_SUCCESS)
        ask = NULL;
    LDAPControl *controls[] = {ask, NULL};
    int sent = ldap_sasl_bind(ld, dn, LDAP_SASL_SIMPLE, credentials, controls, NULL, &id);
    if (sent != LDAP_SUCCESS)
        return sent;
    if (ldap_result(ld, id, LDAP_MSG_ALL, NULL, &m) <= 0) {
        ldap_get_option(ld, LDAP_OPT_RESULT_CODE, &code);
        return code == LDAP_SUCCESS ? LDAP_TIMEOUT : code;
    }
    int parsed = ldap_parse_result(ld, m, &code, NULL, NULL, NULL, &answers, 0);
    if (parsed != LDAP_SUCCESS)
        return parsed;
    LDAPControl *c = libldap_control(answers, LDAP_CONTROL_PASSWORDPOLICYRESPONSE);
    ber_int_t expires = 0, grace = 0;
    LDAPPasswordPolicyError policy = PP_noError;
    if (c && ldap_parse_passwordpolicy_control(ld, c, &expires, &grace, &policy) == LDAP_SUCCESS)
        *ret_must_change = policy == PP_changeAfterReset;
    return code;
}

static int bind_simple(LDAP *ld, const struct bind_request *q, bool *ret_refused,
                       struct secret **ret_password, struct error *e)
{
    CLEANUP(secret_freep) struct secret *password = NULL;
    int r = secret_from_file(&password, q->password_file, e);
    if (r < 0)
        return error_wrap(e, r, "password for the bind to %s", q->uri);
    struct berval credentials = {secret_size(password), (char *)secret_text(password)};
    bool must_change = false;
    int code = bind_with_policy(ld, q->dn, &credentials, &must_change);
    CLEANUP(freep)
    char *what = libldap_format("as %s (password of %s)", q->dn, q->password_file);
    if (code == LDAP_SUCCESS && must_change) {
        *ret_refused = true;
        return error_set(e, -EACCES,
                         "%s: the account %s must change its password before it may read "
                         "anything, since somebody reset it: set a new one, and write it into %s",
                         q->uri, q->dn, q->password_file);
    }
    r = answer(ld, code, what ? what : "", q, password, ret_refused, e);
    if (r == 0)
        *ret_password = TAKE(password);
    return r;
}

static int bind_anonymous(LDAP *ld, const struct bind_request *q, bool *ret_refused,
                          struct error *e)
{
    struct berval none = {0, (char *)""};
    int code = ldap_sasl_bind_s(ld, "", LDAP_SASL_SIMPLE, &none, NULL, NULL, NULL);
    return answer(ld, code, "without a name (anonymous)", q, NULL, ret_refused, e);
}

static int bind_external(LDAP *ld, const struct bind_request *q, bool *ret_refused, struct error *e)
{
    struct berval none = {0, (char *)""};
    int code = ldap_sasl_bind_s(ld, NULL, "EXTERNAL", &none, NULL, NULL, NULL);
    return answer(ld, code,
                  q->tls ? "with the client certificate (EXTERNAL)"
                         : "with the local user's identity (EXTERNAL)",
                  q, NULL, ret_refused, e);
}

/* sasl_interact_t of libsasl2's fixed ABI; one function of it is not worth its headers. */
struct interaction {
    unsigned long id; /* 0 (SASL_CB_LIST_END) ends the list */
    const char *challenge, *prompt, *default_result;
    const void *result;
    unsigned size;
};

/* Every question gets its default, or nothing: Kerberos knows the answers. */
static int interact(LDAP *ld, unsigned flags, void *defaults, void *list)
{
    (void)ld, (void)flags, (void)defaults;
    for (struct interaction *i = list; i->id != 0; i++) {
        const char *text = i->default_result ? i->default_result : "";
        i->result = text;
        i->size = (unsigned)strlen(text);
    }
    return LDAP_SUCCESS;
}

static int bind_gssapi(LDAP *ld, const struct bind_request *q, bool *ret_refused, struct error *e)
{
    int r = keytab_offer(q->keytab, q->principal, e);
    if (r < 0)
        return error_wrap(e, r, "%s", q->uri);
    /* The name in the URI is the name of the service; no reverse look-up decides it. */
    ldap_set_option(ld, LDAP_OPT_X_SASL_NOCANON, LDAP_OPT_ON);
    /* Active Directory refuses signing and sealing inside TLS. Without TLS it must be on. */
    const char *properties = q->tls ? "maxssf=0" : "minssf=56,noanonymous";
    if (ldap_set_option(ld, LDAP_OPT_X_SASL_SECPROPS, properties) != LDAP_OPT_SUCCESS)
        return error_set(e, -EINVAL, "%s: cannot set SASL properties %s", q->uri, properties);
    int code = ldap_sasl_interactive_bind_s(ld, NULL, "GSSAPI", NULL, NULL, LDAP_SASL_QUIET,
                                            interact, NULL);
    r = answer(ld, code, "with Kerberos (GSSAPI)", q, NULL, ret_refused, e);
    /* The key distribution center locks accounts, too. */
    if (code == LDAP_LOCAL_ERROR)
        *ret_refused = true;
    return r;
}

int bind_run(LDAP *ld, const struct bind_request *q, bool *ret_refused,
             struct secret **ret_password, struct error *e)
{
    *ret_refused = false;
    switch ((enum directory_bind)q->method) {
    case DIRECTORY_BIND_SIMPLE: return bind_simple(ld, q, ret_refused, ret_password, e);
    case DIRECTORY_BIND_EXTERNAL: return bind_external(ld, q, ret_refused, e);
    case DIRECTORY_BIND_GSSAPI: return bind_gssapi(ld, q, ret_refused, e);
    case DIRECTORY_BIND_ANONYMOUS: break;
    }
    return bind_anonymous(ld, q, ret_refused, e);
}
