/* What the files of `rosterd --check-connections` share. */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/meter.h"

struct directory;
struct engine;
struct error;
struct settings;
struct state;
struct string_list;
struct tenant_client;

enum check_level { CHECK_OK = 1, CHECK_WARNING = 2, CHECK_ERROR = 3 };

#define CHECK_CALL_LIMIT_USEC (60 * USEC_PER_SEC)

struct check_run {
    struct settings *settings;
    sd_event *event;
    char folder[4096]; /* private, of the state that goes away; "": none */
    struct state *state;
    struct engine *engine;
    json_t *items, *rules, *commands;
    /* What somebody is to make at the tenant, in words; see check_work_list(). */
    struct buffer work;
    bool any_error;
    bool never_follows_urls; /* the directory is a 389, which leaves memberURL to its clients */
    bool interrupted;
    bool progress; /* somebody watches: say on standard error what is being waited for */
    const char *stage;
    struct directory *reading; /* NULL: not now */
    size_t n_known;            /* people to look at */
    struct meter meter;
    bool out_of_memory;
};

void check_add_text(struct check_run *c, enum check_level level, const char *subject,
                    const char *sentence);
void check_add(struct check_run *c, enum check_level level, const char *subject, const char *format,
               ...) __attribute__((format(printf, 4, 5)));
void check_progress(struct check_run *c, const char *text);
/* Runs the loop until *done or the time is over. 0, -ETIMEDOUT, -EINTR, or the loop's error. */
int check_wait(struct check_run *c, const bool *done, uint64_t limit_usec);
#define CHECK_SUGGESTIONS_MAX 20 /* each compares with every name of its kind */
/* ": did you mean X?" with its quotes, or "" when nearest is NULL. Returns buffer. */
char *check_meant(char *buffer, size_t size, const char *nearest);

/* check-directory.c: reads it once into the state and looks at what the rules make of it. */
void check_directory(struct check_run *c);
/* check-rules.c: whom each rule takes, of those who were read, and why it takes nobody. */
void check_rule_table(struct check_run *c);
/* check-commands.c: what is tried, as commands for a person. Before the directory connects: */
void check_note_searches(struct check_run *c, struct directory *d);
void check_note_requests(struct check_run *c, struct tenant_client *client);
/* check-names.c: do users of the tenant have the roles and skills of the rules? */
void check_names(struct check_run *c, struct tenant_client *client);
/* One list of all that the rules give and the tenant does not show; teams are noted before. */
void check_note_work(struct check_run *c, const char *kind, const char *name);
void check_work_list(struct check_run *c);
/* check-tenant.c: token, privileges, teams, parts that may be missing. Writes nothing there. */
void check_tenant(struct check_run *c);
