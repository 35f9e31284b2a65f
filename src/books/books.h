/*
 * The books: the state and the audit of one step, and what is to be done next. Everybody who
 * decides or delivers writes through them; they call nobody but the state, the audit and the
 * commands, and say upwards only that there is work.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/clock.h"

struct audit_export;
struct audit_row;
struct books;
struct commands;
struct engine_act;
struct engine_options;
struct error;
struct sd_event;
struct state;
struct steady;
struct string_list;

/* Why there is work; bits. */
enum work {
    WORK_DUE = 0,         /* something came or is due: the turn finds it */
    WORK_GUARD = 1,       /* the plan changed: the guard must look again */
    WORK_COMMIT = 2,      /* something waits for it to be durable */
    WORK_ALARMS = 4,      /* holds came or went since the last look at the alarms */
    WORK_REVOCATIONS = 8, /* one was planned: it does not wait until everybody was evaluated */
    WORK_RUN = 16,        /* a run was begun or joined since the engine was idle */
};

/* Everything is borrowed; audit may be NULL. options may change where they lie. */
struct books_options {
    struct sd_event *event;
    struct state *state;
    struct audit_export *audit;
    struct commands *commands;
    const struct engine_options *options;
    void (*wake)(void *userdata);           /* a turn soon */
    void (*status_changed)(void *userdata); /* of the tenant or of the state file */
    void (*audit_written)(struct audit_export *audit, void *userdata); /* lines are durable */
    void *userdata;
};
struct lag;
int books_new(struct books **ret, const struct books_options *o, struct error *e);
struct books *books_free(struct books *b); /* commits what is open */

struct state *books_state(const struct books *b);
struct commands *books_commands(const struct books *b);
const struct engine_options *books_options(const struct books *b);
int books_note_steady(struct books *b, struct error *e); /* how far the clocks came, in the state */
void books_note_steady_soon(struct books *b);            /* with the next commit */
/* Whether the wall clock may be followed; what comes of it is noted. Each minute, and in each
 * turn. */
int books_look_at_clock(struct books *b, struct error *e);
/* What it found. */
const struct steady *books_steady(const struct books *b);

/* The one transaction that everybody shares: the first write opens it, the turn commits it. */
int books_commit(struct books *b, struct error *e);        /* 0 when there was none */
uint64_t books_open_since_usec(const struct books *b);     /* monotonic; 0: it is not open */
void books_failed(struct books *b, const struct error *e); /* delivery stops; said once */
bool books_have_failed(const struct books *b);
const char *books_error(const struct books *b); /* why they failed */
void books_export(struct books *b); /* what is committed goes into the audit file, now */
/* The audit file was written, or could not be: nothing is sent until it can. */
void books_audit_written(struct books *b, bool fine, const char *sentence);
const char *books_audit_error(const struct books *b); /* NULL: its file can be written */

/* How long it took from the directory's word to the request, since the start. */
const struct lag *books_lag(const struct books *b);
int books_audit(struct books *b, const struct audit_row *row, struct error *e);
/* A line that says that somebody asked for something, about a person or (NULL) about all. */
int books_note_request(struct books *b, const char *what, const char *entry_id,
                       const char *sentence, struct error *e);
void books_act(struct books *b, const struct engine_act *act); /* see engine_act() */
const struct engine_act *books_asked_by(const struct books *b);

/* What the turn that is under way, or else the next one, must do; and the same with a turn soon. */
void books_note(struct books *b, unsigned work);
void books_wake(struct books *b, unsigned work);
bool books_have(const struct books *b, unsigned work);
bool books_take(struct books *b, unsigned work); /* true: there was some of it */
/* An outcome waits for a commit, and since when the first of them does (0: none). */
void books_outcome(struct books *b);
uint64_t books_outcome_since_usec(const struct books *b);
/* While a turn is under way nothing that is written wakes another. */
void books_turn(struct books *b, bool under_way);
void books_status_changed(struct books *b);

/* When something is old enough for alarm_check(): the earliest; 0: never, until then. */
void books_alarms_at(struct books *b, uint64_t usec);
uint64_t books_alarms_due_usec(const struct books *b);
void books_forget_alarms_due(struct books *b);
/* Outcomes alone make nobody look at the alarms again before that time: the last look was long. */
void books_alarms_rest_until(struct books *b, uint64_t usec);
uint64_t books_alarms_rest_usec(const struct books *b);

/* Intents are written ahead of the free slot. One that has not left when another epoch begins does
 * not leave any more: what let it go is not in force now. Epochs begin when writing is paused, the
 * tenant takes no calls, another configuration is loaded, rosterd stops, or nothing can be put on
 * record. Whoever sends notes the epoch with the intent, and asks when it would leave. */
unsigned books_epoch(const struct books *b);
/* why: half a sentence for the audit, a literal. Takes nothing back by itself: a turn does. */
void books_begin_epoch(struct books *b, const char *why);
const char *books_epoch_why(const struct books *b); /* why the present one began */

/* What is under way at the tenant for a person. It is embedded in what carries it out; its marks
 * are written here, while it is open. */
struct intent {
    LIST_ENTRY(intent) link;
    const char *entry_id; /* borrowed */
    bool moved;           /* the person was to be looked at again meanwhile */
    bool hurries;         /* the person is revoked: no call of it waits behind others */
};
/* Whether the person is revoked is to be judged before all others: somebody enabled the user, or a
 * revocation was withdrawn. */
int books_note_revocation(struct books *b, const char *entry_id, struct error *e);
struct string_list books_take_revocations(struct books *b);
void books_open_intent(struct books *b, struct intent *i);
void books_close_intent(struct intent *i);
void books_note_moved(struct books *b, const char *entry_id);
void books_hurry(struct books *b, const char *entry_id);

/* The state file is an older copy: removals and changes wait for approval. */
bool books_are_distrusted(const struct books *b);
/* It is or once was one: a newer one may have made users of whom it knows nothing. */
bool books_were_distrusted(const struct books *b);
int books_distrust(struct books *b, bool are, struct error *e);
#define META_RESTORED "was-distrusted"

/* run.c: one pass from changes to what became of them. */
uint64_t books_run(const struct books *b); /* 0: none is under way */
void books_set_run(struct books *b, uint64_t run);
int run_join(struct books *b, const char *trigger, struct error *e); /* begins one if need be */
/* Nothing is due: the ledger goes on record, with what the turn commits anyhow. So many people at a
 * time, and from the beginning if anything was written meanwhile: RUN_MORE says that some are left
 * for the next call, RUN_RESTS that too much was written and that it is to be tried again then. */
#define RUN_MORE  1
#define RUN_RESTS 2
int run_close(struct books *b, char **ret_ledger, struct error *e);
uint64_t run_rests_usec(struct books *b);             /* until when, steady; 0: it does not */
void run_closed(struct books *b, const char *ledger); /* it is durable */
struct ledger *books_ledger(struct books *b);         /* of the run that is being closed */

/* alarm.c */
void alarm_set(struct books *b, const char *cause, const char *code, const char *sentence);
void alarm_over(struct books *b, const char *cause);
/* Of all causes that begin so: what is not among those that stand is over. */
int alarm_over_but(struct books *b, const char *prefix, const struct string_list *standing,
                   struct error *e);
/* What was told before the state failed goes into it and on record, so that it is not told again,
 * and its end is. */
int alarm_store_told(struct books *b, struct error *e);
/* An alarm, or its end, that needs neither state nor audit. */
void alarm_tell(struct books *b, bool stands, const char *code, const char *sentence,
                uint64_t since_usec);
/* The newest checkpoint, if there is one to be told, to be kept elsewhere. */
void alarm_tell_checkpoint(struct books *b, struct audit_export *audit);
struct alarm_facts {
    bool settled; /* nothing is under way, so a hold that is not there is over; else it may just
                     be tried again */
    bool adoption_open;
    bool paused;
    uint64_t paused_usec;
};
/* Notifies of holds and outages that are older than alarm_after. */
void alarm_check(struct books *b, const struct alarm_facts *facts);
const char *alarm_paused_since(uint64_t paused_usec, char buffer[static CLOCK_TEXT_SIZE]);

/* command.c: runs a configured command with text on its standard input, a few at a time and the
 * others after them, bounded in time, never through a shell. Failures are logged under `what` and
 * the subject, whom it is about (NULL: nobody). The text is taken and wiped. `ended` (NULL: none)
 * runs once, never for one that is cancelled, and may be run before command_run() returns; false:
 * it was not even queued, and `ended` does not run. */
typedef void (*command_ended_fn)(const char *subject, bool fine, void *userdata);
/* room: runs when one ended, so that another could start. */
int commands_new(struct commands **ret, struct sd_event *event, void (*room)(void *userdata),
                 void *userdata, struct error *e);
/* rosterd is to end: what is to be told is told within some seconds, what can be done after the
 * next start is dropped, what still runs then is killed. */
void commands_hurry(struct commands *l);
struct commands *commands_free(struct commands *l);
bool command_run(struct commands *l, char *const *argv, char *text_taken, size_t size,
                 const char *what, const char *subject, command_ended_fn ended, void *userdata);
size_t command_room(const struct commands *l); /* how many more would start at once */
bool command_any(const struct commands *l);    /* one runs or waits, and can be ended */
