/* The parts of a daemon, in the order in which they are opened. */
#pragma once

struct daemon;
struct engine;
struct error;
struct problem_list;
struct settings;

int parts_open(struct daemon *d, struct error *e);
void parts_close(struct daemon *d);
/* Whatever would make parts_open() fail, or that it would warn of, and nothing is written. */
int parts_look(struct settings *s, const char *config_file, struct problem_list *problems,
               struct error *e);
/* Some are made again while it runs. */
int parts_make_engine(struct daemon *d, struct engine **ret, struct error *e);
int parts_make_directory(struct daemon *d, struct error *e);
int parts_make_tenant(struct daemon *d, struct error *e);
