/* All time comes from here, so that tests can move it. Microseconds throughout. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define USEC_PER_MSEC 1000ULL
#define USEC_PER_SEC  1000000ULL

uint64_t clock_now_usec(void); /* since 1970, CLOCK_REALTIME */
uint64_t
clock_monotonic_usec(void);     /* for deadlines and durations; it stands still with the machine */
uint64_t clock_boot_usec(void); /* since the boot, also while the machine was suspended */
/* How long this machine has slept since its boot; a little more where the process waited. */
uint64_t clock_asleep_usec(void);

/* Two clocks that only pass, whatever the wall clock is set to: that of all that waits, and that
 * of the dates in a directory, which follows the wall clock as far as that is believed. Both are
 * the wall clock until they are set; see state/steady.h, which remembers them. */
uint64_t clock_steady_usec(void);
uint64_t clock_date_usec(void);
void clock_set_steady(uint64_t steady_usec, uint64_t date_usec); /* what they say now */
/* A time of the steady clock, past or to come, as the wall clock shows it: for people. */
uint64_t clock_wall_of(uint64_t steady_usec);
/* Whether the kernel calls its wall clock synchronised. */
bool clock_is_synchronised(void);

/* Identifies the boot of this machine, so that times of the monotonic clock can be compared. */
#define CLOCK_BOOT_SIZE 37
char *clock_boot(char buffer[static CLOCK_BOOT_SIZE]);

/* For unit tests: both clocks stand still at these values until called with 0, 0. */
void clock_freeze(uint64_t realtime_usec, uint64_t monotonic_usec);
/* Likewise: how long the machine has been suspended since its boot. */
void clock_freeze_asleep(uint64_t usec);

/* "2026-11-24T14:39:54.123456Z" */
#define CLOCK_TEXT_SIZE 28
char *clock_format(char buffer[static CLOCK_TEXT_SIZE], uint64_t realtime_usec);
int clock_parse(const char *text,
                uint64_t *ret_usec); /* the form above, with or without the fraction; -EINVAL */
