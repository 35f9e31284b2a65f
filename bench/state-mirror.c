/*
 * How long the state file takes for what a large directory asks of it. Usage:
 *     state-mirror [PEOPLE [GROUP-SIZE [FOLDER]]]
 * Prints one line for each step with the time for one of its items.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "model/dn.h"
#include "state/mirror.h"
#include "state/person.h"
#include "state/queue.h"
#include "state/state.h"

#define BATCH 1000

struct bench {
    struct state *s;
    struct error e;
    size_t n_people, group_size, n_groups;
    uint64_t started_usec;
};

static void check(struct bench *b, int r, const char *what)
{
    if (r >= 0)
        return;
    fprintf(stderr, "%s: %s\n", what, b->e.message);
    exit(1);
}

static void begin(struct bench *b)
{
    check(b, state_begin(b->s, &b->e), "begin");
}

static void commit(struct bench *b)
{
    check(b, state_commit(b->s, &b->e), "commit");
    state_checkpoint_soon(b->s);
}

static void start(struct bench *b)
{
    b->started_usec = clock_monotonic_usec();
}

static void report(struct bench *b, const char *what, size_t n)
{
    double usec = (double)(clock_monotonic_usec() - b->started_usec);

    printf("%-44s %9zu in %8.1f ms  %8.2f us each\n", what, n, usec / 1000,
           usec / (double)(n ? n : 1));
}

static void add(struct entry *e, const char *name, const char *value)
{
    if (entry_add_value(e, name, value, strlen(value)) < 0)
        exit(1);
}

static void person_dn(char *buffer, size_t size, size_t i)
{
    snprintf(buffer, size, "uid=user%06zu,ou=Department %zu,ou=people,dc=example,dc=com", i,
             i % 50);
}

static struct entry *make_person(size_t i, const char *title)
{
    char id[48], dn[128], text[128];
    struct entry *e;

    snprintf(id, sizeof(id), "%08zx-1234-4abc-9def-%012zx", i * 2654435761U % 4294967296U, i);
    person_dn(dn, sizeof(dn), i);
    e = entry_new(id, dn, ENTRY_PERSON);
    if (!e)
        exit(1);
    snprintf(text, sizeof(text), "user%06zu", i);
    add(e, "uid", text);
    e->login_key = text_fold(text, strlen(text));
    snprintf(text, sizeof(text), "First%zu Last%zu", i, i);
    add(e, "cn", text);
    add(e, "givenName", text);
    add(e, "sn", text + 5);
    snprintf(text, sizeof(text), "first%zu.last%zu@example.com", i, i);
    add(e, "mail", text);
    snprintf(text, sizeof(text), "+49 30 %07zu", i);
    add(e, "telephoneNumber", text);
    add(e, "title", title);
    add(e, "preferredLanguage", "es-ES");
    entry_sort(e);
    return e;
}

static struct entry *make_group(struct bench *b, size_t g, size_t first)
{
    char id[48], dn[128];
    struct entry *e;

    snprintf(id, sizeof(id), "aaaaaaaa-0000-4000-8000-%012zx", g);
    snprintf(dn, sizeof(dn), "cn=cc-group-%zu,ou=groups,dc=example,dc=com", g);
    e = entry_new(id, dn, ENTRY_GROUP);
    for (size_t i = 0; e && i < b->group_size; i++) {
        char *key = NULL;

        person_dn(dn, sizeof(dn), (first + i) % b->n_people);
        check(b, dn_key(NULL, dn, &key, &b->e), "dn_key");
        if (entry_add_member(e, MEMBER_DN, key, dn) < 0)
            exit(1);
        free(key);
    }
    if (!e)
        exit(1);
    entry_sort(e);
    return e;
}

/* The entries are made before the clock runs: reading them is the directory's part. */
static void put_people(struct bench *b, struct entry **people, const char *what)
{
    unsigned changes;

    start(b);
    begin(b);
    check(b, mirror_begin_full(b->s, 0, &b->e), "begin full");
    for (size_t i = 0; i < b->n_people; i++) {
        check(b, mirror_put(b->s, 0, people[i], &changes, &b->e), "put");
        if (i % BATCH == BATCH - 1) {
            commit(b);
            begin(b);
        }
    }
    commit(b);
    report(b, what, b->n_people);
}

static struct entry **make_people(struct bench *b, const char *title)
{
    struct entry **people = calloc(b->n_people, sizeof(*people));

    for (size_t i = 0; people && i < b->n_people; i++)
        people[i] = make_person(i, title);
    return people;
}

static void free_people(struct bench *b, struct entry **people)
{
    for (size_t i = 0; i < b->n_people; i++)
        entry_free(people[i]);
    free(people);
}

static void put_groups(struct bench *b, size_t shift, const char *what)
{
    struct entry **groups = calloc(b->n_groups, sizeof(*groups));
    unsigned changes;

    for (size_t g = 0; groups && g < b->n_groups; g++)
        groups[g] = make_group(b, g, g * b->group_size + shift);
    start(b);
    begin(b);
    for (size_t g = 0; g < b->n_groups; g++) {
        check(b, mirror_put(b->s, 0, groups[g], &changes, &b->e), "put");
        entry_free(groups[g]);
    }
    commit(b);
    report(b, what, b->n_groups * b->group_size);
    free(groups);
}

static void memberships(struct bench *b)
{
    struct bound_groups bound = {0};
    struct mirror_membership *m = calloc(b->n_groups, sizeof(*m));
    const char **keys = calloc(b->n_groups, sizeof(*keys));
    size_t n_members = 0, n = b->n_people < 20000 ? b->n_people : 20000;

    for (size_t g = 0; g < b->n_groups; g++) {
        char dn[128];

        snprintf(dn, sizeof(dn), "cn=cc-group-%zu,ou=groups,dc=example,dc=com", g);
        check(b, dn_key(NULL, dn, (char **)&keys[g], &b->e), "dn_key");
    }
    begin(b);
    start(b);
    check(b, mirror_bind_groups(b->s, keys, b->n_groups, &bound, &b->e), "bind");
    report(b, "bind groups", b->n_groups);
    start(b);
    for (size_t i = 0; i < n; i++) {
        char id[48];
        size_t k = i * 7919 % b->n_people;

        snprintf(id, sizeof(id), "%08zx-1234-4abc-9def-%012zx", k * 2654435761U % 4294967296U,
                 k);
        check(b, mirror_memberships(b->s, id, &bound, m, &b->e), "memberships");
        for (size_t g = 0; g < b->n_groups; g++)
            n_members += m[g].member;
        mirror_memberships_done(m, b->n_groups);
    }
    report(b, "memberships of a person", n);
    commit(b);
    printf("%-44s %9zu\n", "  of these, memberships found", n_members);
    for (size_t g = 0; g < b->n_groups; g++)
        free((char *)keys[g]);
    free(keys);
    free(m);
    bound_groups_done(&bound);
}

static void queue(struct bench *b)
{
    struct operation_list list = {0};
    const size_t rounds = 200;

    start(b);
    begin(b);
    for (size_t i = 0; i < b->n_people; i++) {
        char id[48];

        snprintf(id, sizeof(id), "%08zx-1234-4abc-9def-%012zx", i * 2654435761U % 4294967296U,
                 i);
        struct operation *o = operation_new(OPERATION_CREATE, id, "uid=x,dc=example", "login");
        if (!o || operation_add_change(o, "team", NULL, "Customer Service", NULL) < 0)
            exit(1);
        o->state = OPERATION_READY;
        check(b, queue_store(b->s, o, &b->e), "queue_store");
        operation_free(o);
    }
    commit(b);
    report(b, "queue_store", b->n_people);
    start(b);
    for (size_t i = 0; i < rounds; i++) {
        begin(b);
        check(b, queue_next(b->s, QUEUE_NEWCOMERS, 1, 64, &list, &b->e), "queue_next");
        for (size_t k = 0; k < list.n_items; k++) {
            list.items[k]->state = OPERATION_STARTED;
            check(b, queue_store(b->s, list.items[k], &b->e), "queue_store");
        }
        commit(b);
        begin(b);
        for (size_t k = 0; k < list.n_items; k++)
            check(b, queue_remove(b->s, list.items[k]->number, &b->e), "queue_remove");
        commit(b);
        operation_list_done(&list);
    }
    report(b, "64 operations: next, started, done, 2 commits", rounds);
}

static void move(struct bench *b)
{
    struct entry *old = entry_new("ou", "ou=people,dc=example,dc=com", ENTRY_CONTAINER);
    struct entry *new = entry_new("ou", "ou=staff,dc=example,dc=com", ENTRY_CONTAINER);
    unsigned changes;

    begin(b);
    check(b, mirror_put(b->s, 0, old, &changes, &b->e), "put");
    start(b);
    check(b, mirror_put(b->s, 0, new, &changes, &b->e), "put");
    commit(b);
    report(b, "a container moves: people below", b->n_people);
    entry_free(old);
    entry_free(new);
}

static void run(struct bench *b)
{
    struct entry **people = make_people(b, "Agent"), **other = make_people(b, "Lead");
    struct mirror_counts counts;
    struct string_list ids = {0};
    struct rusage usage;
    size_t n = 0;

    put_people(b, people, "new entries");
    put_people(b, people, "unchanged entries");
    put_people(b, other, "changed entries");
    put_people(b, people, "changed back");
    free_people(b, people);
    free_people(b, other);
    put_groups(b, 0, "members of new groups");
    put_groups(b, 0, "members of unchanged groups");
    put_groups(b, 1, "members of groups that lose and gain one");
    start(b);
    begin(b);
    check(b, mirror_count_unseen(b->s, 0, &n, &b->e), "unseen");
    commit(b);
    report(b, "look for what was not seen", b->n_people);
    memberships(b);
    start(b);
    check(b, mirror_counts(b->s, &counts, &b->e), "counts");
    report(b, "counts, with unresolved members", 1);
    start(b);
    check(b, person_next_dirty(b->s, 256, &ids, &b->e), "next dirty");
    report(b, "next 256 dirty", 1);
    string_list_done(&ids);
    move(b);
    queue(b);
    getrusage(RUSAGE_SELF, &usage);
    printf("%-44s %9ld KiB\n", "largest resident size, with the test's entries",
           usage.ru_maxrss);
}

int main(int argc, char **argv)
{
    struct bench b = {.n_people = argc > 1 ? (size_t)strtoul(argv[1], NULL, 10) : 100000,
                      .group_size = argc > 2 ? (size_t)strtoul(argv[2], NULL, 10) : 5000,
                      .n_groups = 20};
    char folder[256], path[300];
    bool created;

    snprintf(folder, sizeof(folder), "%s/state-mirror-XXXXXX", argc > 3 ? argv[3] : "/tmp");
    if (!mkdtemp(folder)) {
        perror(folder);
        return 1;
    }
    snprintf(path, sizeof(path), "%s/state.db", folder);
    check(&b, state_open(&b.s, path, &created, &b.e), "open");
    run(&b);
    start(&b);
    state_close(b.s);
    report(&b, "close", 1);
    for (const char *const *suffix = (const char *const[]){"", ".lock", NULL}; *suffix;
         suffix++) {
        char file[320];

        snprintf(file, sizeof(file), "%s%s", path, *suffix);
        unlink(file);
    }
    rmdir(folder);
    return 0;
}
