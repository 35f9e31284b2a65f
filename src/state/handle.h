/* Inside of state: a handle before and after its life as an open file. */
#pragma once
#include <stdbool.h>

struct state;

struct state *state_alloc(const char *path); /* without a database; NULL: out of memory */
struct state *state_release(struct state *s);
static inline void state_releasep(struct state **s)
{
    if (*s)
        state_release(*s);
}
/* Damage that any step of opening meets is the one answer; the sentence is there. */
int state_answer_of(int r);
bool state_is_open_here(const char *path); /* by this process, which looks through SQLite alone */
