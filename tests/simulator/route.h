/* From a request to its handler, and through the faults. */
#pragma once

#include "simulator.h"

enum route_result {
    ROUTE_ANSWER, /* send what the request holds */
    ROUTE_WAIT,   /* suspend until wait_until_ms, or for ever, then call route_serve again */
    ROUTE_CUT,
    ROUTE_RESET
};

/* Finds the endpoint, the argument and the login. */
void route_resolve(struct simulator *s, struct request *q);
enum route_result route_serve(struct simulator *s, struct request *q);
