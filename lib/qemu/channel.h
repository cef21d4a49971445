/*
 * A unix stream socket that carries JSON messages, one per line, as QMP and the guest agent do.
 * Waits end at a deadline (units_now_ns() clock) or when a stop is requested.
 */
#ifndef VZDUMP_QEMU_CHANNEL_H
#define VZDUMP_QEMU_CHANNEL_H

#include <stdint.h>

#include "base/buf.h"
#include "base/cancel.h"
#include "base/error.h"
#include "base/json.h"

/* The limits of one message. */
struct channel_limits {
	size_t message; /* bytes of text, without the newline */
	size_t memory;  /* bytes it may need when it is parsed, see json_parse() */
};

struct channel {
	int fd;         /* -1: closed */
	char *path;     /* for messages */
	struct buf in;  /* received, not yet taken */
	size_t scanned; /* bytes of in that have been searched for the mark */
	size_t taken;   /* bytes of in that belong to the line that was returned last */
	struct channel_limits limits;
	const struct cancel *cancel; /* may be NULL */
};
#define CHANNEL_INIT                     \
	{                                \
		.fd = -1, .in = BUF_INIT \
	}

/* A deadline that is timeout_ms milliseconds from now. */
uint64_t channel_deadline(int timeout_ms);

/* Connects.  Waits for room if the backlog is full because another client is being served. */
int channel_connect(struct channel *c, const char *path, const struct channel_limits *limits,
		    uint64_t deadline, const struct cancel *cancel, struct error **err);
/*
 * Takes over a connected socket, which becomes non-blocking.  name stands for its path in messages.
 */
void channel_adopt(struct channel *c, int fd, const char *name, const struct channel_limits *limits,
		   const struct cancel *cancel);
void channel_clear(struct channel *c);

/* pass_fd >= 0: the peer gets a copy of that descriptor with the first byte. */
int channel_send(struct channel *c, const char *data, size_t len, int pass_fd, uint64_t deadline,
		 struct error **err);

/*
 * Waits for the next line and parses it.  ERR_GONE at the end of the stream; ERR_CORRUPT if the line is
 * longer than limits.message, or is no JSON object within limits.memory.  The caller puts *ret.
 */
int channel_message(struct channel *c, uint64_t deadline, struct json_object **ret, struct error **err);

/* Drops everything up to and including the next byte `mark`. */
int channel_skip_to(struct channel *c, char mark, uint64_t deadline, struct error **err);

/*
 * Evaluates an answer: its "return" member becomes *ret (ret may be NULL; the caller puts *ret), its "error"
 * becomes ERR_PEER with the peer's words.
 */
int channel_result(struct json_object *answer, struct json_object **ret, struct error **err);

#endif
