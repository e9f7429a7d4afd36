/* The state directory's lock is an flock on gslb.lock, asked for before SQLite is: its message names the
 * owner. */
#include "store/state_dir.h"
#include "lib/mem.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static bool make_directory(const char *state_dir, struct err_list *errors)
{
	struct stat status;
	if (mkdir(state_dir, 0750) < 0 && errno != EEXIST) {
		err_add(errors, state_dir, 0, 0, "the state directory cannot be created: %s",
			strerror(errno));
		return false;
	}
	if (stat(state_dir, &status) < 0 || !S_ISDIR(status.st_mode)) {
		err_add(errors, state_dir, 0, 0, "the state directory is not a directory");
		return false;
	}
	return true;
}

static void tell_owner(const char *state_dir, int fd, struct err_list *errors)
{
	char pid[16] = "";
	ssize_t length = pread(fd, pid, sizeof pid - 1, 0);
	pid[length > 0 ? length : 0] = '\0';
	pid[strcspn(pid, "\n")] = '\0';
	err_add(errors, state_dir, 0, 0,
		"the state directory is in use by another process%s%s; stop that, or give this node its own "
		"node.state_dir",
		pid[0] ? " with pid " : "", pid);
}

/* For the message above only: a full disk must not keep a node from starting. */
static void write_owner(int fd)
{
	char pid[16];
	int length = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
	assert(length > 0 && (size_t)length < sizeof pid);
	if (ftruncate(fd, 0) == 0 && pwrite(fd, pid, (size_t)length, 0) < 0)
		errno = 0;
}

/* The kernel drops the lock with the process, however that ends. */
int state_dir_lock(const char *state_dir, struct err_list *errors)
{
	if (!make_directory(state_dir, errors))
		return -1;
	char *path = xasprintf("%s/gslb.lock", state_dir);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (fd < 0) {
		err_add(errors, path, 0, 0, "the state directory cannot be written: %s", strerror(errno));
	} else if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		tell_owner(state_dir, fd, errors);
		close(fd);
		fd = -1;
	} else {
		write_owner(fd);
	}
	free(path);
	return fd;
}

char *state_dir_store(const char *state_dir)
{
	return xasprintf("%s/gslb.db", state_dir);
}

/* Others than root cannot give files away, and need not. */
void state_dir_give_to_owner(const char *state_dir, int fd)
{
	struct stat status;
	if (geteuid() == 0 && stat(state_dir, &status) == 0 && fchown(fd, status.st_uid, status.st_gid) < 0)
		errno = 0;
}

bool state_dir_rename(const char *state_dir, const char *from, const char *to)
{
	assert(strncmp(from, state_dir, strlen(state_dir)) == 0);
	assert(strncmp(to, state_dir, strlen(state_dir)) == 0);
	if (rename(from, to) < 0)
		return false;
	int directory = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool is_durable = directory >= 0 && fsync(directory) == 0;
	if (directory >= 0)
		close(directory);
	return is_durable;
}
