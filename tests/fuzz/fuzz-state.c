/*
 * A damaged state file. A genuine one, with people, links and operations, is written with edits
 * that the input draws: pages that are lost, in each other's place, torn or cut off, bytes that
 * flipped. It opens, or is refused with a sentence. Where it opens after pages were lost,
 * everybody is there, or reading says that it cannot tell: nobody is dropped in silence.
 */
#include "config.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "fuzz.h"
#include "model/entry.h"
#include "model/operation.h"
#include "state/link.h"
#include "state/mirror.h"
#include "state/person.h"
#include "state/queue.h"
#include "state/state.h"

#define PAGE     4096
#define N_PEOPLE 40

static char folder[64];
static char path[80];

static void empty_folder(void)
{
    DIR *d = opendir(folder);
    char name[400];

    for (struct dirent *x; d && (x = readdir(d));) {
        snprintf(name, sizeof(name), "%s/%s", folder, x->d_name);
        unlink(name);
    }
    if (d)
        closedir(d);
}

static void remove_folder(void)
{
    empty_folder();
    rmdir(folder);
}

/* -- a genuine file -- */

static void name(char id[static 40], char dn[static 80], unsigned i)
{
    snprintf(id, 40, "%08x-0000-4000-8000-%012x", i * 2654435761U, i);
    snprintf(dn, 80, "uid=person%u,ou=people,dc=example", i);
}

static void fill_one(struct state *s, unsigned i)
{
    char id[40], dn[80], login[80], wanted[200];
    struct error e = {0};
    unsigned changes = 0;

    name(id, dn, i);
    snprintf(login, sizeof(login), "person%u@example.com", i);
    snprintf(wanted, sizeof(wanted), "{\"login_id\":\"%s\",\"roles\":[\"agent\"]}", login);
    CLEANUP(entry_freep) struct entry *entry = entry_new(id, dn, ENTRY_PERSON);
    DEMAND(entry_add_value(entry, "mail", login, strlen(login)) == 0);
    entry_sort(entry);
    DEMAND(mirror_put(s, 0, entry, &changes, &e) == 0);
    const struct person p = {.entry_id = id,
                             .dn = dn,
                             .verdict = VERDICT_USER,
                             .wanted = wanted,
                             .login_key = login,
                             .standing = BUCKET_UNCHANGED,
                             .run = 1};
    DEMAND(person_store(s, &p, &e) == 0);
    const struct link l = {.entry_id = id,
                           .login = login,
                           .login_key = login,
                           .known = wanted,
                           .granted = (char *)"{\"roles\":[\"agent\"],\"skills\":[]}",
                           .status = LINK_ACTIVE,
                           .origin = (char *)"create",
                           .created_usec = 1};
    DEMAND(link_store(s, &l, &e) == 0);
}

static const struct buffer *genuine(void)
{
    static struct buffer b;
    const char *tmp = getenv("TMPDIR"), *base = "dc=example";
    struct state *s = NULL;
    struct error e = {0};
    char block[PAGE];
    ssize_t n;

    if (b.data)
        return &b;
    if (access("/dev/shm", W_OK) == 0) /* nothing there waits for a disk */
        tmp = "/dev/shm";
    snprintf(folder, sizeof(folder), "%s/fuzz-state-XXXXXX", tmp ? tmp : "/tmp");
    DEMAND(mkdtemp(folder));
    atexit(remove_folder);
    snprintf(path, sizeof(path), "%s/state", folder);
    DEMAND(state_open(&s, path, NULL, &e) == 0 && state_begin(s, &e) == 0);
    DEMAND(mirror_searches(s, &base, 1, &e) == 0);
    for (unsigned i = 0; i < N_PEOPLE; i++)
        fill_one(s, i);
    DEMAND(state_commit(s, &e) == 0);
    state_close(s);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    DEMAND(fd >= 0);
    while ((n = read(fd, block, sizeof(block))) > 0)
        buffer_add(&b, block, (size_t)n);
    close(fd);
    DEMAND(b.size > 30 * PAGE && b.size % PAGE == 0);
    return &b;
}

/* -- edits -- */

/* Four bytes each: what, two pages, how. false: bytes have flipped, and nobody can tell. */
static bool damage(struct buffer *b, const uint8_t *data, size_t size)
{
    static const char zeros[PAGE];
    bool pages_alone = true;

    for (; size >= 4 && b->size >= PAGE; data += 4, size -= 4) {
        size_t n = b->size / PAGE, from = data[1] % n, to = data[2] % n;
        char *x = b->data + from * PAGE, *y = b->data + to * PAGE, held[PAGE];

        switch (data[0] % 6) {
        case 0: memcpy(x, zeros, PAGE); break;
        case 1:
            memcpy(held, x, PAGE);
            memcpy(x, y, PAGE);
            memcpy(y, held, PAGE);
            break;
        case 2: memcpy(x, y, PAGE); break;
        case 3: b->size = from * PAGE + (data[3] & 1 ? 512 : 0); break;
        case 4: memset(x, data[3], PAGE); break;
        default:
            x[((size_t)data[2] << 8 | data[3]) % PAGE] ^= (char)(1 + data[0] / 6);
            pages_alone = false;
            break;
        }
    }
    return pages_alone;
}

static void write_file(const struct buffer *b)
{
    empty_folder();
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    DEMAND(fd >= 0 && write(fd, b->data, b->size) == (ssize_t)b->size);
    close(fd);
}

/* -- what can be read of it -- */

static int count_person(const struct person *p, void *userdata)
{
    DEMAND(p->entry_id && p->dn);
    ++*(unsigned *)userdata;
    return 0;
}

static int count_link(const struct link *l, void *userdata)
{
    DEMAND(l->entry_id && l->login);
    ++*(unsigned *)userdata;
    return 0;
}

static void read_all(struct state *s, bool everybody)
{
    unsigned people = 0, links = 0;
    struct error e = {0};
    int r = person_each(s, count_person, &people, &e);

    DEMAND(r == 0 || (r < 0 && e.message[0]));
    DEMAND(r < 0 || !everybody || people == N_PEOPLE);
    r = link_each(s, count_link, &links, &e);
    DEMAND(r == 0 || (r < 0 && e.message[0]));
    DEMAND(r < 0 || !everybody || links == N_PEOPLE);
    for (unsigned i = 0; i < N_PEOPLE; i++) {
        CLEANUP(person_done) struct person p = {0};
        CLEANUP(link_done) struct link l = {0};
        CLEANUP(link_done) struct link by_login = {0};
        char id[40], dn[80], login[80];

        name(id, dn, i);
        snprintf(login, sizeof(login), "person%u@example.com", i);
        r = person_load(s, id, &p, &e);
        DEMAND(r == 0 || r == STATE_NONE || (r < 0 && e.message[0]));
        DEMAND(!everybody || r < 0 || (r == 0 && strcmp(p.dn, dn) == 0));
        r = link_load(s, id, &l, &e);
        DEMAND(r == 0 || r == STATE_NONE || (r < 0 && e.message[0]));
        DEMAND(!everybody || r < 0 || (r == 0 && strcmp(l.login, login) == 0));
        r = link_load_by_login(s, login, &by_login, &e);
        DEMAND(!everybody || r < 0 || (r == 0 && strcmp(by_login.entry_id, id) == 0));
        r = mirror_present(s, 0, id, &e);
        DEMAND(!everybody || r == 0 || (r < 0 && e.message[0]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    struct state *s = NULL;
    struct error e = {0};

    if (size < 1)
        return 0;
    buffer_add(&b, genuine()->data, genuine()->size);
    bool everybody = damage(&b, data + 1, size - 1);
    write_file(&b);
    int r = data[0] & 1 ? state_open(&s, path, NULL, &e) : state_open_copy(&s, path, &e);
    DEMAND(r <= 0 || r == STATE_DAMAGED);
    if (r != 0) {
        DEMAND(e.message[0] && !s);
        return 0;
    }
    if (b.size > 0) {
        DEMAND(state_begin(s, &e) == 0 || e.message[0]);
        if (state_in_transaction(s)) {
            read_all(s, everybody);
            state_rollback(s);
        }
    }
    state_close(s);
    return 0;
}
