/* Somebody starts the daemon a second time, by hand or by another unit. */
#include "config.h"

#include "second.h"

#include <stdio.h>

#include "base/error.h"
#include "daemon/daemon.h"
#include "life.h"
#include "rules.h"

void second_start(bool other_state)
{
    char file[120];
    struct error e = {0};
    struct problem_list problems = {0};
    struct daemon d = {.config_file = file};
    if (!life_running() || world.death)
        return;
    rules_second(other_state);
    snprintf(file, sizeof(file), "%ssecond.conf", HERE);
    int r = settings_load(&d.settings, d.config_file, &problems, &e);
    if (r == 0)
        r = daemon_open(&d, &e);
    problem_list_done(&problems);
    if (r == 0)
        broken(0, "a second rosterd starts with the same %s", other_state ? "audit" : "state");
    daemon_close(&d);
    seen(POINT_SECOND);
}
