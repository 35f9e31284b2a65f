/*
 * Timers of the loop, on the clock that stands still with the machine. They are exact: what may
 * come a little later would come by a moment that sd-event draws for each machine and boot.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#define TIMER_ACCURACY_USEC 1

/* One that goes off once, at this time of clock_monotonic_usec(). ret NULL: nobody ends it. */
static inline int timer_at(sd_event *event, sd_event_source **ret, uint64_t usec,
                           sd_event_time_handler_t handler, void *userdata)
{
    return sd_event_add_time(event, ret, CLOCK_MONOTONIC, usec, TIMER_ACCURACY_USEC, handler,
                             userdata);
}

static inline int timer_in(sd_event *event, sd_event_source **ret, uint64_t usec, /* from now */
                           sd_event_time_handler_t handler, void *userdata)
{
    return sd_event_add_time_relative(event, ret, CLOCK_MONOTONIC, usec, TIMER_ACCURACY_USEC,
                                      handler, userdata);
}

/* One that is off, and is set anew each time. */
static inline int timer_add(sd_event *event, sd_event_source **ret, sd_event_time_handler_t handler,
                            void *userdata)
{
    int r = timer_in(event, ret, 0, handler, userdata);
    return r < 0 ? r : sd_event_source_set_enabled(*ret, SD_EVENT_OFF);
}

static inline void timer_arm(sd_event_source *timer, uint64_t usec) /* from now */
{
    sd_event_source_set_time_relative(timer, usec);
    sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}

static inline bool timer_is_armed(sd_event_source *timer)
{
    int on = SD_EVENT_OFF;
    sd_event_source_get_enabled(timer, &on);
    return on != SD_EVENT_OFF;
}
