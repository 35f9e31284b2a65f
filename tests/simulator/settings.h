/* The settings by name, for the command line and for the control interface. */
#pragma once

#include <jansson.h>

struct settings;

void settings_init(struct settings *s);
void settings_done(struct settings *s);
/* 0; or -1 if there is no such setting or the value is none of its values. */
int settings_set(struct settings *s, const char *name, const char *value);
json_t *settings_write(const struct settings *s);
/* The names with their values, one to a line, for --help. */
void settings_help(void);
