/*
 * A search with paging (RFC 2696). It looks at everything that could make a successful-looking
 * answer a partial one: result codes other than 0, referrals and continuation references, a
 * server that ignores or refuses the paging control. It does not decode entries, and never asks
 * another connection for the next page.
 */
#include "config.h"

#include "directory/search.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "directory/libldap.h"
#include "directory/session.h"

/* Servers may send pages without entries (all of a page was filtered), but not for ever. */
#define EMPTY_PAGES_MAX 10000

struct search {
    struct session *session;
    struct session_operation *operation;
    struct search_request request;
    char *base, *filter;
    char **attributes;
    struct search_events events;
    void *userdata;
    size_t n_entries, n_references, n_page_entries;
    unsigned n_pages, n_empty_pages; /* before the present one */
    bool paging_refused, doubted;
    char doubt[400];
};

static int send_page(struct search *s, struct berval *cookie, struct error *e);

__attribute__((format(printf, 2, 3))) static void doubt(struct search *s, const char *format, ...)
{
    if (s->doubted)
        return; /* the first reason is the one to tell */
    s->doubted = true;
    va_list ap;
    va_start(ap, format);
    vsnprintf(s->doubt, sizeof(s->doubt), format, ap);
    va_end(ap);
}

static void fail(struct search *s, int r, const struct error *e)
{
    s->operation = session_operation_free(s->operation);
    s->events.failed(s, r, e, s->userdata);
}

bool search_reference_is_partition(const char *url)
{
    static const char *const leaves[] = {"cn=configuration,", "dc=domaindnszones,",
                                         "dc=forestdnszones,"};
    CLEANUP(freep) char *copy = strdup(url);
    LDAPURLDesc *parsed = NULL;
    if (!copy || ldap_url_parse(copy, &parsed) != LDAP_URL_SUCCESS)
        return false;
    bool is = false;
    for (size_t i = 0; i < ARRAY_SIZE(leaves) && parsed->lud_dn; i++)
        is = is || strncasecmp(parsed->lud_dn, leaves[i], strlen(leaves[i])) == 0;
    ldap_free_urldesc(parsed);
    return is;
}

static void take_reference(struct search *s, LDAPMessage *m)
{
    CLEANUP(libldap_strings_freep) char **urls = NULL;
    int code = ldap_parse_reference(session_ldap(s->session), m, &urls, NULL, 0);
    const char *url = code == LDAP_SUCCESS && urls && urls[0] ? urls[0] : "(unreadable)";
    if (s->request.partitions && search_reference_is_partition(url))
        return;
    s->n_references++;
    if (s->request.referrals == DIRECTORY_REFERRALS_IGNORE)
        return;
    if (s->request.referrals == DIRECTORY_REFERRALS_FOLLOW && s->events.reference) {
        s->events.reference(urls, s->userdata);
        return;
    }
    char shown[LIBLDAP_SAID_SIZE];
    doubt(s,
          "a part of %s lies on another server (%s) and was not read; set [directory] referrals "
          "= ignore if nobody is there",
          s->base, session_said_url(s->session, shown, url));
}

static void judge_code(struct search *s, int code, const char *said, char **referrals)
{
    if (code == LDAP_SUCCESS)
        return;
    const char *advice = "", *where = NULL;
    char shown[LIBLDAP_SAID_SIZE];
    if (code == LDAP_SIZELIMIT_EXCEEDED)
        advice = "; the server limits how many entries this account may read";
    else if (code == LDAP_REFERRAL && referrals && referrals[0]) {
        advice = "; it refers to another server: ";
        where = session_said_url(s->session, shown, referrals[0]);
    }
    doubt(s, "the search of %s ended after %zu entries with: %s (LDAP code %d)%s%s%s%s", s->base,
          s->n_entries, ldap_err2string(code), code, said ? ": " : "", said ? said : "", advice,
          where ? where : "");
}

/* The server took the search and gave a page of it: that it does not go on is no matter of what
 * was asked, unless of how much. */
static bool has_lost_place(const struct search *s, int code)
{
    return s->n_pages > 0 && code != LDAP_SUCCESS && code != LDAP_SIZELIMIT_EXCEEDED &&
           code != LDAP_ADMINLIMIT_EXCEEDED;
}

static void finish(struct search *s, int code, const char *said, LDAPControl **controls)
{
    struct search_outcome outcome = {
        .code = code,
        .whole = code == LDAP_SUCCESS && !s->doubted,
        .unanswered = libldap_is_no_answer(code) || has_lost_place(s, code),
        .said = said,
        .controls = controls,
        .n_entries = s->n_entries,
        .n_references = s->n_references,
    };
    memcpy(outcome.doubt, s->doubt, sizeof(outcome.doubt));
    s->events.done(s, &outcome, s->userdata);
}

/* 1: the next page was asked for; 0: that was the last. */
static int next_page(struct search *s, LDAPControl **controls, struct error *e)
{
    LDAPControl *c = libldap_control(controls, LIBLDAP_OID_PAGED);
    if (!c) {
        doubt(s,
              "the server ignored the paging control when %s was read, so the end of its answer "
              "proves nothing; set [directory] paging = no if it sends everything at once",
              s->base);
        return 0;
    }
    struct berval cookie = {0};
    ber_int_t estimate = 0;
    int code = ldap_parse_pageresponse_control(session_ldap(s->session), c, &estimate, &cookie);
    if (code != LDAP_SUCCESS)
        return libldap_error(e, code, NULL, "the server's paging control cannot be read");
    if (!cookie.bv_val || cookie.bv_len == 0) {
        ber_memfree(cookie.bv_val);
        return 0;
    }
    s->n_pages++;
    s->n_empty_pages = s->n_page_entries == 0 ? s->n_empty_pages + 1 : 0;
    int r = s->n_empty_pages > EMPTY_PAGES_MAX
                ? error_set(e, -ELOOP, "the server sends empty pages for ever")
                : send_page(s, &cookie, e);
    ber_memfree(cookie.bv_val);
    return r < 0 ? r : 1;
}

static bool is_paging_refusal(const struct search *s, int code)
{
    return s->request.page_size > 0 && !s->paging_refused && s->n_entries == 0 &&
           (code == LDAP_UNAVAILABLE_CRITICAL_EXTENSION || code == LDAP_PROTOCOL_ERROR);
}

static void take_result(struct search *s, LDAPMessage *m)
{
    int code = 0;
    char shown[LIBLDAP_SAID_SIZE];
    CLEANUP(libldap_memory_freep) char *diagnostic = NULL;
    CLEANUP(libldap_strings_freep) char **referrals = NULL;
    CLEANUP(libldap_controls_freep) LDAPControl **controls = NULL;
    struct error e = {0};
    s->operation = session_operation_free(s->operation);
    int parsed = ldap_parse_result(session_ldap(s->session), m, &code, NULL, &diagnostic,
                                   &referrals, &controls, 0);
    const char *said = session_said(s->session, shown, diagnostic);
    if (parsed != LDAP_SUCCESS) {
        int r = libldap_error(&e, parsed, NULL, "the result of a search cannot be read");
        fail(s, r, &e);
        return;
    }
    if (is_paging_refusal(s, code)) {
        s->paging_refused = true;
        doubt(
            s,
            "the server refuses the paging control when %s is read (LDAP code %d%s%s), and "
            "without it may stop early; set [directory] paging = no if it sends everything at once",
            s->base, code, said ? ": " : "", said ? said : "");
        int r = send_page(s, NULL, &e);
        if (r < 0)
            fail(s, r, &e);
        return;
    }
    judge_code(s, code, said, referrals);
    if (code == LDAP_SUCCESS && s->request.page_size > 0 && !s->paging_refused) {
        int r = next_page(s, controls, &e);
        if (r < 0)
            fail(s, r, &e);
        if (r != 0)
            return;
    }
    finish(s, code, said, controls);
}

static void on_message(struct session_operation *o, int type, LDAPMessage **m, void *userdata)
{
    (void)o;
    struct search *s = userdata;
    if (type == LDAP_RES_SEARCH_ENTRY) {
        s->n_entries++;
        s->n_page_entries++;
        struct error e = {0};
        int r = s->events.entry(session_ldap(s->session), *m, s->userdata, &e);
        if (r < 0)
            fail(s, r, &e);
    } else if (type == LDAP_RES_SEARCH_REFERENCE) {
        take_reference(s, *m);
    } else if (type == LDAP_RES_SEARCH_RESULT) {
        take_result(s, *m);
    }
    /* Intermediate responses have no meaning in a plain search. */
}

static int send_page(struct search *s, struct berval *cookie, struct error *e)
{
    CLEANUP(libldap_control_freep) LDAPControl *page = NULL;
    LDAPControl *controls[16] = {0};
    size_t n = 0;
    for (; s->request.controls && s->request.controls[n] && n < ARRAY_SIZE(controls) - 2; n++)
        controls[n] = s->request.controls[n];
    if (s->request.page_size > 0 && !s->paging_refused) {
        int code = ldap_create_page_control(session_ldap(s->session),
                                            (ber_int_t)s->request.page_size, cookie, 1, &page);
        if (code != LDAP_SUCCESS)
            return libldap_error(e, code, NULL, "cannot make a paging control");
        controls[n] = page;
    }
    s->n_page_entries = 0;
    struct session_request request = {
        .base = s->base,
        .scope = s->request.scope,
        .filter = s->filter,
        .attributes = (const char *const *)s->attributes,
        .controls = controls,
        .size_limit = s->request.size_limit,
        .timeout_usec = s->request.timeout_usec,
    };
    return session_search(s->session, &s->operation, &request, on_message, s, e);
}

int search_start(struct search **ret, struct session *session, const struct search_request *request,
                 const struct search_events *events, void *userdata, struct error *e)
{
    struct search *s = calloc(1, sizeof(*s));
    if (!s)
        return error_out_of_memory(e);
    s->session = session;
    s->request = *request;
    s->base = strdup(request->base);
    s->filter = strdup(request->filter);
    /* All of them: what is not asked for would look as if it had vanished. */
    s->attributes = text_array_copy(request->attributes);
    s->events = *events;
    s->userdata = userdata;
    if (!s->base || !s->filter || !s->attributes) {
        search_free(s);
        return error_out_of_memory(e);
    }
    int r = send_page(s, NULL, e);
    if (r < 0) {
        search_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

struct search *search_free(struct search *s)
{
    if (!s)
        return NULL;
    session_operation_free(s->operation);
    free(s->base);
    free(s->filter);
    text_array_free(s->attributes);
    free(s);
    return NULL;
}
