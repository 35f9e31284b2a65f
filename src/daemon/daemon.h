/*
 * What the files of the daemon share. main.c reads the command line; parts.c opens and
 * looks; manager.c wires and closes; reload.c applies a new configuration; handlers.c answers
 * rosterctl; report-*.c make the answers.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "audit/audit.h"
#include "config/settings.h"
#include "control/control.h"
#include "directory/feed.h"
#include "state/state.h"
#include "sync/engine.h"
#include "sync/view.h"
#include "tenant/client.h"

struct approving;
struct retrying;
struct erasure;
struct sync_one;
struct history;
struct reconciliation;
struct candidate;
struct metrics;
struct progress;
struct progress_line;
struct proof;
struct reader;
struct storage;

struct daemon {
    sd_event *event;
    char *config_file;
    struct settings *settings; /* what is in force, also after a reload */
    struct state *state;
    struct audit_export *audit;
    char *configuration, *configuration_facts; /* what the engine borrows for the audit */
    sd_event_source *audit_timer;              /* of the hourly checkpoint */
    struct tenant_client *tenant;
    sd_event_source *token_timer; /* the client is made anew, for another token; NULL: it is not */
    struct engine *engine;
    struct directory *directory;
    struct control_server *control;
    struct candidate *candidate;           /* at another configuration, under way; NULL */
    struct history *history;               /* being read; NULL */
    struct reader *reader;                 /* questions to the tables; NULL: there was none yet */
    struct erasure *erasure;               /* under way; NULL */
    struct reconciliation *reconciliation; /* likewise */
    struct approving *approving;         /* who waits until what they approved is released; NULL */
    struct retrying *retrying;           /* likewise, what is to be tried again; NULL */
    struct sync_one *sync_one;           /* somebody waits for one person; NULL */
    struct progress *progress;           /* of a load; NULL: nobody asks for it */
    struct progress_line *progress_line; /* --once at a terminal; NULL: there is none */
    struct proof *proof;     /* the state file is being read to its end; NULL: it is not */
    struct storage *storage; /* the watch over the state file; NULL for a look */
    struct metrics *metrics; /* NULL: no file of them is kept */
    uint64_t started_usec;
    /* A configuration was to be loaded, and could not be noted: by whom, and why. */
    struct {
        bool waits;
        struct audit_actor actor;
        char *reason;
        char *fingerprint; /* of what was to be loaded */
    } reload;
    bool state_created; /* there was no state file */
    bool state_older;   /* the audit is ahead of the state: an older state file was restored */
    bool once, dry_run, stopping;
    void (*stop)(struct daemon *d); /* what is in flight is finished, then the loop ends */
    bool looks;                     /* for a check: nothing is said, nothing kept */
    bool read_done;                 /* --once: the directory was read */
    int exit_code;
};

/* manager.c */
int daemon_open(struct daemon *d, struct error *e);
int daemon_run(struct daemon *d, struct error *e); /* until it is told to stop; sets exit_code */
void daemon_close(struct daemon *d);

/* audit.c */
int daemon_audit_open(struct daemon *d, struct error *e);
int daemon_audit_sign(struct daemon *d, struct error *e);
/* Where its key is; malloc'd. */
int daemon_audit_key_file(const struct settings *s, char **ret, struct error *e);
/* Fills in which configuration it is, and how it differs from the one before. */
int daemon_audit_configuration(struct daemon *d, const struct settings *s, struct engine_options *o,
                               struct error *e);
/* Who that is now: name, login and session change hands later. */
void daemon_audit_actor(struct audit_actor *ret, uid_t uid, pid_t pid);
/* Rotation, retention and which values, of the present configuration. */
void daemon_audit_limit(struct daemon *d);
int daemon_audit_start(struct daemon *d, struct error *e);
void daemon_audit_close(struct daemon *d);
void daemon_audit_key(struct daemon *d, struct control_call *call, bool renew);

/* history.c: the audit file and what was rotated away, copies of it too; ret_unread: names of what
 * cannot be read. */
struct string_list;
int history_files(struct daemon *d, bool copies, struct string_list *ret,
                  struct string_list *ret_unread, struct error *e);
/* erase.c */
void erase_start(struct daemon *d, struct control_call *call, const char *person,
                 const struct audit_actor *actor, const char *reason);
void erase_resume(struct daemon *d); /* what a crash or a stop cut short */
void erase_cancel(struct daemon *d);

/* reconcile.c: the users against the audit, after each verification of all of them. */
void reconcile_if_due(struct daemon *d);
void reconcile_cancel(struct daemon *d);

/* reload.c: a broken file keeps the old configuration; the reason is logged and returned. So does a
 * state file that cannot be written; it is tried again later, in the name of act. */
int daemon_reload(struct daemon *d, const struct engine_act *act, struct error *e);
/* Whoever sees that it can be written calls this. */
void daemon_reload_later(struct daemon *d);

/* four-eyes.c: true: the call was answered, since whoever asks must not approve. */
bool four_eyes_forbid(struct daemon *d, struct control_call *call, const struct audit_actor *actor);
/* true: the call was answered, since it takes two people, and whoever asks is the first who asks
 * for just this. groups: the names of all that is meant of the plan; NULL: the whole of it. */
bool four_eyes_want_second(struct daemon *d, struct control_call *call,
                           const struct audit_actor *actor, const char *plan, const char *groups);

/* approve.c: all that was approved is released. */
void approve_over(struct daemon *d);

/* handlers.c: the control protocol (docs/control-protocol.md). */
void daemon_handle(struct control_call *call, const char *method, const json_t *parameters,
                   uid_t peer, void *userdata);
/* Looks and changes nothing: a member of the readers' group may call it. */
bool daemon_is_for_readers(const char *method);
/* Answers what is still under way; before the parts that it reads are closed. */
void daemon_handlers_close(struct daemon *d);

/* storage.c: watches over the state file and goes on when it can be written again. */
/* renew: a new engine over the state as it is on disk, in place of one that could not write it;
 * -errno: the old one is still there. stop: what is in flight is finished, then the loop ends. */
int storage_start(struct daemon *d, int (*renew)(struct daemon *d, struct error *e),
                  void (*stop)(struct daemon *d), struct error *e);
void storage_look(struct daemon *d); /* the engine's status changed */
void storage_stop(struct daemon *d);

/* proof.c: reads the state file to its end, if that is due. stop: as above. */
int proof_start(struct daemon *d, void (*stop)(struct daemon *d), struct error *e);
void proof_end(struct daemon *d);

/* metrics.c */
int metrics_start(struct daemon *d, struct error *e);
void metrics_stop(struct daemon *d); /* removes the file */

/* progress.c */
struct progress_now {
    size_t done, total;
    double rate;
    uint64_t left_usec; /* 0: not known */
    uint64_t since_usec;
};
bool progress_of(const struct daemon *d, struct progress_now *ret); /* false: nothing is due */
void progress_tell(struct daemon *d);                               /* STATUS=, when it changed */
int progress_start(struct daemon *d, struct error *e);
void progress_stop(struct daemon *d);
/* progress-terminal.c: a line for whoever waits for --once; nothing elsewhere. */
void progress_show(struct daemon *d);
void progress_hide(struct daemon *d);

/* report-*.c: answers as JSON; NULL on failure, with a sentence. */
/* Of any engine, so that it also serves a look at another configuration. state: its tables, through
 * whatever connection. */
json_t *report_plan(const struct engine_view *v, struct state *s, struct error *e);
json_t *report_explain(struct engine *n, struct state *s, const char *person, bool *ret_found,
                       struct error *e);
json_t *report_holds(const struct engine_view *v, struct state *s, struct error *e);

/* check.c: --check-connections. Prints JSON {"items":[{"level","subject","sentence"}]}; 0, or 1
 * when an item is an error. */
int daemon_check_connections(const char *config_file);
