#include "boot/marks.h"

#include <stddef.h>
#include <string.h>

#include "base/cleanup.h"

#define NOTHING "the firmware finds nothing to boot from"
#define LOADER  "the boot loader does not find or cannot read what it is to start"
#define KERNEL  "the kernel's file is damaged"
#define PANIC   "the kernel gave up"
#define ROOT    "the system does not find its root file system"
#define SHELL   "the system ended in an emergency shell"
#define WINDOWS "Windows does not start"

/* clang-format off */
static const struct boot_mark marks[] = {
	/* SeaBIOS, OVMF */
	{ "No bootable device", NOTHING },
	{ "No bootable option or device was found", NOTHING },
	{ "UEFI Interactive Shell", NOTHING },
	/* boot sectors */
	{ "Missing operating system", NOTHING },
	{ "Operating system not found", NOTHING },
	{ "Error loading operating system", LOADER },
	{ "Invalid partition table", NOTHING },
	{ "Non-System disk", NOTHING },
	{ "This is not a bootable disk", NOTHING },
	/* GRUB, syslinux */
	{ "grub rescue>", LOADER },
	{ "Could not find kernel image", LOADER },
	{ "No DEFAULT or UI configuration directive found", LOADER },
	{ "Failed to load ldlinux", LOADER },
	{ "Failed to load COM32 file", LOADER },
	{ "Invalid or corrupt kernel image", KERNEL },
	{ "error: invalid magic number", KERNEL },
	{ "you need to load the kernel first", LOADER },
	/* Linux, as it unpacks itself */
	{ "-- System halted", KERNEL },
	/* Linux */
	{ "VFS: Unable to mount root fs", ROOT },
	{ "VFS: Cannot open root device", ROOT },
	{ "Kernel panic - not syncing", PANIC },
	/* initramfs-tools, dracut, systemd */
	{ "Dropping to a shell!", ROOT },
	{ "(initramfs)", ROOT },
	{ "dracut:/#", SHELL },
	{ "Entering emergency mode", SHELL },
	{ "You are in emergency mode", SHELL },
	{ "You are in rescue mode", SHELL },
	{ "Give root password for maintenance", SHELL },
	{ "or press Control-D to continue", SHELL },
	/* BSD */
	{ "mountroot>", ROOT },
	{ "\npanic: ", PANIC },
	{ "ddb>", PANIC },
	/* Windows, where it speaks in text */
	{ "BOOTMGR is missing", LOADER },
	{ "BOOTMGR is compressed", LOADER },
	{ "NTLDR is missing", LOADER },
	{ "An operating system wasn't found", NOTHING },
	{ "Windows failed to start", WINDOWS },
	{ "A problem has been detected and Windows has been shut down", WINDOWS },
	{ "INACCESSIBLE_BOOT_DEVICE", WINDOWS },
};
/* clang-format on */

const struct boot_mark *boot_marks_find(const char *text)
{
	for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
		if (strstr(text, marks[i].text))
			return &marks[i];
	return NULL;
}
