/*
 * What a power loss brings back: of each write to a file what was there before, until the file is
 * synced. A loss undoes all of it and puts a random part back, sector by sector.
 */
#include "config.h"

#include "losses.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "world.h"

#define PATH_SIZE 160
#define SECTOR    512

struct change {
    char path[PATH_SIZE];
    off_t offset; /* of the bytes; of a cut: the new size */
    size_t size, n_old;
    off_t old_size;
    bool cut, doomed; /* doomed: no later sync brings it to the disk */
    unsigned char *old, *new;
};

static struct change *changes;
static size_t n_changes, changes_room;
static struct change *note(const char *path, int fd)
{
    struct stat st;
    if (n_changes == changes_room) {
        changes_room = changes_room ? 2 * changes_room : 256;
        changes = realloc(changes, changes_room * sizeof(*changes));
        if (!changes)
            abort();
    }
    struct change *c = &changes[n_changes++];
    *c = (struct change){0};
    snprintf(c->path, sizeof(c->path), "%s", path);
    c->old_size = fstat(fd, &st) == 0 ? st.st_size : 0;
    return c;
}

/* What was there before. A descriptor for appending cannot be read, but what it puts behind the
 * end was nothing. */
static size_t read_old(const struct change *c, const char *path, int fd, off_t offset)
{
    if (offset >= c->old_size)
        return 0;
    ssize_t n = pread(fd, c->old, c->size, offset);
    if (n < 0) {
        int reader = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
        n = reader >= 0 ? pread(reader, c->old, c->size, offset) : 0;
        if (reader >= 0)
            syscall(SYS_close, reader);
    }
    return n > 0 ? (size_t)n : 0;
}

void losses_note_write(const char *path, int fd, const void *data, size_t size, off_t offset)
{
    struct change *c = note(path, fd);
    c->offset = offset;
    c->size = size;
    c->old = malloc(size + 1);
    c->new = malloc(size + 1);
    if (!c->old || !c->new)
        abort();
    c->n_old = read_old(c, path, fd, offset);
    memcpy(c->new, data, size);
    world.n_writes++;
    if (strstr(path, "state.db"))
        world.noted_usec = world.steady_usec;
    world.active_usec = world.steady_usec;
}

void losses_note_cut(const char *path, int fd, off_t size)
{
    struct change *c = note(path, fd);
    c->cut = true;
    c->offset = size;
    if (c->old_size <= size)
        return;
    c->size = (size_t)(c->old_size - size);
    c->old = malloc(c->size);
    if (!c->old)
        abort();
    c->n_old = read_old(c, path, fd, size);
}

size_t losses_held(void)
{
    size_t held = changes_room * sizeof(*changes);
    for (size_t i = 0; i < n_changes; i++)
        held += changes[i].old ? changes[i].size + (changes[i].new ? changes[i].size : 0) : 0;
    return held;
}

static void forget(size_t i)
{
    free(changes[i].old);
    free(changes[i].new);
    memmove(changes + i, changes + i + 1, (--n_changes - i) * sizeof(*changes));
}

/* The later one has reached the disk over what never will: a loss brings that back. */
static void lie_over(struct change *doomed, const struct change *later)
{
    off_t end = later->offset + (off_t)later->size,
          doomed_end = doomed->offset + (off_t)doomed->size;
    off_t from = doomed->offset > later->offset ? doomed->offset : later->offset,
          to = doomed_end < end ? doomed_end : end;
    if (later->cut) { /* and over what an even earlier one had put behind */
        size_t left = later->offset > doomed->offset ? (size_t)(later->offset - doomed->offset) : 0;
        if (doomed->old_size > later->offset)
            doomed->old_size = later->offset;
        if (doomed->n_old > left)
            doomed->n_old = left;
        return;
    }
    if (from < to) {
        size_t at = (size_t)(from - doomed->offset), upto = (size_t)(to - doomed->offset);
        if (doomed->n_old < at)
            memset(doomed->old + doomed->n_old, 0, at - doomed->n_old);
        memcpy(doomed->old + at, later->new + (from - later->offset), upto - at);
        doomed->n_old = doomed->n_old < upto ? upto : doomed->n_old;
    }
    if (doomed->old_size < end)
        doomed->old_size = end;
}

/* What was done to the file is on the disk; all: or of no interest any more. */
void losses_settle(const char *path, bool all)
{
    for (size_t i = 0; i < n_changes && !all; i++)
        for (size_t k = i + 1; k < n_changes && changes[i].doomed; k++)
            if (!changes[k].doomed && strcmp(changes[i].path, path) == 0 &&
                strcmp(changes[k].path, path) == 0)
                lie_over(&changes[i], &changes[k]);
    size_t kept = 0;
    for (size_t i = 0; i < n_changes; i++) {
        if (strcmp(changes[i].path, path) == 0 && (!changes[i].doomed || all)) {
            free(changes[i].old);
            free(changes[i].new);
        } else {
            changes[kept++] = changes[i];
        }
    }
    n_changes = kept;
}

static void put(const char *path, const void *data, size_t size, off_t offset)
{
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return;
    if (size && syscall(SYS_pwrite64, fd, data, size, offset) != (long)size)
        abort();
    syscall(SYS_close, fd);
}

static void cut(const char *path, off_t size)
{
    if (syscall(SYS_truncate, path, size) < 0 && errno != ENOENT)
        abort();
}

/* A part of a write, by the sectors of the file. */
static void put_torn(const struct change *c, unsigned percent)
{
    for (size_t at = 0, n; at < c->size; at += n) {
        n = SECTOR - (size_t)(c->offset + (off_t)at) % SECTOR;
        n = c->size - at < n ? c->size - at : n;
        if (!chance_percent(CHANCE_DISK, percent))
            continue;
        seen(POINT_TORN);
        put(c->path, c->new + at, n, c->offset + (off_t)at);
    }
}

/* How much of what was not synced reached the disk all the same; ordered: nothing that was
 * written later than what did not. */
static void put_back(unsigned percent, bool ordered)
{
    for (size_t i = 0; i < n_changes; i++) {
        struct change *c = &changes[i];
        bool whole = chance_percent(CHANCE_DISK, percent) && !c->doomed;
        if (whole && c->cut)
            cut(c->path, c->offset);
        else if (whole)
            put(c->path, c->new, c->size, c->offset);
        else if (!c->cut && !c->doomed)
            put_torn(c, percent);
        if (!whole && ordered)
            break;
    }
}

void disk_power_loss(void)
{
    static const unsigned parts[] = {0, 20, 50, 80, 95, 100};
    char shm[PATH_SIZE + 8];
    world.lost_by_lies = world.lost_by_lies || world.has_lied;
    if (world.has_lied)
        seen(POINT_LIED);
    for (size_t i = n_changes; i-- > 0;) {
        struct change *c = &changes[i];
        put(c->path, c->old, c->n_old, c->offset);
        cut(c->path, c->old_size);
    }
    put_back(parts[chance(CHANCE_DISK, 6)], chance_percent(CHANCE_DISK, 50));
    while (n_changes)
        forget(n_changes - 1);
    snprintf(shm, sizeof(shm), "%sstate.db-shm", world.folder);
    (void)syscall(SYS_unlinkat, AT_FDCWD, shm, 0);
}

bool disk_is_synced(const char *name)
{
    for (size_t i = 0; i < n_changes; i++)
        if (!changes[i].doomed && strcmp(strrchr(changes[i].path, '/') + 1, name) == 0)
            return false;
    return true;
}

void disk_end(void)
{
    while (n_changes)
        forget(n_changes - 1);
    free(changes);
    changes = NULL;
    changes_room = 0;
}

/* After a sync that failed, the kernel takes what it could not write for written. */
void losses_doom(const char *path)
{
    for (size_t i = 0; i < n_changes; i++)
        if (strcmp(changes[i].path, path) == 0 && chance_percent(CHANCE_DISK, 50))
            changes[i].doomed = true;
}

void losses_rename(const char *from, const char *to)
{
    for (size_t i = 0; i < n_changes; i++)
        if (strcmp(changes[i].path, from) == 0)
            snprintf(changes[i].path, PATH_SIZE, "%s", to);
}
