/* Offsets of the fields in the headers; see format.h for their meaning. */
#ifndef VZDUMP_VMA_FORMAT_INTERNAL_H
#define VZDUMP_VMA_FORMAT_INTERNAL_H

#define VMA_ALIGN 512

#define VMA_H_MAGIC        "VMA" /* and its NUL */
#define VMA_H_VERSION      4
#define VMA_H_UUID         8
#define VMA_H_CTIME        24
#define VMA_H_MD5          32
#define VMA_H_BLOB_OFFSET  48
#define VMA_H_BLOB_SIZE    52
#define VMA_H_HEADER_SIZE  56
#define VMA_H_CONFIG_NAMES 2044
#define VMA_H_CONFIG_DATA  3068
#define VMA_H_DEVICES      4096
#define VMA_H_DEVICE_SIZE  32

#define VMA_E_MAGIC       "VMAE"
#define VMA_E_BLOCK_COUNT 6
#define VMA_E_UUID        8
#define VMA_E_MD5         24
#define VMA_E_INFOS       40

#endif
