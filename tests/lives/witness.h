/* What the state file itself says. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct item;
struct json_t;
struct sqlite3;

/* A request that writes reaches the tenant: its intent is on the disk, and whatever earlier ones
 * were about and is over has an outcome. Returns its line of the audit; NULL: it has none. */
const char *witness_intent(const char *login, const char *method);
/* A line that waits for the audit's file has this text, or one was written there lately. */
bool witness_tells(const char *text);
/* Lines are about to be written to the audit file: the state has committed them. */
void witness_audit(const char *data, size_t size);
void witness_forget(void); /* another state file */
void witness_close(void);  /* before the daemon closes its own */
struct sqlite3 *
witness_database(void); /* a connection that can only read; NULL: there is none */
/* After some quiet hours: the mirror is what the directory shows, and nothing is under way for
 * long. */
void witness_day_end(uint64_t settled_usec);
/* What an operator is told now; NULL: nothing. */
struct json_t *witness_status(void);
/* Changes are pushed to the daemon; it asks again and again for none. */
bool witness_follows(void);
/* There is an alarm for this cause; and somebody was told. */
bool witness_alarm(const char *cause);
bool witness_alarm_told(const char *cause);
long long
witness_members(const struct item *group); /* as the mirror has it; -1: nobody knows */
/* One that begins so and is not a key of `causes`; NULL: there is none. */
const char *witness_stray_alarm(const char *prefix, const struct json_t *causes);
/* What no statement orders comes the other way round from now on, for the daemon, too. */
void witness_turn_rows(void);
void witness_begin(void);
