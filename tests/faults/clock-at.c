/*
 * For LD_PRELOAD under vzdump: its clock begins at CLOCK_AT, in seconds since 1970, so that a test has many
 * nights.  Only time() tells it: names of archives, retention and the age of chains go by that.
 */
#include <stdlib.h>
#include <time.h>

static time_t ahead;

static time_t real_time(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec;
}

__attribute__((constructor)) static void configure(void)
{
	const char *text = getenv("CLOCK_AT");

	if (text)
		ahead = (time_t)strtoll(text, NULL, 10) - real_time();
}

time_t time(time_t *ret)
{
	const time_t now = real_time() + ahead;

	if (ret)
		*ret = now;
	return now;
}
