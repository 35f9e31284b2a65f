/* The names of the ledger's columns. */
#include "config.h"

#include "model/standing.h"

const char *person_bucket_name(enum person_bucket b)
{
    switch (b) {
    case BUCKET_PENDING: return "pending";
    case BUCKET_CREATED: return "created";
    case BUCKET_ADOPTED: return "adopted";
    case BUCKET_UPDATED: return "updated";
    case BUCKET_UNCHANGED: return "unchanged";
    case BUCKET_LEAVING: return "leaving";
    case BUCKET_SKIPPED: return "skipped";
    case BUCKET_HELD: return "held";
    case BUCKET_FAILED: return "failed";
    }
    return "unknown";
}
