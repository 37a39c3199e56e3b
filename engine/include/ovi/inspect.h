/* ovi/inspect.h - what a model folder holds and needs, and what is wrong with a prompt, for
 * programs that help a user before a clip is made.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * A side door beside ovi/engine.h, under the same rules: ask ovi_engine_abi_version() first. A
 * library without these functions makes clips all the same.
 */
#ifndef OVI_INSPECT_H
#define OVI_INSPECT_H

#include "ovi/engine.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One part of the model, as its file says; nothing but headers is read. */
typedef struct ovi_component {
  uint32_t size;
  const char *name;    /* "transformer", "LoRA", "text encoder", "tokenizer", "video VAE", ... */
  const char *path;    /* of its file */
  uint64_t bytes;      /* of the file */
  uint64_t tensors;    /* 0 where the file is no weights */
  uint64_t parameters; /* elements of all tensors */
  const char *dtype;   /* of most elements first: "bf16", "bf16, fp32"; "" where there are none */
  const char *problem; /* why it cannot be used, a sentence; NULL: it can */
  const char *warning; /* what is strange about it, a sentence; NULL: nothing */
  const char *why;     /* this file, where there was a choice or a guess; NULL: it is plain */
} ovi_component;

/* A device, and the ranks of a clip that are on it: one, but for a CPU, which is told of once for
 * all that ovi_engine_config.devices names. */
typedef struct ovi_device_report {
  uint32_t size;
  const char *name; /* "cpu", "cuda:1" */
  uint32_t ranks;
  uint64_t free_bytes, total_bytes; /* of its memory, or of the host's on a CPU; 0: not known */
  ovi_memory memory;   /* that OVI_MEMORY_AUTO takes, or that was wished; AUTO: it does not fit */
  const char *problem; /* why it does not, a sentence; NULL: it does */
} ovi_device_report;

/* What a plan takes of a device, for a clip of the variant's usual size, or for the shares of it
 * that its ranks make. */
typedef struct ovi_memory_need {
  uint32_t size;
  ovi_memory memory; /* never AUTO */
  uint64_t needed;   /* bytes of the device, or of the host on a CPU: an upper estimate */
  int32_t fits;      /* 1: into what is free now; 0: not */
  const char *device; /* its name */
} ovi_memory_need;

typedef struct ovi_inspection {
  uint32_t size;
  char variant_name[32]; /* "720x720_5s" */
  char device[32];       /* "cpu", "cuda:0"; the first of several */
  char precision[16];    /* "fp32", "bf16", "fp8" */
  uint32_t width, height, frames; /* of the clip that the needs are for */
  uint64_t free_bytes, total_bytes; /* of that device's memory, or of the host's on a CPU */
  ovi_memory memory; /* that OVI_MEMORY_AUTO takes, or that was wished; of several devices' the
                      * poorest, which fits on all; AUTO: it does not fit */
} ovi_inspection;

/* Called one after the other, before ovi_engine_inspect() returns; a device's memory after it. NULL
 * members are skipped. */
typedef struct ovi_inspector {
  uint32_t size;
  void *user;
  void (*component)(void *user, const ovi_component *component);
  void (*memory)(void *user, const ovi_memory_need *need);
  void (*note)(void *user, const char *message); /* what else a user should know, a sentence */
  void (*device)(void *user, const ovi_device_report *device);
} ovi_inspector;

/* Looks at folder, files, device and memory, as far as one can look: what is told before an
 * error holds. OVI_OK: a clip can be made. Reads headers alone and takes no device memory.
 * OVI_NOT_FOUND names every missing file; OVI_NO_SPACE: no plan fits, or not the wished one, and
 * the message names which of several devices. OVI_SETTINGS: devices "ranks", which are looked at
 * one by one. */
OVI_API ovi_status ovi_engine_inspect(const ovi_engine_config *config,
                                      const ovi_inspector *inspector, ovi_inspection *inspection,
                                      ovi_error *error);

/* What a clip is expected to take on one device; seconds of wall clock, as in ovi_stats. */
typedef struct ovi_time_estimate {
  uint32_t size;
  uint32_t steps; /* that will be run */
  double text_seconds, image_seconds, denoise_seconds;
  double audio_decode_seconds, video_decode_seconds;
  double total_seconds; /* reading weights is not in it */
  double error;         /* 0.3: it may be 30 % less or more, on a machine that does nothing else */
  double probe_seconds; /* that this call measured for */
} ovi_time_estimate;

/* Measures the device's rates of matrix products, attention and convolutions at the model's sizes
 * and in its precision, for some seconds, and divides the counted operations of the clip by them.
 * The weights count as being on the device. Of `request` the prompt and the pixels do not matter
 * (they may be NULL). Takes memory for a few matrices. `cancel` may be NULL. OVI_SETTINGS: several
 * devices, of which the exchange between them would have to be measured too. */
OVI_API ovi_status ovi_engine_estimate(const ovi_engine_config *config, const ovi_request *request,
                                       const ovi_cancel *cancel, ovi_time_estimate *estimate,
                                       ovi_error *error);

typedef struct ovi_prompt_facts {
  uint32_t size;
  uint32_t characters;  /* Unicode code points */
  int32_t tokens;       /* that the text encoder would see; -1: no tokenizer was at hand */
  uint32_t most_tokens; /* what is more is cut off */
} ovi_prompt_facts;

/* Says what a user may want to mend in a prompt, without loading a model. `config` (may be NULL)
 * names a model whose tokenizer and style of tags are used; without it the prompt's length in tokens is
 * not known. `warn` and `facts` may be NULL. OVI_SETTINGS: empty, not UTF-8, or far too long. */
OVI_API ovi_status ovi_engine_check_prompt(const char *prompt, const ovi_engine_config *config,
                                           void (*warn)(void *user, const ovi_warning *warning),
                                           void *user, ovi_prompt_facts *facts, ovi_error *error);

#ifdef __cplusplus
}
#endif

#endif /* OVI_INSPECT_H */
