/* Memory for jansson's many small objects in a program that reads millions of lines. */
#pragma once

/* From now on jansson takes its memory here, in all threads; to be called before any other of its
 * functions. What it gave is not for free(): a program that calls this uses no json_dumps(). */
void json_memory_pool(void);
