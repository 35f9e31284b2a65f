/*
 * Unit files are read as systemd reads them, as far as two settings need it: the first file of
 * the name, then every drop-in in order of its name; an empty value forgets what was set
 * before. Nothing is asked of the service manager, which need not run where a check does.
 */
#include "config.h"

#include "ctl/service.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"

#define CONFIG_FOLDER  SYSCONFDIR "/rosterd/"
#define UNIT_MAX       (256 * 1024)
#define CREDENTIAL_MAX (1024 * 1024)

/* In order of preference; systemd.unit(5). */
static const char *const unit_folders[] = {"/etc/systemd/system", "/run/systemd/system",
                                           "/usr/local/lib/systemd/system",
                                           "/usr/lib/systemd/system", "/lib/systemd/system"};

/* Malloc'd and NUL-terminated; NULL when it cannot be read or is larger than max. */
static char *read_whole(const char *path, size_t max, size_t *ret_size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    struct stat st;
    size_t size = 0;

    if (fd < 0)
        return NULL;
    char *text = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? malloc(max + 1) : NULL;
    while (text && size <= max) {
        ssize_t n = read(fd, text + size, max + 1 - size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            if (n == 0)
                break;
            free(text);
            text = NULL;
            break;
        }
        size += (size_t)n;
    }
    (void)close(fd);
    if (text && size > max) {
        free(text);
        return NULL;
    }
    if (text)
        text[size] = '\0';
    *ret_size = size;
    return text;
}

/* %i and %% are all that a unit of rosterd needs. */
static char *expand(const char *value, const char *instance)
{
    char text[PATH_MAX];
    size_t n = 0;

    for (const char *p = value; *p && n < sizeof(text) - 1; p++) {
        if (p[0] == '%' && (p[1] == 'i' || p[1] == 'I')) {
            for (const char *i = instance; *i && n < sizeof(text) - 1; i++)
                text[n++] = *i;
            p++;
        } else {
            if (p[0] == '%' && p[1] == '%')
                p++;
            text[n++] = *p;
        }
    }
    text[n] = '\0';
    return strdup(text);
}

static int take_setting(struct service *s, const char *key, const char *value, const char *instance,
                        struct error *e)
{
    bool credential = strcmp(key, "LoadCredential") == 0;

    if (!credential && strcmp(key, "User") != 0)
        return 0;
    if (credential && !*value) {
        string_list_done(&s->credentials);
        return 0;
    }
    CLEANUP(freep) char *expanded = expand(value, instance);
    if (!expanded || (credential && string_list_add(&s->credentials, expanded) < 0))
        return error_out_of_memory(e);
    if (!credential) {
        free(s->user);
        s->user = *expanded ? TAKE(expanded) : NULL;
    }
    return 0;
}

static int read_unit(struct service *s, const char *path, const char *instance, struct error *e)
{
    size_t size;
    CLEANUP(freep) char *text = read_whole(path, UNIT_MAX, &size);
    char *rest = text;
    int r = 0;

    for (char *line; r == 0 && (line = strsep(&rest, "\n"));) {
        line += strspn(line, " \t");
        char *equals = strchr(line, '=');
        if (*line == '#' || *line == ';' || *line == '[' || !equals)
            continue;
        char *value = equals + 1 + strspn(equals + 1, " \t");
        for (char *end = value + strlen(value); end > value && strchr(" \t\r", end[-1]);)
            *--end = '\0';
        while (equals > line && strchr(" \t", equals[-1]))
            equals--;
        *equals = '\0';
        r = take_setting(s, line, value, instance, e);
    }
    return r;
}

static int is_drop_in(const struct dirent *entry)
{
    size_t n = strlen(entry->d_name);
    return n > 5 && strcmp(entry->d_name + n - 5, ".conf") == 0;
}

/* Those of all folders, by name; one that hides another of its name is rare, and read twice it
 * says the same. */
static int read_drop_ins(struct service *s, const char *root, const char *unit,
                         const char *instance, struct error *e)
{
    int r = 0;

    for (size_t i = ARRAY_SIZE(unit_folders); i-- > 0 && r == 0;) {
        char folder[PATH_MAX], path[PATH_MAX + 300];
        struct dirent **found = NULL;
        (void)snprintf(folder, sizeof(folder), "%s%s/%s.d", root, unit_folders[i], unit);
        int n = scandir(folder, &found, is_drop_in, alphasort);
        for (int k = 0; k < n; k++) {
            (void)snprintf(path, sizeof(path), "%s/%s", folder, found[k]->d_name);
            if (r == 0)
                r = read_unit(s, path, instance, e);
            free(found[k]);
        }
        free(found);
    }
    return r;
}

static int read_units(struct service *s, const char *root, const char *template,
                      const char *instance, struct error *e)
{
    char path[PATH_MAX];
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(unit_folders); i++) {
        (void)snprintf(path, sizeof(path), "%s%s/%s", root, unit_folders[i], template);
        if (access(path, R_OK) == 0) {
            r = read_unit(s, path, instance, e);
            break;
        }
    }
    if (r == 0)
        r = read_drop_ins(s, root, template, instance, e);
    if (r == 0 && strcmp(template, s->unit) != 0)
        r = read_drop_ins(s, root, s->unit, instance, e);
    return r;
}

int service_find(struct service *ret, const char *config_file, const char *root, struct error *e)
{
    struct service s = {.unit = "rosterd.service"};
    char instance[256] = "";
    size_t prefix = strlen(CONFIG_FOLDER);
    const char *name = config_file + prefix;

    if (strncmp(config_file, CONFIG_FOLDER, prefix) != 0 || strchr(name, '/') ||
        strlen(name) <= 5 || strlen(name) >= sizeof(instance) ||
        strcmp(name + strlen(name) - 5, ".conf") != 0)
        return SERVICE_NONE;
    if (strcmp(name, "rosterd.conf") != 0) {
        (void)snprintf(instance, sizeof(instance), "%.*s", (int)strlen(name) - 5, name);
        (void)snprintf(s.unit, sizeof(s.unit), "rosterd@%s.service", instance);
    }
    int r = read_units(&s, root, *instance ? "rosterd@.service" : s.unit, instance, e);
    const struct passwd *p = r == 0 && s.user ? getpwnam(s.user) : NULL;
    if (r < 0 || !p) {
        service_done(&s);
        return r < 0 ? r : SERVICE_NONE;
    }
    s.uid = p->pw_uid;
    s.gid = p->pw_gid;
    *ret = s;
    return 0;
}

static int copy_credential(const struct service *s, const char *credential, struct error *e)
{
    const char *colon = strchr(credential, ':');
    size_t n = colon ? (size_t)(colon - credential) : 0, size = 0;
    char path[PATH_MAX];

    /* One that is passed on by the service manager, or a socket: not ours to read. */
    if (!colon || colon[1] != '/' || n == 0 || n > 255 || memchr(credential, '/', n))
        return 0;
    char *text = read_whole(colon + 1, CREDENTIAL_MAX, &size);
    if (!text) /* the check says that it is missing, with the key that names it */
        return 0;
    (void)snprintf(path, sizeof(path), "%s/%.*s", s->folder, (int)n, credential);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0400);
    int r = 0;
    if (fd < 0 || write(fd, text, size) != (ssize_t)size || fchown(fd, s->uid, s->gid) < 0)
        r = error_set(e, -errno, "the credential %.*s cannot be offered: %s", (int)n, credential,
                      strerror(errno));
    if (fd >= 0)
        (void)close(fd);
    explicit_bzero(text, size);
    free(text);
    return r;
}

int service_offer_credentials(struct service *s, struct error *e)
{
    if (s->credentials.n_items == 0)
        return 0;
    (void)snprintf(s->folder, sizeof(s->folder), "/run/rosterctl-XXXXXX");
    if (!mkdtemp(s->folder)) {
        int r = error_set(e, -errno, "no folder can be made in /run: %s", strerror(errno));
        s->folder[0] = '\0';
        return r;
    }
    if (chown(s->folder, s->uid, s->gid) < 0)
        return error_set(e, -errno, "%s cannot be given to %s: %s", s->folder, s->user,
                         strerror(errno));
    int r = 0;
    for (size_t i = 0; i < s->credentials.n_items && r == 0; i++)
        r = copy_credential(s, s->credentials.items[i], e);
    return r;
}

int service_become(const struct service *s, struct error *e)
{
    if (initgroups(s->user, s->gid) < 0 || setgid(s->gid) < 0 || setuid(s->uid) < 0)
        return error_set(e, -errno, "cannot become %s: %s", s->user, strerror(errno));
    if (s->folder[0] ? setenv("CREDENTIALS_DIRECTORY", s->folder, 1) < 0
                     : unsetenv("CREDENTIALS_DIRECTORY") < 0)
        return error_out_of_memory(e);
    return 0;
}

static void remove_folder(const char *folder)
{
    DIR *dir = opendir(folder);

    for (struct dirent *entry; dir && (entry = readdir(dir));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir)
        (void)closedir(dir);
    (void)rmdir(folder);
}

void service_done(struct service *s)
{
    if (s->folder[0])
        remove_folder(s->folder);
    free(s->user);
    string_list_done(&s->credentials);
    *s = (struct service){0};
}
