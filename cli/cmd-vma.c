/* vma: looks into VMA archives, takes them apart, checks and makes them, as Proxmox's command. */
#include "vma-commands.h"

static const struct command *const commands[] = {
	&vma_command_list,   &vma_command_config,
	&vma_command_create, &vma_command_extract,
	&vma_command_verify, &vma_command_index,
	&vma_command_serve,  &vma_command_diff,
	&vma_command_mount,  &vma_command_umount,
	&vma_command_ls,     &vma_command_cp,
	&vma_command_boot,   NULL,
};

int main(int argc, char *argv[])
{
	return command_main(&(struct command_set){ .tool = "vma", .commands = commands }, argc, argv);
}
