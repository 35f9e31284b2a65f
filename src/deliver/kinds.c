/*
 * What each kind of operation does; machine.h says what the columns mean.
 */
#include "config.h"

#include "deliver/machine.h"

#define NO_LONGER_WANTED "no longer wanted"
#define NO_LONGER_LINKED "no longer linked"

/* clang-format off */
static const struct kind_steps all_kinds[OPERATION_N_KINDS] = {
    [OPERATION_CREATE] = {
        .needs = NEEDS_WANTED, .pointless = NO_LONGER_WANTED,
        .find = FIND_OURS, .anew = true, .reads = READS_UNCLEAR | READS_DISTRUSTED | READS_HELD,
        .ours = create_ours, .decide = create_decide, .absent = machine_do_write,
        .write = create_write, .written = create_written, .read_back = create_read_back,
        .learn = create_learn, .confirms = true, .bucket = BUCKET_CREATED,
    },
    [OPERATION_ADOPT] = {
        .needs = NEEDS_WANTED, .pointless = NO_LONGER_WANTED,
        .find = FIND_BY_LOGIN, .anew = true, .reads = READS_FIRST,
        .decide = adopt_decide, .absent = adopt_absent,
        .learn = adopt_learn, .confirms = true, .bucket = BUCKET_ADOPTED,
    },
    [OPERATION_UPDATE] = {
        .needs = NEEDS_WANTED | NEEDS_LINK | NEEDS_KNOWN | NEEDS_PART,
        .pointless = NO_LONGER_WANTED,
        .find = FIND_BY_PART, .reads = READS_FIRST,
        .decide = change_decide,
        .write = change_write, .written = change_written, .read_back = change_read_back,
        .learn = change_learn, .confirms = true, .bucket = BUCKET_UPDATED,
    },
    [OPERATION_RENAME] = {
        .needs = NEEDS_WANTED | NEEDS_LINK | NEEDS_KNOWN | NEEDS_PART | NEEDS_CHANGE,
        .pointless = NO_LONGER_WANTED,
        .find = FIND_BY_PART, .keeps_id = true, .reads = READS_FIRST,
        .decide = rename_decide,
        .write = rename_write, .written = rename_written,
        .learn = rename_learn, .confirms = true, .bucket = BUCKET_UPDATED,
    },
    [OPERATION_DISABLE] = {
        .needs = NEEDS_LINK, .pointless = NO_LONGER_LINKED,
        .find = FIND_PROVED_TO_READ, .reads = READS_FIRST | READS_UNCLEAR, .looks = true,
        .decide = leave_decide, .absent = leave_absent, .hold_back = leave_hold_back,
        .write = leave_write, .written = leave_written,
        .learn = leave_learn, .bucket = BUCKET_LEAVING,
    },
    [OPERATION_ENABLE] = {
        .needs = NEEDS_LINK | NEEDS_WANTED, .pointless = NO_LONGER_WANTED,
        .find = FIND_PROVED, .reads = READS_UNCLEAR, .looks = true,
        .decide = leave_decide, .absent = leave_absent,
        .write = leave_write, .written = leave_written,
        .learn = leave_learn, .bucket = BUCKET_UPDATED,
    },
    [OPERATION_DELETE] = {
        .needs = NEEDS_LINK, .pointless = NO_LONGER_LINKED,
        .find = FIND_PROVED, .reads = READS_UNCLEAR, .looks = true,
        .decide = machine_do_write, .absent = leave_absent,
        .write = delete_write, .written = leave_written,
        .learn = leave_learn, .bucket = BUCKET_LEAVING,
    },
};
/* clang-format on */

/* An update and a profile differ in the part alone, a row of the tenant's own table. */
const struct kind_steps *kind_steps_of(enum operation_kind k)
{
    return &all_kinds[k == OPERATION_PROFILE ? OPERATION_UPDATE : k];
}
