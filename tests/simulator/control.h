/* The control interface: what tests and administrators do to the simulator itself. */
#pragma once

#include "simulator.h"

request_handler control_users, control_user, control_users_seed, control_user_delete,
    control_users_clear;
request_handler control_requests, control_requests_forget, control_counters;
request_handler control_names, control_teams_edit, control_roles_edit, control_skills_edit;
request_handler control_faults, control_faults_add, control_faults_clear;
request_handler control_settings, control_settings_edit;
request_handler control_revoke_tokens, control_down;
