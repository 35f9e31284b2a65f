/* The Configuration API but for its token endpoint: users, lock-outs, teams, the phone
 * directory. */
#pragma once

#include "simulator.h"

request_handler configapi_user_create, configapi_user_get, configapi_user_change,
    configapi_user_delete;
request_handler configapi_lock_get, configapi_lock_clear;
request_handler configapi_teams, configapi_phone_users, configapi_phone_extensions;
