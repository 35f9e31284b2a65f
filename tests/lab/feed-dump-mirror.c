/*
 * The small mirror of feed-dump: ids, names and members of what a feed delivers, so that it can
 * answer the feed's questions; everything that comes is printed.
 */
#include "config.h"

#include "feed-dump.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "directory/feed.h"
#include "model/dn.h"
#include "model/schema.h"

void dump_say(json_t *taken)
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

void dump_save(struct dump *d)
{
    if (!d->file)
        return;
    json_auto_t *j = json_pack("{s:O, s:O, s:O}", "mirror", d->mirror, "cookies", d->cookies,
                               "stale", d->stale);
    if (!j || json_dump_file(j, d->file, JSON_COMPACT) < 0)
        fprintf(stderr, "cannot write %s\n", d->file);
}

void dump_load(struct dump *d)
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
    dump_say(json_pack("{s:s, s:i, s:b}", "event", "begin", "search", (int)search, "full", full));
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
    int answer = json_object_get(d->mirror, entry->id) ? 0 : SINK_NEW;
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
        return answer;
    }
    dump_say(json_pack("{s:s, s:s, s:s, s:s, s:o*, s:o, s:s*, s:s*}", "event", "entry", "id",
                  entry->id, "dn", entry->dn, "kind", kind_name(entry->kind), "attributes",
                  attributes, "members", members, "login", entry->login_key, "primary",
                  entry->primary_key));
    return answer;
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
    dump_say(json_pack("{s:s, s:s, s:s*, s:b}", "event", "gone", "id", id, "why", why, "known",
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

static int on_left(void *userdata, unsigned search, const char *id, bool stale, const char *why,
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
        json_object_set_new(entry, "held", json_integer(stale ? 0 : held(d, id) & ~bit));
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
    dump_say(json_pack("{s:s, s:s, s:o, s:o, s:b}", "event", "members", "id", m->group_id, "added",
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
        dump_say(json_pack("{s:s, s:s, s:O}", "event", "vanished", "id", id, "dn",
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
    dump_say(json_pack("{s:s, s:i, s:s, s:s*, s:s*, s:I, s:I, s:I, s:b, s:b, s:b}", "event",
                  "commit", "search", (int)d->search, "absence", absences[c->absence], "reason",
                  c->reason, "what", c->what, "entries", (json_int_t)d->n_entries, "present",
                  (json_int_t)d->n_present, "gone", (json_int_t)d->n_gone, "cookie",
                  c->cookie != NULL, "forget", c->forget_cookie, "end", c->end_of_read));
    dump_save(d);
    return 0;
}

static void on_abort(void *userdata)
{
    (void)userdata;
    dump_say(json_pack("{s:s}", "event", "abort"));
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
        dump_say(json_pack("{s:s, s:I}", "event", "schema", "names", (json_int_t)n));
        schema_free(d->schema);
        d->schema = taken;
    }
    return d->schema;
}

void dump_say_status(struct dump *d)
{
    struct directory_status s;
    if (!d->directory)
        return;
    directory_status(d->directory, &s);
    dump_say(json_pack("{s:s, s:s, s:s*, s:s*, s:s, s:s*, s:s*, s:I}", "event", "status", "state",
                  directory_state_name(s.state), "uri", s.uri, "product", s.product, "feed",
                  directory_feed_name(s.feed), "why", s.feed_reason, "error", s.error,
                  "reconnects", (json_int_t)s.n_reconnects));
}

static void on_changed(enum directory_state state, void *userdata)
{
    (void)state;
    dump_say_status(userdata);
}

const struct feed_sink dump_sink = {
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
