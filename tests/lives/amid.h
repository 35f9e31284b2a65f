/*
 * What the daemon keeps in memory amid its work, at drawn moments between two waits of the
 * loop: what is kept only as long as there is work is gone by the end of a day (kept.h).
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct daemon;
struct sqlite3;

void amid_begin(void);
void amid_look(void);  /* if one was drawn */
void amid_close(void); /* before the daemon closes its state file */

/* Of the connection that the daemon writes by, so that what is not committed counts, too. sql:
 * a literal that begins with AMID. */
#define AMID "/* amid */ "
/* The first column of the first row; 0: there is none. */
int64_t amid_number(struct sqlite3 *db, const char *sql, int64_t a, int64_t b);
/* Borrowed until the next question; NULL: there is none. */
const char *amid_text(struct sqlite3 *db, const char *sql, int64_t a);
void amid_same(const char *what, int64_t kept, int64_t by_tables);
void amid_same_text(const char *what, const char *kept, const char *by_tables);

/* amid-owners.c: of the engine, of delivery and of the directory. */
void amid_owners(struct daemon *d, uint64_t drawn);
