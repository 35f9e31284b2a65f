/* Warnings of what a value holds unseen. */
#pragma once

struct config_context;

void config_check_writing(struct config_context *c);
