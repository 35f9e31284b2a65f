/* The tenant simulator's names that are used here; all others are hidden (module.am), since
 * they are the names of src/ as well. */
#pragma once
#define route_resolve simulated_route_resolve
#define route_serve   simulated_route_serve
#define settings_init simulated_settings_init
#define settings_done simulated_settings_done
#define store_init    simulated_store_init
#define store_done    simulated_store_done
#define store_user    simulated_store_user
#define faults_init   simulated_faults_init
#define faults_clear  simulated_faults_clear
#define faults_add    simulated_faults_add
#define fault_unref   simulated_fault_unref
#define oauth_done    simulated_oauth_done
#define seed_names    simulated_seed_names
#define seed_user     simulated_seed_user
#define text_copy     simulated_text_copy
#define buffer_append simulated_buffer_append
#define buffer_done   simulated_buffer_done
#define settings_set            simulated_settings_set
#define itself_turn             simulated_itself_turn
#define itself_done             simulated_itself_done
#define itself_settings_changed simulated_itself_settings_changed

#include "../simulator/itself.h"
#include "../simulator/route.h"
#include "../simulator/seed.h"
#include "../simulator/settings.h"
