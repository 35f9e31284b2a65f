/*
 * feed-dump: prints what a directory feed delivers, one JSON object a line, and keeps a small
 * mirror (ids, names, members) so that it can answer the feed's questions. A tool of the tests;
 * nothing of it is installed.
 *
 *   feed-dump --uri URI --base DN... [options]      follows until it is ended or reads "quit"
 *   feed-dump --once ...                         reads once and exits with 0 or 1
 *
 * On standard input it takes "full" (a full compare, please), "status" and "quit".
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "directory/feed.h"
#include "model/dn.h"
#include "model/schema.h"

#define BASES_MAX 64

struct dump {
    sd_event *event;
    struct directory *directory;
    struct schema *schema; /* NULL: none was read */
    const char *file; /* where mirror and cookies are kept; NULL: nowhere */
    json_t *mirror;   /* id -> {dn, key, search, kind, members: {key: text}} */
    json_t *cookies;  /* "0" -> {cookie: hex, identity} */
    json_t *stale;    /* keys of DNs that are no more -> true */
    json_t *seen;     /* ids of the open batch */
    bool quiet;       /* counts instead of entries */
    unsigned search, n_searches;
    size_t n_entries, n_present, n_gone;
    int result;
};

static void say(json_t *taken)
{
    json_dumpf(taken, stdout, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENSURE_ASCII);
    putchar('\n');
    fflush(stdout);
    json_decref(taken);
}

static const char *kind_name(enum entry_kind k)
{
    return k == ENTRY_GROUP ? "group" : k == ENTRY_CONTAINER ? "container" : "person";
}

static void save(struct dump *d)
{
    if (!d->file)
        return;
    json_auto_t *j = json_pack("{s:O, s:O, s:O}", "mirror", d->mirror, "cookies", d->cookies,
                               "stale", d->stale);
    if (!j || json_dump_file(j, d->file, JSON_COMPACT) < 0)
        fprintf(stderr, "cannot write %s\n", d->file);
}

static void load(struct dump *d)
{
    json_auto_t *j = d->file ? json_load_file(d->file, 0, NULL) : NULL;
    d->mirror = json_incref(json_object_get(j, "mirror"));
    d->cookies = json_incref(json_object_get(j, "cookies"));
    d->stale = json_incref(json_object_get(j, "stale"));
    if (!d->mirror)
        d->mirror = json_object();
    if (!d->cookies)
        d->cookies = json_object();
    if (!d->stale)
        d->stale = json_object();
    d->seen = json_object();
}

static int on_begin(void *userdata, unsigned search, bool full, struct error *e)
{
    (void)e;
    struct dump *d = userdata;
    d->search = search;
    d->n_entries = d->n_present = d->n_gone = 0;
    json_object_clear(d->seen);
    say(json_pack("{s:s, s:i, s:b}", "event", "begin", "search", (int)search, "full", full));
    return 0;
}

static void forget_dn(struct dump *d, const char *id, const char *new_key)
{
    const char *key = json_string_value(json_object_get(json_object_get(d->mirror, id), "key"));
    if (key && (!new_key || strcmp(key, new_key) != 0))
        json_object_set_new(d->stale, key, json_true());
}

static json_t *members_json(const struct entry *entry)
{
    json_t *members = json_object();
    for (size_t i = 0; i < entry->n_members; i++)
        json_object_set_new(members, entry->members[i].key,
                            json_string(entry->members[i].text));
    return members;
}

static json_int_t held(const struct dump *d, const char *id)
{
    return json_integer_value(json_object_get(json_object_get(d->mirror, id), "held"));
}

static int on_entry(void *userdata, unsigned search, struct entry *taken, struct error *e)
{
    struct dump *d = userdata;
    CLEANUP(entry_freep) struct entry *entry = taken;
    CLEANUP(freep) char *key = NULL;
    int r = dn_key(d->schema, entry->dn, &key, e);
    if (r < 0)
        return r;
    d->n_entries++;
    forget_dn(d, entry->id, key);
    json_t *members = members_json(entry);
    json_int_t searches = held(d, entry->id) | (json_int_t)1 << search;
    json_object_set_new(d->seen, entry->id, json_true());
    json_object_set_new(d->mirror, entry->id,
                        json_pack("{s:s, s:s, s:I, s:s, s:O}", "dn", entry->dn, "key", key,
                                  "held", searches, "kind", kind_name(entry->kind), "members",
                                  members));
    CLEANUP(freep) char *text = entry_attributes_to_json(entry);
    json_t *attributes = text ? json_loads(text, 0, NULL) : NULL;
    if (d->quiet) {
        json_decref(members);
        json_decref(attributes);
        return 0;
    }
    say(json_pack("{s:s, s:s, s:s, s:s, s:o*, s:o, s:s*, s:s*}", "event", "entry", "id",
                  entry->id, "dn", entry->dn, "kind", kind_name(entry->kind), "attributes",
                  attributes, "members", members, "login", entry->login_key, "primary",
                  entry->primary_key));
    return 0;
}

static int on_searches(void *userdata, const char *const *bases, unsigned n, struct error *e)
{
    (void)bases, (void)e;
    struct dump *d = userdata;
    d->n_searches = n;
    return 0;
}

static void remove_entry(struct dump *d, const char *id, const char *why)
{
    bool known = json_object_get(d->mirror, id) != NULL;
    d->n_gone++;
    say(json_pack("{s:s, s:s, s:s*, s:b}", "event", "gone", "id", id, "why", why, "known",
                  known));
    forget_dn(d, id, NULL);
    json_object_del(d->mirror, id);
    json_object_set_new(d->seen, id, json_true());
}

/* What lies below an entry that left may have gone with it. */
static void leave_below(struct dump *d, const char *id, json_int_t bit)
{
    const char *key = json_string_value(json_object_get(json_object_get(d->mirror, id), "key"));
    const char *other;
    json_t *value;
    if (!key)
        return;
    json_object_foreach(d->mirror, other, value)
    {
        const char *below = json_string_value(json_object_get(value, "key"));
        if (strcmp(other, id) != 0 && below && dn_key_is_below(below, key))
            json_object_set_new(value, "held", json_integer(held(d, other) & ~bit));
    }
}

static int on_left(void *userdata, unsigned search, const char *id, const char *why,
                   struct error *e)
{
    (void)e;
    struct dump *d = userdata;
    json_t *entry = json_object_get(d->mirror, id);
    json_int_t bit = (json_int_t)1 << search;
    if (entry && held(d, id) & bit)
        leave_below(d, id, bit);
    if (d->n_searches < 2) {
        remove_entry(d, id, why);
    } else if (entry && held(d, id) & bit) {
        json_object_set_new(entry, "held", json_integer(held(d, id) & ~bit));
        json_object_set_new(entry, "why", json_string(why));
    }
    return 0;
}

static int on_unheld(void *userdata, struct string_list *ret, struct error *e)
{
    struct dump *d = userdata;
    const char *id;
    json_t *value;
    json_object_foreach(d->mirror, id, value)
    {
        if (held(d, id) == 0 && string_list_add(ret, id) < 0)
            return error_out_of_memory(e);
    }
    return 0;
}

static int on_gone(void *userdata, const char *id, struct error *e)
{
    (void)e;
    struct dump *d = userdata;
    json_t *why = json_object_get(json_object_get(d->mirror, id), "why");
    json_auto_t *kept = json_incref(why);
    remove_entry(d, id, json_string_value(kept));
    return 0;
}

static int on_removals(void *userdata, unsigned search, const struct string_list *ids,
                       struct error *e)
{
    (void)userdata, (void)search, (void)ids, (void)e;
    return 0;
}

static int on_present(void *userdata, unsigned search, const char *id, struct error *e)
{
    (void)e;
    struct dump *d = userdata;
    json_t *entry = json_object_get(d->mirror, id);
    d->n_present++;
    if (entry)
        json_object_set_new(entry, "held",
                            json_integer(held(d, id) | (json_int_t)1 << search));
    json_object_set_new(d->seen, id, json_true());
    return json_object_get(d->mirror, id) ? 0 : SINK_UNKNOWN_ID;
}

static json_t *apply_members(json_t *stored, const struct member *m, size_t n, bool add)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(list, json_string(m[i].text));
        if (add)
            json_object_set_new(stored, m[i].key, json_string(m[i].text));
        else
            json_object_del(stored, m[i].key);
    }
    return list;
}

static int on_members(void *userdata, const struct feed_members *m, struct error *e)
{
    (void)e;
    struct dump *d = userdata;
    json_t *stored = json_object_get(json_object_get(d->mirror, m->group_id), "members");
    json_t *added = apply_members(stored, m->added, m->n_added, true);
    json_t *removed = apply_members(stored, m->removed, m->n_removed, false);
    say(json_pack("{s:s, s:s, s:o, s:o, s:b}", "event", "members", "id", m->group_id, "added",
                  added, "removed", removed, "known", stored != NULL));
    return 0;
}

static void sweep(struct dump *d)
{
    const char *id;
    json_t *value;
    void *next;
    json_object_foreach_safe(d->mirror, next, id, value)
    {
        json_int_t bit = (json_int_t)1 << d->search;
        if (!(held(d, id) & bit) || json_object_get(d->seen, id))
            continue;
        json_object_set_new(value, "held", json_integer(held(d, id) & ~bit));
        if (held(d, id) || d->n_searches > 1)
            continue;
        say(json_pack("{s:s, s:s, s:O}", "event", "vanished", "id", id, "dn",
                      json_object_get(value, "dn")));
        forget_dn(d, id, NULL);
        json_object_del(d->mirror, id);
    }
}

static char *hex(const void *bytes, size_t size)
{
    const unsigned char *p = bytes;
    char *text = malloc(2 * size + 1);
    for (size_t i = 0; text && i < size; i++)
        snprintf(text + 2 * i, 3, "%02x", p[i]);
    if (text)
        text[2 * size] = 0;
    return text;
}

static int on_commit(void *userdata, const struct feed_commit *c, struct error *e)
{
    (void)e;
    struct dump *d = userdata;
    static const char *const absences[] = {"none", "unseen", "unproven"};
    CLEANUP(freep) char *key = NULL;
    if (asprintf(&key, "%u", d->search) < 0)
        return error_out_of_memory(e);
    if (c->absence == FEED_ABSENCE_UNSEEN)
        sweep(d);
    else
        json_object_clear(d->stale); /* they were read again */
    if (c->forget_cookie)
        json_object_del(d->cookies, key);
    if (c->cookie) {
        CLEANUP(freep) char *text = hex(c->cookie, c->cookie_size);
        json_object_set_new(d->cookies, key,
                            json_pack("{s:s, s:s}", "cookie", text, "identity", c->identity));
    }
    say(json_pack("{s:s, s:i, s:s, s:s*, s:s*, s:I, s:I, s:I, s:b, s:b, s:b}", "event",
                  "commit", "search", (int)d->search, "absence", absences[c->absence], "reason",
                  c->reason, "what", c->what, "entries", (json_int_t)d->n_entries, "present",
                  (json_int_t)d->n_present, "gone", (json_int_t)d->n_gone, "cookie",
                  c->cookie != NULL, "forget", c->forget_cookie, "end", c->end_of_read));
    save(d);
    return 0;
}

static void on_abort(void *userdata)
{
    (void)userdata;
    say(json_pack("{s:s}", "event", "abort"));
}

static int on_cookie(void *userdata, unsigned search, void **ret, size_t *ret_size,
                     char **ret_identity, struct error *e)
{
    struct dump *d = userdata;
    CLEANUP(freep) char *key = NULL;
    *ret = NULL;
    *ret_identity = NULL;
    if (asprintf(&key, "%u", search) < 0)
        return error_out_of_memory(e);
    json_t *j = json_object_get(d->cookies, key);
    const char *text = json_string_value(json_object_get(j, "cookie"));
    const char *identity = json_string_value(json_object_get(j, "identity"));
    if (!text)
        return 0;
    size_t n = strlen(text) / 2;
    unsigned char *bytes = malloc(n + 1);
    for (size_t i = 0; bytes && i < n; i++) {
        unsigned byte = 0;
        sscanf(text + 2 * i, "%2x", &byte);
        bytes[i] = (unsigned char)byte;
    }
    *ret = bytes;
    *ret_size = n;
    *ret_identity = identity ? strdup(identity) : NULL;
    return 0;
}

static int on_known_dn(void *userdata, const char *id, char **ret, struct error *e)
{
    (void)e;
    struct dump *d = userdata;
    const char *dn = json_string_value(json_object_get(json_object_get(d->mirror, id), "dn"));
    *ret = dn ? strdup(dn) : NULL;
    return 0;
}

static int on_lacking(void *userdata, const struct entry *entry, char **ret, struct error *e)
{
    (void)userdata, (void)entry, (void)e;
    *ret = NULL;
    return 0;
}

static int on_unseen(void *userdata, unsigned search, size_t limit, struct string_list *ret,
                     struct error *e)
{
    (void)userdata, (void)search, (void)limit, (void)ret, (void)e;
    return 0;
}

static int on_lost(void *userdata, const struct entry *entry, struct entry **ret, struct error *e)
{
    (void)userdata, (void)entry, (void)e;
    *ret = NULL;
    return 0;
}

static int on_dynamic_groups(void *userdata, struct string_list *ret, struct error *e)
{
    (void)userdata, (void)ret, (void)e;
    return 0;
}

static int on_known_id(void *userdata, const char *dn, char **ret, struct error *e)
{
    struct dump *d = userdata;
    CLEANUP(freep) char *key = NULL;
    const char *id;
    json_t *value;
    *ret = NULL;
    int r = dn_key(d->schema, dn, &key, e);
    if (r < 0)
        return r;
    json_object_foreach(d->mirror, id, value)
    {
        const char *other = json_string_value(json_object_get(value, "key"));
        if (other && strcmp(other, key) == 0 && !*ret)
            *ret = strdup(id);
    }
    return 0;
}

static int on_stale_groups(void *userdata, struct string_list *ret, struct error *e)
{
    struct dump *d = userdata;
    const char *id, *key;
    json_t *value, *ignored;
    if (json_object_size(d->stale) == 0)
        return 0;
    json_object_foreach(d->mirror, id, value)
    {
        json_t *members = json_object_get(value, "members");
        bool is = false;
        json_object_foreach(d->stale, key, ignored) is = is || json_object_get(members, key);
        if (is && string_list_add(ret, id) < 0)
            return error_out_of_memory(e);
    }
    return 0;
}

/* Everything is decoded here: what comes out is compared with rosterd's mirror. */
static int on_unchanged(void *userdata, unsigned search, const char *id,
                        const unsigned char raw[static ENTRY_RAW_SIZE], struct error *e)
{
    (void)userdata, (void)search, (void)id, (void)raw, (void)e;
    return SINK_UNKNOWN_ID;
}

static int on_stale_end(void *userdata, const char *group_id, struct error *e)
{
    (void)userdata, (void)group_id, (void)e;
    return 0; /* read once is enough here */
}

static int on_known_entries(void *userdata, unsigned search, size_t *ret, struct error *e)
{
    (void)search, (void)e;
    struct dump *d = userdata;
    *ret = json_object_size(d->mirror);
    return 0;
}

static int on_wanted_groups(void *userdata, struct string_list *ret, struct error *e)
{
    (void)userdata, (void)ret, (void)e;
    return 0;
}

static void on_group_sighted(void *userdata, const char *dn, const char *sentence)
{
    (void)userdata, (void)dn, (void)sentence;
}

static const struct schema *on_schema(void *userdata, struct schema *taken)
{
    struct dump *d = userdata;
    size_t n = 0;
    if (taken) {
        schema_names(taken, &n);
        say(json_pack("{s:s, s:I}", "event", "schema", "names", (json_int_t)n));
        schema_free(d->schema);
        d->schema = taken;
    }
    return d->schema;
}

static void say_status(struct dump *d)
{
    struct directory_status s;
    if (!d->directory)
        return;
    directory_status(d->directory, &s);
    say(json_pack("{s:s, s:s, s:s*, s:s*, s:s, s:s*, s:s*, s:I}", "event", "status", "state",
                  directory_state_name(s.state), "uri", s.uri, "product", s.product, "feed",
                  directory_feed_name(s.feed), "why", s.feed_reason, "error", s.error,
                  "reconnects", (json_int_t)s.n_reconnects));
}

static void on_changed(void *userdata)
{
    say_status(userdata);
}

static const struct feed_sink sink = {
    .searches = on_searches,
    .begin = on_begin,
    .entry = on_entry,
    .left = on_left,
    .unheld = on_unheld,
    .gone = on_gone,
    .removals = on_removals,
    .present = on_present,
    .unchanged = on_unchanged,
    .members = on_members,
    .commit = on_commit,
    .abort = on_abort,
    .cookie = on_cookie,
    .known_dn = on_known_dn,
    .lacking = on_lacking,
    .lost = on_lost,
    .unseen = on_unseen,
    .dynamic_groups = on_dynamic_groups,
    .known_id = on_known_id,
    .stale_groups = on_stale_groups,
    .stale_end = on_stale_end,
    .known_entries = on_known_entries,
    .schema = on_schema,
    .wanted_groups = on_wanted_groups,
    .group_sighted = on_group_sighted,
    .changed = on_changed,
};

static void on_done(int r, const struct error *e, void *userdata)
{
    struct dump *d = userdata;
    say(json_pack("{s:s, s:i, s:s*}", "event", "done", "result", r, "error",
                  r < 0 ? e->message : NULL));
    d->result = r;
    sd_event_exit(d->event, 0);
}

static int on_input(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    (void)events;
    struct dump *d = userdata;
    char buffer[256];
    ssize_t n = read(fd, buffer, sizeof buffer - 1);
    if (n <= 0) {
        sd_event_source_set_enabled(source, SD_EVENT_OFF);
        return 0;
    }
    buffer[n] = 0;
    if (strstr(buffer, "full"))
        directory_request_full_read(d->directory);
    if (strstr(buffer, "status"))
        say_status(d);
    if (strstr(buffer, "quit"))
        sd_event_exit(d->event, 0);
    return 0;
}

enum dump_option {
    OPTION_URI = 256,
    OPTION_BASE,
    OPTION_FILTER,
    OPTION_GROUP_BASE,
    OPTION_GROUP_FILTER,
    OPTION_ATTRIBUTE,
    OPTION_BIND_DN,
    OPTION_PASSWORD_FILE,
    OPTION_BIND,
    OPTION_KEYTAB,
    OPTION_PRINCIPAL,
    OPTION_CA,
    OPTION_CERTIFICATE,
    OPTION_KEY,
    OPTION_TLS,
    OPTION_FEED,
    OPTION_ID_ATTRIBUTE,
    OPTION_REFERRALS,
    OPTION_NO_PAGING,
    OPTION_PAGE_SIZE,
    OPTION_POLL,
    OPTION_FULL,
    OPTION_RETURN,
    OPTION_KEEPALIVE,
    OPTION_TIMEOUT,
    OPTION_COOKIE_FILE,
    OPTION_ONCE,
    OPTION_QUIET,
    OPTION_DEBUG,
};

static const struct option long_options[] = {
    {"uri", required_argument, NULL, OPTION_URI},
    {"base", required_argument, NULL, OPTION_BASE},
    {"filter", required_argument, NULL, OPTION_FILTER},
    {"group-base", required_argument, NULL, OPTION_GROUP_BASE},
    {"group-filter", required_argument, NULL, OPTION_GROUP_FILTER},
    {"attribute", required_argument, NULL, OPTION_ATTRIBUTE},
    {"bind-dn", required_argument, NULL, OPTION_BIND_DN},
    {"password-file", required_argument, NULL, OPTION_PASSWORD_FILE},
    {"bind", required_argument, NULL, OPTION_BIND},
    {"keytab", required_argument, NULL, OPTION_KEYTAB},
    {"principal", required_argument, NULL, OPTION_PRINCIPAL},
    {"ca", required_argument, NULL, OPTION_CA},
    {"certificate", required_argument, NULL, OPTION_CERTIFICATE},
    {"key", required_argument, NULL, OPTION_KEY},
    {"tls", required_argument, NULL, OPTION_TLS},
    {"feed", required_argument, NULL, OPTION_FEED},
    {"id-attribute", required_argument, NULL, OPTION_ID_ATTRIBUTE},
    {"referrals", required_argument, NULL, OPTION_REFERRALS},
    {"no-paging", no_argument, NULL, OPTION_NO_PAGING},
    {"page-size", required_argument, NULL, OPTION_PAGE_SIZE},
    {"poll", required_argument, NULL, OPTION_POLL},
    {"full", required_argument, NULL, OPTION_FULL},
    {"return", required_argument, NULL, OPTION_RETURN},
    {"keepalive", required_argument, NULL, OPTION_KEEPALIVE},
    {"timeout", required_argument, NULL, OPTION_TIMEOUT},
    {"cookie-file", required_argument, NULL, OPTION_COOKIE_FILE},
    {"once", no_argument, NULL, OPTION_ONCE},
    {"quiet", no_argument, NULL, OPTION_QUIET},
    {"debug", no_argument, NULL, OPTION_DEBUG},
    {},
};

/* The index of the word in a list that NULL ends; exits when there is none. */
static int word(const char *text, const char *const *words)
{
    for (int i = 0; words[i]; i++)
        if (strcmp(words[i], text) == 0)
            return i;
    fprintf(stderr, "feed-dump: unknown word %s\n", text);
    exit(2);
}

static uint64_t duration(const char *text)
{
    uint64_t usec = 0;
    if (text_parse_duration(text, &usec) < 0) {
        fprintf(stderr, "feed-dump: %s is no duration\n", text);
        exit(2);
    }
    return usec;
}

static void add_base(char **bases, size_t *n)
{
    if (*n == BASES_MAX) {
        fprintf(stderr, "feed-dump: at most %d bases\n", BASES_MAX);
        exit(2);
    }
    bases[(*n)++] = optarg;
}

static void parse_text(int option, struct directory_options *o)
{
    switch (option) {
    case OPTION_BASE: add_base(o->bases, &o->n_bases); break;
    case OPTION_FILTER: o->filter = optarg; break;
    case OPTION_GROUP_BASE: add_base(o->group_bases, &o->n_group_bases); break;
    case OPTION_GROUP_FILTER: o->group_filter = optarg; break;
    case OPTION_BIND_DN: o->bind_dn = optarg; break;
    case OPTION_PASSWORD_FILE: o->bind_password_file = optarg; break;
    case OPTION_KEYTAB: o->keytab = optarg; break;
    case OPTION_PRINCIPAL: o->principal = optarg; break;
    case OPTION_CA: o->tls_ca_file = optarg; break;
    case OPTION_CERTIFICATE: o->tls_certificate_file = optarg; break;
    case OPTION_KEY: o->tls_key_file = optarg; break;
    case OPTION_ID_ATTRIBUTE: o->id_attribute = optarg; break;
    default: exit(2);
    }
}

static void parse(int argc, char **argv, struct directory_options *o,
                  struct string_list *attributes, struct dump *d, bool *once)
{
    static const char *const binds[] = {"anonymous", "simple", "external", "gssapi", NULL};
    static const char *const tls[] = {"auto", "ldaps", "starttls", "no", NULL};
    static const char *const feeds[] = {"auto", "syncrepl", "dirsync", "poll", NULL};
    static const char *const referrals[] = {"notice", "ignore", "follow", NULL};
    static char *uris[8], *bases[BASES_MAX], *group_bases[BASES_MAX];
    o->uris = uris;
    o->bases = bases;
    o->group_bases = group_bases;
    int option;
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        switch (option) {
        case OPTION_URI:
            if (o->n_uris < ARRAY_SIZE(uris))
                uris[o->n_uris++] = optarg;
            break;
        case OPTION_ATTRIBUTE: string_list_add(attributes, optarg); break;
        case OPTION_BIND: o->bind = (enum directory_bind)word(optarg, binds); break;
        case OPTION_TLS: o->tls = (enum directory_tls)word(optarg, tls); break;
        case OPTION_FEED: o->feed = (enum directory_feed_kind)word(optarg, feeds); break;
        case OPTION_REFERRALS:
            o->referrals = (enum directory_referrals)word(optarg, referrals);
            break;
        case OPTION_NO_PAGING: o->paging = false; break;
        case OPTION_PAGE_SIZE: o->page_size = (unsigned)strtoul(optarg, NULL, 10); break;
        case OPTION_POLL: o->poll_interval_usec = duration(optarg); break;
        case OPTION_FULL: o->full_interval_usec = duration(optarg); break;
        case OPTION_RETURN: o->return_interval_usec = duration(optarg); break;
        case OPTION_KEEPALIVE: o->keepalive_usec = duration(optarg); break;
        case OPTION_TIMEOUT:
            o->connect_timeout_usec = o->bind_timeout_usec = o->search_timeout_usec =
                duration(optarg);
            break;
        case OPTION_COOKIE_FILE: d->file = optarg; break;
        case OPTION_ONCE: *once = true; break;
        case OPTION_QUIET: d->quiet = true; break;
        case OPTION_DEBUG: log_set_level(LOG_DEBUG); break;
        default: parse_text(option, o);
        }
    }
    if (o->bind_dn && o->bind == DIRECTORY_BIND_ANONYMOUS)
        o->bind = DIRECTORY_BIND_SIMPLE;
}

int main(int argc, char **argv)
{
    struct directory_options o = {
        .paging = true,
        .page_size = 1000,
        .poll_interval_usec = 1000000,
        .connect_timeout_usec = 5000000,
        .bind_timeout_usec = 5000000,
        .search_timeout_usec = 30000000,
        .keepalive_usec = 60000000,
    };
    CLEANUP(string_list_done) struct string_list attributes = {};
    struct dump d = {};
    struct error e = {};
    bool once = false;
    log_open("feed-dump");
    parse(argc, argv, &o, &attributes, &d, &once);
    load(&d);
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGINT);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    if (sd_event_new(&d.event) < 0 ||
        sd_event_add_signal(d.event, NULL, SIGTERM, NULL, NULL) < 0 ||
        sd_event_add_signal(d.event, NULL, SIGINT, NULL, NULL) < 0)
        return 1;
    int r = directory_new(&d.directory, d.event, &o, &attributes, &sink, &d, &e);
    if (r == 0)
        r = once ? directory_read_once(d.directory, on_done, &d, &e)
                 : directory_start(d.directory, &e);
    if (r == 0) {
        /* A file as standard input cannot be polled, and says nothing anyway. */
        sd_event_add_io(d.event, NULL, STDIN_FILENO, EPOLLIN, on_input, &d);
        sd_event_loop(d.event);
    } else {
        fprintf(stderr, "feed-dump: %s\n", e.message);
        d.result = r;
    }
    struct directory *directory = d.directory;
    d.directory = NULL;
    directory_free(directory);
    schema_free(d.schema);
    save(&d);
    json_decref(d.mirror);
    json_decref(d.cookies);
    json_decref(d.stale);
    json_decref(d.seen);
    sd_event_unref(d.event);
    return d.result < 0 ? 1 : 0;
}
