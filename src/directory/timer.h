/* Timers of the loop that go off once, and are set anew each time. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

static inline int timer_add(struct sd_event *event, sd_event_source **ret,
                            sd_event_time_handler_t handler, void *userdata)
{
    int r = sd_event_add_time_relative(event, ret, CLOCK_MONOTONIC, 0, 1000, handler, userdata);
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
