/* The commands of vma: one table row and one function each. */
#ifndef VZDUMP_CLI_VMA_COMMANDS_H
#define VZDUMP_CLI_VMA_COMMANDS_H

#include <stdint.h>

#include "base/error.h"
#include "command.h"
#include "live.h"
#include "vma/reader.h"

extern const struct command vma_command_list, vma_command_config, vma_command_extract, vma_command_verify,
	vma_command_create, vma_command_index, vma_command_serve, vma_command_diff, vma_command_mount,
	vma_command_umount, vma_command_ls, vma_command_cp, vma_command_boot;

/* Opens an archive, "-" being standard input.  *ret_fd is the caller's to close. */
int vma_open(const char *path, int *ret_fd, struct vma_reader **ret, struct error **err);
/*
 * The same, read by that many threads (0: vma_reader_threads()); with one thread, a receiver is
 * called once at a time, cluster by cluster.  cancel, which may be NULL, ends all reading.
 */
int vma_open_threads(const char *path, unsigned threads, const struct cancel *cancel, int *ret_fd,
		     struct vma_reader **ret, struct error **err);
/* Lines as Proxmox's vma prints them. */
void vma_print_content(const struct vma_header *h);
/* Prints the clusters that are missing, by disk, on standard error.  Returns their bytes. */
uint64_t vma_print_missing(const struct vma_reader *reader);

/*
 * Progress as Proxmox's vma prints it, or, on a terminal, in a line that updates in place: opaque begins
 * with this.
 */
struct vma_progress {
	struct live live;
	uint64_t shown_ns;  /* when the line was drawn last */
	int fd;             /* the archive that is read; -1: none */
	uint64_t file_size; /* of the archive; 0: a pipe */
	uint64_t total;     /* clusters */
	uint64_t start_ns;
	unsigned percent;
	unsigned damages; /* printed so far */
};
/*
 * to: standard output or standard error.  fd: the archive that is read, or -1.  A terminal shows how much of
 * the file is read, as zeroes take no time; for a pipe, how much of the disks has come.
 */
void vma_progress_init(struct vma_progress *p, const struct vma_header *h, FILE *to, int fd);
/* Draws the line in place if it is due; false if there is no terminal for it. */
bool vma_progress_show(struct vma_progress *p, uint64_t bytes, uint64_t total);
/* Removes the line: before anything else is printed, and when all is done or has failed. */
void vma_progress_off(struct vma_progress *p);
/* For vma_receiver.progress: prints lines where there is no terminal. */
void vma_print_progress(void *opaque, uint64_t clusters);
/* "damage: text" on standard error, up to a limit: opaque as above. */
void vma_print_damage(void *opaque, const char *text);
void vma_print_totals(const struct vma_reader_stats *s);

#endif
