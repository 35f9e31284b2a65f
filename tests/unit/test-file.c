/* Whose files are taken: as the service itself sees them, and as root who looks for the service. */
#include "config.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "unit.h"

#define SERVICE 65534 /* nobody, whose group is nogroup */
#define OTHER   4242

static const struct row {
    uid_t uid;
    gid_t gid;
    mode_t mode, folder_mode;
    uid_t folder_uid;
    bool taken;     /* by the service, and so by root who looks for it */
    bool root_uses; /* by root who uses it itself */
} rows[] = {
    {SERVICE, SERVICE, 0600, 0700, SERVICE, true, true},
    {SERVICE, SERVICE, 0660, 0700, SERVICE, true, false},
    {0, SERVICE, 0660, 0700, SERVICE, true, false},
    {0, SERVICE, 0660, 0770, SERVICE, true, false},
    {0, SERVICE, 0640, 0750, SERVICE, true, true},
    {SERVICE, 0, 0660, 0700, SERVICE, true, true},
    {SERVICE, OTHER, 0660, 0700, SERVICE, false, false},
    {SERVICE, OTHER, 0640, 0700, SERVICE, true, true},
    {SERVICE, SERVICE, 0666, 0700, SERVICE, false, false},
    {0, 0, 0600, 0755, 0, true, true},
    {0, OTHER, 0660, 0755, 0, false, false},
};

static int judge(const char *path, bool looks)
{
    const struct file_kind kind = {"state file", "", 0600, looks};
    struct error warning, e;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1000;
    int r = file_judge(fd, path, &kind, &warning, &e);
    close(fd);
    return r;
}

/* It opens the file before it becomes that user, as systemd's folders let the service do. */
static int judge_as_service(const char *path)
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        const struct file_kind kind = {"state file", "", 0600, false};
        struct error warning, e;
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (setgroups(0, NULL) < 0 || setgid(SERVICE) < 0 || setuid(SERVICE) < 0)
            _exit(99);
        _exit(file_judge(fd, path, &kind, &warning, &e) < 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
    return -WEXITSTATUS(status);
}

static void test_root_looks_as_the_service_sees(void **state)
{
    char folder[] = "/tmp/test-file-XXXXXX", path[64];
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/state.db", folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct row *r = &rows[i];
        assert_int_equal(chown(folder, r->folder_uid, r->folder_uid), 0);
        assert_int_equal(chmod(folder, r->folder_mode), 0);
        assert_int_equal(chown(path, r->uid, r->gid), 0);
        assert_int_equal(chmod(path, r->mode), 0);
        bool service = judge_as_service(path) == 0, looks = judge(path, true) == 0,
             uses = judge(path, false) == 0;
        if (service != r->taken || looks != r->taken || uses != r->root_uses)
            fail_msg("row %zu: the service %d, root who looks %d, root who uses it %d", i, service,
                     looks, uses);
    }
    unlink(path);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_root_looks_as_the_service_sees)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
