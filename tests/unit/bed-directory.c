/* The directory of the engine's bed: people and groups, read whole or told one by one. */
#include "config.h"

#include "engine-bed.h"

#include "model/dn.h"
#include "sync/engine-internal.h"
#include "unit.h"

struct entry *bed_find(struct bed *b, const char *id)
{
    for (size_t i = 0; i < b->n_directory; i++)
        if (!strcmp(b->directory[i]->id, id))
            return b->directory[i];
    return NULL;
}

static void put(struct bed *b, struct entry *taken)
{
    entry_sort(taken);
    for (size_t i = 0; i < b->n_directory; i++)
        if (!strcmp(b->directory[i]->id, taken->id)) {
            entry_free(b->directory[i]);
            b->directory[i] = taken;
            return;
        }
    assert_int_equal(memory_grow(&b->directory, &b->directory_capacity, b->n_directory + 1,
                                 sizeof(struct entry *)),
                     0);
    b->directory[b->n_directory++] = taken;
}

void bed_person(struct bed *b, const char *id, const char *dn, ...)
{
    va_list arguments;
    struct entry *entry = entry_new(id, dn, ENTRY_PERSON);
    assert_non_null(entry);
    va_start(arguments, dn);
    const char *name;
    while ((name = va_arg(arguments, const char *))) {
        const char *value = va_arg(arguments, const char *);
        assert_int_equal(entry_add_value(entry, name, value, strlen(value)), 0);
    }
    va_end(arguments);
    put(b, entry);
}

void bed_person_uid(struct bed *b, const char *uid)
{
    char id[80], dn[160], mail[120], given[80];
    snprintf(id, sizeof id, "id-%s", uid);
    snprintf(dn, sizeof dn, "uid=%s,ou=people,dc=example,dc=com", uid);
    snprintf(mail, sizeof mail, "%s@example.com", uid);
    snprintf(given, sizeof given, "First %s", uid);
    bed_person(b, id, dn, "uid", uid, "givenName", given, "sn", uid, "mail", mail, NULL);
}

void bed_group_uids(struct bed *b, const char *name, const char *const *uids, size_t n)
{
    char id[80], dn[160];
    snprintf(id, sizeof id, "group-%s", name);
    snprintf(dn, sizeof dn, "cn=%s,ou=groups,dc=example,dc=com", name);
    struct entry *entry = entry_new(id, dn, ENTRY_GROUP);
    assert_non_null(entry);
    for (size_t i = 0; i < n; i++) {
        CLEANUP(freep) char *key = NULL;
        struct error e = {0};
        bool nested = strncmp(uids[i], "cn=", 3) == 0;
        snprintf(dn, sizeof dn, "%s%s,ou=%s,dc=example,dc=com", nested ? "" : "uid=", uids[i],
                 nested ? "groups" : "people");
        bed_ok(b, dn_key(NULL, dn, &key, &e));
        assert_int_equal(entry_add_member(entry, MEMBER_DN, key, dn), 0);
    }
    put(b, entry);
}

void bed_group(struct bed *b, const char *name, ...)
{
    const char *uids[64];
    size_t n = 0;
    va_list arguments;
    va_start(arguments, name);
    while ((uids[n] = va_arg(arguments, const char *)))
        assert_true(++n < 64);
    va_end(arguments);
    bed_group_uids(b, name, uids, n);
}

void bed_leave(struct bed *b, const char *id)
{
    for (size_t i = 0; i < b->n_directory; i++)
        if (!strcmp(b->directory[i]->id, id)) {
            entry_free(b->directory[i]);
            b->directory[i] = b->directory[--b->n_directory];
            return;
        }
    fail_msg("%s is not in the directory", id);
}

static struct entry *entry_copy(const struct entry *from)
{
    struct entry *to = entry_new(from->id, from->dn, from->kind);
    assert_non_null(to);
    for (size_t i = 0; i < from->n_attributes; i++)
        for (size_t j = 0; j < from->attributes[i].n_values; j++)
            assert_int_equal(entry_add_value(to, from->attributes[i].name,
                                             from->attributes[i].values[j].data,
                                             from->attributes[i].values[j].size),
                             0);
    for (size_t i = 0; i < from->n_members; i++)
        assert_int_equal(entry_add_member(to, from->members[i].kind, from->members[i].key,
                                          from->members[i].text),
                         0);
    entry_sort(to);
    return to;
}

/* The state may fail on purpose; then nothing more is read before the next start. */
static void read_or_failed(struct bed *b, int r, const struct error *e)
{
    struct engine_status status;
    if (r == 0)
        return;
    engine_sink.abort(engine_reading(b->engine));
    engine_status(b->engine, &status);
    if (!status.state_failed)
        fail_msg("reading: %s", e->message);
}

/* The answer says whether it was there before. */
static int show(struct bed *b, const struct entry *entry, struct error *e)
{
    CLEANUP(freep) char *was = NULL;
    int r = engine_sink.known_dn(engine_reading(b->engine), entry->id, &was, e);
    if (r == 0)
        r = engine_sink.entry(engine_reading(b->engine), 0, entry_copy(entry), e);
    if (r >= 0)
        assert_int_equal(r, was ? 0 : SINK_NEW);
    return r < 0 ? r : 0;
}

static void read_whole(struct bed *b, enum feed_absence absence)
{
    struct error e = {0};
    struct feed_commit commit = {.absence = absence,
                                 .reason = "a referral was returned",
                                 .what = "full read of the test's directory",
                                 .n_entries = b->n_directory,
                                 .end_of_read = true};
    int r = engine_sink.begin(engine_reading(b->engine), 0, true, &e);
    for (size_t i = 0; i < b->n_directory && r == 0; i++)
        r = show(b, b->directory[i], &e);
    if (r == 0)
        r = engine_sink.commit(engine_reading(b->engine), &commit, &e);
    read_or_failed(b, r, &e);
}

void bed_read_all(struct bed *b)
{
    read_whole(b, FEED_ABSENCE_UNSEEN);
}

void bed_read_unproven(struct bed *b)
{
    read_whole(b, FEED_ABSENCE_UNPROVEN);
}

void bed_tell(struct bed *b, const char *id)
{
    struct error e = {0};
    struct feed_commit commit = {.absence = FEED_ABSENCE_NONE};
    const struct entry *entry = bed_find(b, id);
    int r = engine_sink.begin(engine_reading(b->engine), 0, false, &e);
    if (r == 0 && entry)
        r = show(b, entry, &e);
    else if (r == 0)
        r = engine_sink.left(engine_reading(b->engine), 0, id, false, "the server said so", &e);
    if (r == 0)
        r = engine_sink.commit(engine_reading(b->engine), &commit, &e);
    read_or_failed(b, r, &e);
}
