/* Where the audit's file went when something else than rosterd gave it another name. */
#pragma once

struct tail;

/* The last line of the newest of the files that `path` was renamed to, as logrotate names them,
 * compressed by gzip or not. last.seq 0: there is none, or nobody can tell. Only last and line are
 * set; tail_done() frees. */
void renamed_tail(const char *path, struct tail *ret);
