/*
 * Files that keys name: are they there, are they files at all, is a secret private. What may still
 * come true before the start (a secret that is not there yet) is a warning.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/secret.h"
#include "config/keys.h"
#include "config/steps.h"

/* Root looks on behalf of a service whose group it does not know. */
static bool root_judges_group(const struct stat *st)
{
    return geteuid() == 0 && st->st_gid != getegid() &&
           (st->st_mode & (S_IRWXG | S_IRWXO)) == S_IRGRP;
}

/* "chown rosterd FILE && " when its mode alone would not do. */
static const char *chown_first(const struct stat *st, const char *path, char *buffer, size_t size)
{
    char name[64];

    buffer[0] = '\0';
    if (st->st_uid != geteuid() && file_account_name(geteuid(), name, sizeof(name)))
        (void)snprintf(buffer, size, "chown %s %s && ", name, path);
    return buffer;
}

static void check_secret(struct config_context *c, const struct settings *s,
                         const struct config_key *key, const char *text)
{
    CLEANUP(buffer_done) struct buffer path = {0};
    const char *credentials = getenv("CREDENTIALS_DIRECTORY");
    char why[512];
    struct stat st;

    if (text[0] != '/') {
        if (!credentials)
            return; /* only the service has it */
        buffer_format(&path, "%s/%s", credentials, text);
    } else {
        buffer_add_text(&path, text);
    }
    if (path.failed) {
        c->result = -ENOMEM;
        return;
    }
    if (stat(path.data, &st) < 0 && errno == ENOENT && text[0] == '/')
        WARNING(
            key->section, key->name,
            "%s is not there: install -o rosterd -g rosterd -m 0600 /dev/stdin %s (paste, then Ctrl-D "
            "twice)",
            path.data, path.data);
    else if (stat(path.data, &st) < 0)
        WARNING(key->section, key->name, "%s cannot be inspected: %s", path.data, strerror(errno));
    else if (!S_ISREG(st.st_mode))
        ERROR(key->section, key->name, "%s is not a file", path.data);
    else if (text[0] == '/' && root_judges_group(&st))
        WARNING(
            key->section, key->name,
            "%s holds a secret that its group may read (mode %04o): that is right only where it is "
            "rosterd's own group",
            path.data, (unsigned)st.st_mode & 07777);
    else if (text[0] == '/' && !secret_mode_is_private(&st))
        ERROR(key->section, key->name,
              "%s holds a secret and has mode %04o; others than its owner may not read it: %s"
              "chmod 0600 %s, or 0640 with rosterd's own group",
              path.data, (unsigned)st.st_mode & 07777,
              chown_first(&st, path.data, why, sizeof(why)), path.data);
    else if (access(path.data, R_OK) < 0 && errno == EACCES)
        WARNING(key->section, key->name, "%s cannot be read: %s", path.data,
                secret_why_unreadable(path.data, why, sizeof(why)));
    else if (st.st_size == 0)
        WARNING(key->section, key->name, "%s is empty", path.data);
    else if ((key->flags & KEY_ONE_WORD) && secret_file_oddity(path.data))
        WARNING(key->section, key->name, "%s looks wrong: %s", path.data,
                secret_file_oddity(path.data));
}

/* Reading a pipe or a device would wait, or never end. */
static void check_kind(struct config_context *c, const struct settings *s,
                       const struct config_key *key, const char *path, const struct stat *st)
{
    bool folder = strcmp(key->name, "tls_ca_directory") == 0;

    if (folder ? !S_ISDIR(st->st_mode) : !S_ISREG(st->st_mode))
        ERROR(key->section, key->name, "%s is not a %s", path, folder ? "folder" : "file");
}

static void check_files(struct config_context *c, struct settings *s)
{
    static const struct {
        const char *section, *name;
    } own[] = {{"state", "file"}, {"audit", "file"}, {"audit", "key_file"}};
    struct stat st;

    for (size_t i = 0; i < config_n_keys; i++) {
        const struct config_key *key = &config_keys[i];
        const char *text = s->values[i].text;
        if (!text || !*text)
            continue;
        if (key->flags & KEY_SECRET)
            check_secret(c, s, key, text);
        else if ((key->flags & KEY_FILE) && text[0] == '/' && stat(text, &st) < 0)
            WARNING(key->section, key->name, "%s cannot be inspected: %s", text, strerror(errno));
        else if ((key->flags & KEY_FILE) && text[0] == '/')
            check_kind(c, s, key, text, &st);
    }
    for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
        const struct config_key *key = config_key_find(own[i].section, own[i].name);
        const char *text = config_value_of(s, own[i].section, own[i].name)->text;
        if (text && *text && stat(text, &st) == 0)
            check_kind(c, s, key, text, &st);
    }
}

static void check_commands(struct config_context *c, struct settings *s)
{
    const struct {
        const char *section, *name;
        char **words;
    } commands[] = {{"notify", "command", s->sync.notify_command},
                    {"tenant", "password_command", s->sync.password_command}};
    struct stat st;

    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        if (commands[i].words && stat(commands[i].words[0], &st) < 0)
            WARNING(commands[i].section, commands[i].name, "%s cannot be inspected: %s",
                    commands[i].words[0], strerror(errno));
        else if (commands[i].words &&
                 (!S_ISREG(st.st_mode) || (st.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) == 0))
            WARNING(commands[i].section, commands[i].name,
                    "%s cannot be executed: it is not a file "
                    "with such a mode",
                    commands[i].words[0]);
}

void config_check_files(struct config_context *c, struct settings *s)
{
    check_files(c, s);
    check_commands(c, s);
}
