/* What the registry knows of each storage type's file, and what the types share. */
#ifndef VZDUMP_STORAGE_TYPES_H
#define VZDUMP_STORAGE_TYPES_H

#include "storage/storage.h"

extern const struct storage_ops storage_dir_ops;

/*
 * The path of a plain volume name without its directory: "vm-100-disk-0.qcow2".  False unless it is
 * one component without white space that ends in a known format; *ret is that format.
 */
bool image_name_parse(const char *name, enum image_format *ret);

#endif
