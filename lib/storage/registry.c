/* All storage types, and storage.cfg read with them.  A new type is a file of its own and one line here. */
#include <errno.h>

#include "base/io.h"
#include "storage/config.h"
#include "storage/types.h"

#define CONF_MAX (1024 * 1024)

/* clang-format off */
static const struct storage_ops *const storage_types[] = {
	&storage_dir_ops,
	&storage_btrfs_ops,
	&storage_nfs_ops,
	&storage_cifs_ops,
	&storage_cephfs_ops,
	&storage_lvm_ops,
	&storage_lvmthin_ops,
	&storage_zfspool_ops,
	&storage_rbd_ops,
	&storage_iscsi_ops,
	&storage_iscsidirect_ops,
	NULL,
};
/* clang-format on */

void storage_config_parse(const char *text, const char *file, const char *node, const char *local_path,
			  const struct log *log, struct storage_config *ret)
{
	const struct storage_config_source source = { .file = file, .node = node, .local_path = local_path };

	storage_config_read(text, &source, storage_types, log, ret);
}

int storage_config_load(const struct paths *p, const struct log *log, struct storage_config *ret,
			struct error **err)
{
	_cleanup_free_ char *file = paths_get(p, "/etc/pve/storage.cfg");
	_cleanup_free_ char *local = paths_get(p, "/var/lib/vz");
	_cleanup_free_ char *node = paths_nodename(p);
	_cleanup_buf_ struct buf text = BUF_INIT;
	_cleanup_error_ struct error *mine = NULL;
	int r = io_read_file(file, CONF_MAX, &text, &mine);

	if (r < 0 && r != -ENOENT) {
		error_keep_first(err, &mine);
		return r;
	}
	storage_config_parse(buf_str(&text), file, node, local, log, ret);
	return 0;
}
