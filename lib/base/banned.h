/*
 * Functions that are too easy to misuse do not compile.  Included before every file by the build.
 */
#ifndef VZDUMP_BASE_BANNED_H
#define VZDUMP_BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf gets strtok
#pragma GCC poison system popen atoi atol atoll gmtime localtime asctime tmpnam mktemp tempnam

#endif
