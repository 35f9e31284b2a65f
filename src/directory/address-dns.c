/*
 * What DNS has to do with addresses: the domain that stands for servers, the question for them and
 * its answer, and which of the hosts that it names are believed. The question blocks.
 */
#include "config.h"

#include <arpa/nameser.h>
#include <errno.h>
#include <ldap.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/text.h"
#include "directory/address.h"
#include "directory/libldap.h"
#include "model/dn.h"

#define SRV_MAX 32

static bool is_domain_component(const char *rdn)
{
    static const char *const names[] = {"dc", "domainComponent", "0.9.2342.19200300.100.1.25"};
    size_t n = strcspn(rdn, "= ");
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strlen(names[i]) == n && strncasecmp(names[i], rdn, n) == 0)
            return true;
    return false;
}

/* The dc's at the end, as RFC 2247 has it. Not ldap_dn2domain(), which takes a label that is not
 * ASCII for the end of the domain: of dc=münchen,dc=de it leaves "de". */
static char *domain_of_dn(const char *dn)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    for (const char *at = dn; at && *at; at = dn_parent(at)) {
        CLEANUP(freep) char *label = is_domain_component(at) ? dn_leaf_value(at) : NULL;
        if (!label || !*label) {
            buffer_clear(&b);
            continue;
        }
        buffer_add_text(&b, b.size ? "." : "");
        buffer_add_text(&b, label);
    }
    return b.size ? buffer_take(&b) : NULL;
}

char *address_domain(const char *uri)
{
    const char *p = NULL;
    if (strncasecmp(uri, "srv:", 4) == 0)
        p = uri + 4;
    else if (strncasecmp(uri, "srvs:", 5) == 0)
        p = uri + 5;
    if (p)
        return *p ? strdup(p) : NULL;
    if (strncasecmp(uri, "ldap:///", 8) == 0)
        p = uri + 8;
    else if (strncasecmp(uri, "ldaps:///", 9) == 0)
        p = uri + 9;
    if (!p || !*p)
        return NULL;
    CLEANUP(freep) char *copy = strdup(uri);
    LDAPURLDesc *parsed = NULL;
    if (!copy || ldap_url_parse(copy, &parsed) != LDAP_URL_SUCCESS)
        return NULL;
    char *domain = parsed->lud_dn ? domain_of_dn(parsed->lud_dn) : NULL;
    ldap_free_urldesc(parsed);
    return domain;
}

bool address_is_ldaps_service(const char *uri)
{
    return strncasecmp(uri, "srvs:", 5) == 0 || strncasecmp(uri, "ldaps:", 6) == 0;
}

static int compare_srv(const void *a, const void *b)
{
    const struct address_srv *x = a, *y = b;
    if (x->priority != y->priority)
        return x->priority < y->priority ? -1 : 1;
    /* Weight 0 first, as RFC 2782 wants it for the draw. */
    return (x->weight > 0) - (y->weight > 0);
}

void address_order_srv(struct address_srv *records, size_t n, uint32_t (*random)(void *userdata),
                       void *userdata)
{
    qsort(records, n, sizeof(*records), compare_srv);
    for (size_t i = 0; i < n; i++) {
        uint32_t sum = 0;
        size_t end = i;
        while (end < n && records[end].priority == records[i].priority)
            sum += records[end++].weight;
        uint32_t draw = random(userdata) % (sum + 1), seen = 0;
        for (size_t j = i; j < end; j++) {
            seen += records[j].weight;
            if (seen < draw)
                continue;
            struct address_srv chosen = records[j];
            memmove(records + i + 1, records + i, (j - i) * sizeof(*records));
            records[i] = chosen;
            break;
        }
    }
}

/* SRV's data are three numbers and a name. */
static int read_srv(const ns_msg *answer, const ns_rr *rr, struct address_srv *ret)
{
    const unsigned char *data = ns_rr_rdata(*rr);
    if (ns_rr_rdlen(*rr) < 3 * NS_INT16SZ + 1 ||
        ns_name_uncompress(ns_msg_base(*answer), ns_msg_end(*answer), data + 3 * NS_INT16SZ,
                           ret->host, sizeof(ret->host)) < 0)
        return -EBADMSG;
    ret->priority = (uint16_t)ns_get16(data);
    ret->weight = (uint16_t)ns_get16(data + NS_INT16SZ);
    ret->port = (uint16_t)ns_get16(data + 2 * NS_INT16SZ);
    return 0;
}

int address_parse_srv(const unsigned char *answer, size_t size, struct address_srv *ret, size_t max,
                      size_t *ret_n)
{
    ns_msg message;
    *ret_n = 0;
    if (size > NS_MAXMSG || ns_initparse(answer, (int)size, &message) < 0)
        return -EBADMSG;
    for (int i = 0; i < ns_msg_count(message, ns_s_an) && *ret_n < max; i++) {
        struct address_srv *s = &ret[*ret_n];
        ns_rr rr;
        if (ns_parserr(&message, ns_s_an, i, &rr) < 0)
            return -EBADMSG;
        if (ns_rr_type(rr) != ns_t_srv)
            continue;
        if (read_srv(&message, &rr, s) < 0)
            return -EBADMSG;
        /* RFC 2782: "." means that the service is not there. */
        if (s->host[0] != 0 && strcmp(s->host, ".") != 0)
            (*ret_n)++;
    }
    return 0;
}

static uint32_t draw(void *userdata)
{
    (void)userdata;
    return (uint32_t)random_number();
}

/* The records for one service name; 0 with *ret_n 0: there are none. */
static int query(const char *name, struct address_srv *records, size_t *ret_n, struct error *e)
{
    CLEANUP(freep) char *buffer = malloc(NS_MAXMSG);
    struct __res_state state = {0};
    if (!buffer)
        return error_out_of_memory(e);
    if (res_ninit(&state) < 0)
        return error_set(e, -EIO, "the DNS resolver cannot be set up");
    int size = res_nquery(&state, name, ns_c_in, ns_t_srv, (unsigned char *)buffer, NS_MAXMSG);
    int reason = state.res_h_errno;
    res_nclose(&state);
    *ret_n = 0;
    if (size < 0 && (reason == HOST_NOT_FOUND || reason == NO_DATA))
        return 0;
    if (size < 0)
        return error_set(e, -EAGAIN, "DNS does not answer the question for %s: %s", name,
                         hstrerror(reason));
    size_t n = (size_t)size > NS_MAXMSG ? NS_MAXMSG : (size_t)size;
    if (address_parse_srv((unsigned char *)buffer, n, records, SRV_MAX, ret_n) < 0)
        return error_set(e, -EBADMSG, "the DNS answer for %s is malformed", name);
    return 0;
}

static const char *host_of(const char *uri, size_t *ret_size)
{
    const char *host = strstr(uri, "://");

    host = host ? host + 3 : uri;
    *ret_size = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/");
    return host;
}

bool address_is_listed(const char *uri, char *const *hosts, size_t n_hosts)
{
    size_t size;
    const char *host = host_of(uri, &size);

    for (size_t i = 0; i < n_hosts; i++)
        if (strcasecmp(host, hosts[i]) == 0 ||
            (strlen(hosts[i]) == size && strncasecmp(host, hosts[i], size) == 0))
            return true;
    return false;
}

/* The host is what libldap will see in the address: nothing in it may end it early. */
static bool is_below(const char *uri, const char *domain)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    size_t size, n = strlen(domain);
    const char *host = host_of(uri, &size);

    if (strspn(host, letters) != size || size < n)
        return false;
    return strncasecmp(host + size - n, domain, n) == 0 && (size == n || host[size - n - 1] == '.');
}

int address_keep_allowed(struct string_list *uris, const char *domain, char *const *hosts,
                         size_t n_hosts, struct error *e)
{
    CLEANUP(string_list_done) struct string_list kept = {0};
    CLEANUP(freep) char *refused = NULL;

    for (size_t i = 0; i < uris->n_items; i++) {
        const char *uri = uris->items[i];
        bool allowed = n_hosts > 0 ? address_is_listed(uri, hosts, n_hosts) : is_below(uri, domain);
        if (allowed && string_list_add(&kept, uri) < 0)
            return error_out_of_memory(e);
        if (!allowed && !refused && !(refused = strdup(uri)))
            return error_out_of_memory(e);
    }
    if (kept.n_items == 0 && refused)
        return error_set(e, -EACCES,
                         "DNS names %s for %s, which is %s: if it is a server of yours, list it "
                         "under [directory] srv_hosts",
                         refused, domain,
                         n_hosts > 0 ? "not listed under srv_hosts" : "no host of that domain");
    string_list_done(uris);
    *uris = kept;
    kept = (struct string_list){0};
    return 0;
}

int address_resolve(const char *domain, bool ldaps, struct string_list *ret, struct error *e)
{
    struct address_srv records[SRV_MAX] = {0};
    size_t n = 0;
    bool own_port = true;
    CLEANUP(freep)
    char *name = libldap_format("_%s._tcp.%s", ldaps ? "ldaps" : "ldap", domain);
    int r = name ? query(name, records, &n, e) : error_out_of_memory(e);
    if (r == 0 && n == 0 && ldaps) {
        /* Active Directory announces _ldap only, and listens on 636 nevertheless. */
        own_port = false;
        CLEANUP(freep) char *other = libldap_format("_ldap._tcp.%s", domain);
        r = other ? query(other, records, &n, e) : error_out_of_memory(e);
    }
    if (r < 0)
        return r;
    if (n == 0)
        return error_set(e, -ENOENT, "DNS has no record %s", name);
    address_order_srv(records, n, draw, NULL);
    for (size_t i = 0; i < n; i++) {
        CLEANUP(freep)
        char *uri = libldap_format("%s://%s:%u", ldaps ? "ldaps" : "ldap", records[i].host,
                                   own_port ? records[i].port : (unsigned)LDAPS_PORT);
        if (!uri || string_list_add(ret, uri) < 0)
            return error_out_of_memory(e);
    }
    return 0;
}
