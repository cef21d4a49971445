/* pvesm: the storages of /etc/pve/storage.cfg and what is on them, as PVE's command of that name. */
#include "pvesm-commands.h"

int main(int argc, char *argv[])
{
	const struct command *const commands[] = {
		&pvesm_command_alloc,  &pvesm_command_extractconfig,
		&pvesm_command_free,   &pvesm_command_list,
		&pvesm_command_path,   &pvesm_command_prune_backups,
		&pvesm_command_status, NULL,
	};

	return command_main(&(struct command_set){ .tool = "pvesm", .commands = commands }, argc, argv);
}
