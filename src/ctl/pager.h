/* A pager between standard output and the terminal. */
#pragma once
#include <stdbool.h>
#include <sys/types.h>

struct pager {
    pid_t pid; /* 0: none */
};
/* Starts one unless it runs, is not wanted, or nobody sits at a terminal. What is written to
 * standard output from then on goes through it. */
void pager_open(struct pager *p, bool wanted);
/* Waits until its reader leaves it. Nothing can be written afterwards. */
void pager_close(struct pager *p);
