#include "config.h"

#include "contact/missing.h"

#include "base/clock.h"
#include "base/log.h"

void missing_note(struct missing *m, const char *cause)
{
    if (!m->causes.n_items)
        m->since_usec = clock_steady_usec();
    if (string_list_add_once(&m->causes, cause) < 0)
        log_debug("Out of memory: %s is looked up again each time", cause);
}

bool missing_has(const struct missing *m, const char *cause)
{
    return string_list_contains(&m->causes, cause);
}

void missing_forget(struct missing *m)
{
    string_list_done(&m->causes);
}

void missing_forget_old(struct missing *m, uint64_t age_usec)
{
    if (m->causes.n_items && m->since_usec + age_usec <= clock_steady_usec())
        missing_forget(m);
}
