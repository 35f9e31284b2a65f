/*
 * What a statement reads, by EXPLAIN QUERY PLAN: no table or index from one end to the other,
 * unless it is on the list of those that may, with the reason. A search by nothing but columns
 * of few values (state, kind) counts as reading all: that is how a first load became quadratic
 * once.
 */
#pragma once
#include <sqlite3.h>
#include <stdbool.h>

typedef void statement_wrong_fn(const char *sql, const char *why);
/* 0; or 1 after it was said what is wrong. */
int statement_check(sqlite3 *db, const char *sql, statement_wrong_fn *wrong);
/* Who is on the list and was never found to read all: said of each; how many. why: the reason.
 */
int statement_check_list(statement_wrong_fn *wrong);
bool statement_reads_all(const char *detail); /* a line of a plan */
