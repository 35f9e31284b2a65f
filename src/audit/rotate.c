/*
 * Closing one audit file and beginning the next. A closed file ends and a new one begins with a
 * checkpoint. A crash in between leaves files that verify all the same: no checkpoint is needed
 * at a certain place.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "audit/audit.h"
#include "audit/export.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "state/state.h"
#include "state/trail.h"

static bool is_due(const struct audit_export *x)
{
    const struct audit_limits *l = export_limits(x);
    uint64_t now = clock_now_usec(), begun = export_begun(x);

    if (export_size(x) == 0)
        return false;
    return (l->rotate_bytes && export_size(x) >= l->rotate_bytes) ||
           (l->rotate_usec && begun && now > begun && now - begun >= l->rotate_usec);
}

/* FILE-20261128-215001, with a number behind it if that is there already. */
static int closed_name(const char *path, char *ret, size_t size, struct error *e)
{
    time_t now = (time_t)(clock_now_usec() / USEC_PER_SEC);
    char stamp[32];
    struct tm tm;

    if (!gmtime_r(&now, &tm) || strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &tm) == 0)
        return error_set(e, -EINVAL, "the current time cannot be formatted");
    for (unsigned i = 0; i < 1000; i++) {
        int n = i ? snprintf(ret, size, "%s-%s.%u", path, stamp, i)
                  : snprintf(ret, size, "%s-%s", path, stamp);

        if (n < 0 || (size_t)n >= size)
            return error_set(e, -ENAMETOOLONG, "the path %s is too long", path);
        if (access(ret, F_OK) < 0 && errno == ENOENT)
            return 0;
    }
    return error_set(e, -EEXIST, "%s was rotated too often within a second", path);
}

static int change_files(struct audit_export *x, struct error *e)
{
    const char *path = export_path(x);
    char name[4096];
    int r = closed_name(path, name, sizeof(name), e);

    if (r < 0)
        return r;
    if (rename(path, name) < 0)
        return error_set(e, -errno, "the audit file %s cannot be renamed: %s", path,
                         strerror(errno));
    r = audit_export_reopen(x, e);
    if (r == 0)
        log_info("The audit goes on in a new file; the one before is %s", name);
    return r;
}

/* Only what rosterd closed itself, by its name: FILE-8 digits-6 digits…, also compressed. */
static bool is_closed(const char *name, const char *base)
{
    size_t size = strlen(base);
    const char *p = name + size;

    return strncmp(name, base, size) == 0 && *p++ == '-' && strspn(p, "0123456789") == 8 &&
           p[8] == '-' && strspn(p + 9, "0123456789") == 6;
}

static int note_removed(struct audit_export *x, const char *name, struct error *e)
{
    struct state *s = export_state(x);
    char sentence[512];
    int r = state_begin(s, e);

    if (r < 0)
        return r;
    snprintf(sentence, sizeof(sentence), "%.300s was removed: older than [audit] keep", name);
    r = audit_record(s, &(struct audit_row){.event = "retention", .sentence = sentence}, e);
    if (r < 0) {
        state_rollback(s);
        return r;
    }
    return state_commit(s, e);
}

static int remove_old(struct audit_export *x, struct error *e)
{
    CLEANUP(freep) char *for_folder = strdup(export_path(x));
    CLEANUP(freep) char *for_base = strdup(export_path(x));
    uint64_t keep = export_limits(x)->keep_usec, now = clock_now_usec();
    const char *folder, *base;
    int r = 0;

    if (!for_folder || !for_base)
        return error_out_of_memory(e);
    folder = dirname(for_folder);
    base = basename(for_base);
    DIR *dir = opendir(folder);
    if (!dir)
        return error_set(e, -errno, "%s cannot be read: %s", folder, strerror(errno));
    for (struct dirent *entry; r == 0 && (entry = readdir(dir));) {
        struct stat st;
        uint64_t then;

        if (!is_closed(entry->d_name, base) ||
            fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        then = (uint64_t)st.st_mtime * USEC_PER_SEC;
        if (now <= then || now - then < keep)
            continue;
        r = note_removed(x, entry->d_name, e); /* on record before it is gone */
        if (r == 0 && unlinkat(dirfd(dir), entry->d_name, 0) < 0)
            r = error_set(e, -errno, "%s/%s cannot be removed: %s", folder, entry->d_name,
                          strerror(errno));
    }
    closedir(dir);
    return r;
}

/* Before the file gets another name: a crash in between would find these lines in no file of
 * the configured name, and write them again into the new one. */
static int note_durable(struct audit_export *x, struct error *e)
{
    struct state *s = export_state(x);
    int r = state_begin(s, e);

    if (r < 0)
        return r;
    r = trail_note(s, e);
    if (r < 0) {
        state_rollback(s);
        return r;
    }
    return state_commit(s, e);
}

int audit_export_rotate(struct audit_export *x, bool now, struct error *e)
{
    int r = 0;

    if (state_in_transaction(export_state(x)))
        return now ? error_set(e, -EBUSY, "the audit is being written: try again") : 0;
    if (now || is_due(x)) {
        r = export_checkpoint(x, "close", e);
        if (r == 0)
            r = note_durable(x, e);
        if (r == 0)
            r = change_files(x, e);
        if (r == 0)
            r = export_checkpoint(x, "open", e);
    }
    if (r < 0 || !export_limits(x)->keep_usec)
        return r;
    r = remove_old(x, e);
    return r < 0 ? r : audit_export_run(x, e);
}
