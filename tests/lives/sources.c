/*
 * Sources of events, as sd-event is asked for them: counted until they are gone. With an
 * accuracy timers are spread by the machine's boot id: another machine, another life.
 */
#include "config.h"

#include <dlfcn.h>
#include <systemd/sd-event.h>

#include "world.h"

static unsigned n_sources;

unsigned sources_alive(void)
{
    return n_sources;
}

void sources_begin(void)
{
    n_sources = 0;
}

static void source_is_gone(void *userdata)
{
    (void)userdata;
    n_sources--;
}

/* One that nobody holds is gone with the loop alone. */
static int noted(int r, sd_event_source **source)
{
    if (r >= 0 && source && sd_event_source_set_destroy_callback(*source, source_is_gone) >= 0)
        n_sources++;
    return r;
}

static void *real(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

int sd_event_add_time(sd_event *event, sd_event_source **ret, clockid_t clock, uint64_t usec,
                      uint64_t accuracy, sd_event_time_handler_t handler, void *userdata)
{
    static int (*add)(sd_event *, sd_event_source **, clockid_t, uint64_t, uint64_t,
                      sd_event_time_handler_t, void *);
    (void)accuracy;
    if (!add)
        *(void **)&add = real("sd_event_add_time");
    return noted(add(event, ret, clock, usec, 1, handler, userdata), ret);
}

/* It calls the other one, by its own name. */
int sd_event_add_time_relative(sd_event *event, sd_event_source **ret, clockid_t clock,
                               uint64_t usec, uint64_t accuracy,
                               sd_event_time_handler_t handler, void *userdata)
{
    static int (*add)(sd_event *, sd_event_source **, clockid_t, uint64_t, uint64_t,
                      sd_event_time_handler_t, void *);
    (void)accuracy;
    if (!add)
        *(void **)&add = real("sd_event_add_time_relative");
    unsigned before = n_sources;
    int r = add(event, ret, clock, usec, 1, handler, userdata);
    return n_sources > before ? r : noted(r, ret);
}

int sd_event_add_io(sd_event *event, sd_event_source **ret, int fd, uint32_t events,
                    sd_event_io_handler_t handler, void *userdata)
{
    static int (*add)(sd_event *, sd_event_source **, int, uint32_t, sd_event_io_handler_t,
                      void *);
    if (!add)
        *(void **)&add = real("sd_event_add_io");
    return noted(add(event, ret, fd, events, handler, userdata), ret);
}

int sd_event_add_defer(sd_event *event, sd_event_source **ret, sd_event_handler_t handler,
                       void *userdata)
{
    static int (*add)(sd_event *, sd_event_source **, sd_event_handler_t, void *);
    if (!add)
        *(void **)&add = real("sd_event_add_defer");
    return noted(add(event, ret, handler, userdata), ret);
}
